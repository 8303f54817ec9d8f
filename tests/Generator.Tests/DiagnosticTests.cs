using Microsoft.CodeAnalysis;

namespace Milena.Generator.Tests;

/// <summary>Every mistake in a spec is a build error that names the file, the line and what is wrong.</summary>
public sealed class DiagnosticTests
{
    private const string Data = "data Thing 0-3 flexible 2+\n";

    public static TheoryData<string, int, string> Mistakes => new()
    {
        // Sections
        { "", 1, "defines no message" },
        { "# only a comment", 1, "defines no message" },
        { "api 1 Ask 0-1\nrequest\n", 1, "expected 'api KEY NAME VERSIONS flexible VERSIONS'" },
        { "api one Ask 0-1 flexible 0+\n", 1, "expected 'api" },
        { "api 70000 Ask 0-1 flexible 0+\n", 1, "expected 'api" },
        { "api 1 Ask 1-0 flexible 0+\n", 1, "expected 'api" },
        { "api 1 Ask 0-1 flexible none\nrequest\n", 1, "Ask must have one request and one response" },
        { "api 1 Ask 0-1 flexible none\nrequest\nrequest\n", 1, "Ask must have one request and one response" },
        { "api 1 Ask 0-1 flexible none\nrequest\napi 2 Tell 0 flexible none\nrequest\nresponse\n", 1, "Ask must have one request and one response" },
        { "request\n", 1, "below it 'request' and 'response'" },
        { "record 1 Thing 0\n", 1, "'record KEY NAME VERSIONS flexible VERSIONS'" },
        { "data Thing 0+ flexible none\n", 1, "must have an end" },
        { "data Thing none flexible none\n", 1, "must have an end" },
        { "data Thing 0-3 flexible 2-3\n", 1, "flexible in no version or in all from one on" },
        { "data thing 0 flexible none\n", 1, "thing is no name" },
        { "data Thing 0 flexible none\ndata Thing 1 flexible none\n", 2, "Thing is already defined" },

        // Indentation
        { "  A int8 0+\n", 1, "indented by two spaces" },
        { Data + " A int8 0+\n", 2, "indented by two spaces" },
        { Data + "   A int8 0+\n", 2, "indented by two spaces" },
        { Data + "    A int8 0+\n", 2, "indented by two spaces" },
        { Data + "  A []Item 0+\n      B int8 0+\n", 3, "indented by two spaces" },
        { Data + "\tA int8 0+\n", 2, "tabs have no meaning" },
        { Data + "\t\tA int8 0+\n", 2, "tabs have no meaning" },
        { Data + "  A\tint8 0+\n", 2, "tabs have no meaning" },
        { Data + "  A int8 0+\n    B int8 0+\n", 3, "A is of type int8 and cannot have fields" },

        // Names, types and versions
        { Data + "  A int8\n", 2, "a field is NAME TYPE VERSIONS" },
        { Data + "  A int8 zero\n", 2, "'zero' is no range of versions" },
        { Data + "  A int8 3-\n", 2, "'3-' is no range of versions" },
        { Data + "  A int8 3-2\n", 2, "'3-2' is no range of versions" },
        { Data + "  A int8 -1+\n", 2, "'-1+' is no range of versions" },
        { Data + "  A int8 none\n", 2, "A is in no version" },
        { Data + "  A int7 0+\n", 2, "the type int7 of A is neither a primitive nor a struct of Thing" },
        { Data + "  A [][]int8 0+\n", 2, "the type []int8 of A is neither" },
        { Data + "  A Item 0+\n", 2, "the type Item of A is neither" },
        { Data + "  a int8 0+\n", 2, "a is no name of a field" },
        { Data + "  A-B int8 0+\n", 2, "A-B is no name of a field" },
        { Data + "  Thing int8 0+\n", 2, "Thing is already something else in the class Thing" },
        { Data + "  Write int8 0+\n", 2, "Write is already something else" },
        { Data + "  A int8 0+\n  B int8 0+\n  A int16 0+\n", 4, "Thing has a field A already" },
        { Data + "  X []Item 0+\n    A int8 0+\n    A int16 0+\n", 4, "Item has a field A already" },

        // Structs
        { Data + "  X []Item 0+\n    A int8 0+\n  Y []Item 0+\n    A int8 0+\n", 4, "the struct Item is already defined in line 2" },
        { Data + "  X []Item 0+\n  struct Item 0+\n", 3, "the struct Item has no fields" },
        { Data + "  X []item 0+\n    A int8 0+\n", 2, "item is no name of a struct" },
        { Data + "  X []Thing 0+\n    A int8 0+\n", 2, "the struct Thing bears the name of its message" },
        { Data + "  X []Item 0+\n  struct Item 0+\n    Below []Item 0+\n", 3, "the struct Item holds itself" },
        { Data + "  X []Item 0+\n  struct Item 0+\n    Below []Other 0+\n  struct Other 0+\n    Back Item 0+\n", 3, "the struct Item holds itself" },
        { Data + "  X []Item 0+\n    A int8 1+\n", 2, "an element of X takes no bytes in version 0" },

        // Attributes
        { Data + "  A int8 0+ optional\n", 2, "'optional' is no attribute of a field" },
        { Data + "  A int8 0+ ignorable ignorable\n", 2, "'ignorable' is there twice" },
        { Data + "  A string 0+ null\n", 2, "null needs versions" },
        { Data + "  A string 0+ null ignorable\n", 2, "null needs versions" },
        { Data + "  A string 0-1 null 2+\n", 2, "A may be null in versions 2+, and is in versions 0-1" },
        { Data + "  A int8 0+ null 0+\n", 2, "A of type int8 cannot be null" },
        { Data + "  A int8 2+ tag\n", 2, "tag needs a number" },
        { Data + "  A int8 2+ tag first 2+\n", 2, "tag needs a number, and 'first' is none" },
        { Data + "  A int8 2+ tag 0\n", 2, "tag 0 needs versions" },
        { Data + "  A int8 2+ tag 0 ignorable\n", 2, "tag 0 needs versions: 'ignorable' is no range" },
        { Data + "  A int8 1+ tag 0 1+\n", 2, "of which some are not flexible" },
        { Data + "  A int8 2+ tag 0 2\n", 2, "must have its tag from one of them to the last" },
        { Data + "  A int8 3+ tag 0 2+\n", 2, "must have its tag from one of them to the last" },
        { Data + "  A int8 2+ tag 0 2+\n  B int8 2+ tag 0 2+\n", 3, "tag 0 of B is already that of A" },
        { Data + "  A int8 0+ =\n", 2, "'=' needs a default" },
        { Data + "  A int8 0+ = many\n", 2, "'many' is no default of A, which is of type int8" },
        { Data + "  A int8 0+ = 128\n", 2, "'128' is no default of A" },
        { Data + "  A int32 0+ = 0x1ffffffff\n", 2, "is no default of A" },
        { Data + "  A bool 0+ = yes\n", 2, "'yes' is no default of A" },
        { Data + "  A []int8 0+ = 1\n", 2, "which is of type []int8" },
        { Data + "  A string 0+ = null\n", 2, "A is null by default, but may be null in no version" },
        { Data + "  A int8 0+ never-compact\n", 2, "has no compact form" },
    };

