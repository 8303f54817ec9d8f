using Milena.Protocol.Generator;

namespace Milena.Protocol.Tests;

/// <summary>A spec is also the page on which one looks up what a field means.</summary>
public sealed class CommentTests
{
    public static TheoryData<string> Files => [.. Specs.Files];

    [Theory]
    [MemberData(nameof(Files))]
    public void Every_field_says_what_it_means(string file) => Assert.All(
        Specs.Read(file).SelectMany(Lines), field => Assert.True(field.Comment.Length > 0, $"{file}({field.Line}): {field.Name} has no comment"));

    [Theory]
    [MemberData(nameof(Files))]
    public void A_field_that_may_be_null_says_what_null_means(string file) => Assert.All(
        Specs.Read(file).SelectMany(Lines).Where(field => !field.Nullable.IsNone),
        field => Assert.True(field.Comment.Contains("null", StringComparison.Ordinal), $"{file}({field.Line}): {field.Name} does not say what null means"));

    private static IEnumerable<FieldSpec> Lines(MessageSpec message) => message.Fields.Concat(message.CommonStructs).SelectMany(Lines);

    private static IEnumerable<FieldSpec> Lines(FieldSpec field) => field.Fields.SelectMany(Lines).Prepend(field);
}