    [Theory]
    [MemberData(nameof(Mistakes))]
    public void A_mistake_is_one_error_with_its_file_and_line(string spec, int line, string message)
    {
        var error = Assert.Single(Generating.Diagnostics(new SpecText("specs/Thing.spec", spec)));
        Assert.Equal("MILENA001", error.Id);
        Assert.Equal(DiagnosticSeverity.Error, error.Severity);
        Assert.Equal("specs/Thing.spec", error.Location.GetLineSpan().Path);
        Assert.Equal(line, error.Location.GetLineSpan().StartLinePosition.Line + 1);
        Assert.Contains(message, error.GetMessage(), StringComparison.Ordinal);
    }

    [Fact]
    public void Several_mistakes_are_all_reported()
    {
        var errors = Generating.Diagnostics(new SpecText("Thing.spec", Data + "  A int7 0+\n  B int8 0+ = many\n  A int8 0+\n"));
        Assert.Equal([2, 3, 4], errors.Select(error => error.Location.GetLineSpan().StartLinePosition.Line + 1).Order());
    }

    [Fact]
    public void A_message_of_two_files_is_an_error_in_the_second_alone()
    {
        var error = Assert.Single(Generating.Diagnostics(new SpecText("a.spec", Data), new SpecText("b.spec", "# a note\n" + Data)));
        Assert.Equal(("b.spec", 1), (error.Location.GetLineSpan().Path, error.Location.GetLineSpan().StartLinePosition.Line));
        Assert.Contains("Thing is already defined in a.spec", error.GetMessage(), StringComparison.Ordinal);
    }

    [Fact]
    public void An_api_key_of_two_apis_is_an_error_in_the_second_alone()
    {
        const string Sections = "request\nresponse\n";
        var error = Assert.Single(Generating.Diagnostics(
            new SpecText("a.spec", "api 1 Ask 0 flexible none\n" + Sections), new SpecText("b.spec", "api 1 Tell 0 flexible none\n" + Sections)));
        Assert.Equal("b.spec", error.Location.GetLineSpan().Path);
        Assert.Contains("API key 1 of TellRequest is already that of AskRequest", error.GetMessage(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_that_cannot_be_read_is_an_error()
    {
        var error = Assert.Single(Generating.Diagnostics(new SpecText("gone.spec", null)));
        Assert.Contains("cannot be read", error.GetMessage(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_mistake_in_one_file_leaves_the_others_their_codecs()
    {
        var result = Generating.Driver(new SpecText("a.spec", "nonsense"), new SpecText("b.spec", Data)).RunGenerators(Generating.Compilation()).GetRunResult();
        Assert.Single(result.Diagnostics);
        Assert.EndsWith("Thing.g.cs", Assert.Single(result.GeneratedTrees).FilePath, StringComparison.Ordinal);
    }

    [Fact]
    public void Other_files_are_none_of_the_generators_business() =>
        Assert.Empty(Generating.Diagnostics(new SpecText("notes.txt", "nonsense")));
}
