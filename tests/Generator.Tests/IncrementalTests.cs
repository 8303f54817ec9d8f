using Microsoft.CodeAnalysis;
using Milena.Protocol.Generator;

namespace Milena.Generator.Tests;

/// <summary>A keystroke in one spec must not cost the codecs of all the others.</summary>
public sealed class IncrementalTests
{
    private static readonly SpecText Ask = new("ask.spec", "api 1 Ask 0 flexible none\nrequest\n  A int8 0+\nresponse\n  B int8 0+\n");
    private static readonly SpecText Thing = new("thing.spec", "data Thing 0 flexible none\n  A int8 0+\n");

    [Fact]
    public void Specs_that_stay_are_neither_parsed_nor_emitted_again()
    {
        var second = RunAgain(driver => driver, changedSource: true);
        Assert.All(Reasons(second, SpecGenerator.ParseStep), reason => Assert.Equal(IncrementalStepRunReason.Cached, reason));
        Assert.All(Outputs(second), reason => Assert.Equal(IncrementalStepRunReason.Cached, reason));
    }

    [Fact]
    public void The_same_text_saved_again_is_emitted_by_nobody()
    {
        var same = new SpecText(Thing.Path, Thing.GetText()!.ToString());
        var second = RunAgain(driver => driver.ReplaceAdditionalText(Thing, same));
        Assert.Contains(IncrementalStepRunReason.Unchanged, Reasons(second, SpecGenerator.ParseStep));
        Assert.All(Outputs(second), reason => Assert.Equal(IncrementalStepRunReason.Cached, reason));
    }

    [Fact]
    public void A_changed_spec_is_emitted_again_and_no_other_and_not_the_catalog()
    {
        var changed = new SpecText(Thing.Path, "data Thing 0 flexible none\n  A int16 0+\n");
        var second = RunAgain(driver => driver.ReplaceAdditionalText(Thing, changed));
        Assert.Equal([IncrementalStepRunReason.Modified, IncrementalStepRunReason.Cached], Reasons(second, SpecGenerator.ParseStep).Order());
        Assert.Single(Outputs(second), reason => reason == IncrementalStepRunReason.Modified);
        Assert.Equal(2, Outputs(second).Count(reason => reason == IncrementalStepRunReason.Cached));
    }

    [Fact]
    public void Fields_of_an_api_do_not_touch_the_catalog_and_its_name_does()
    {
        var field = RunAgain(driver => driver.ReplaceAdditionalText(Ask, Replaced(Ask, "A int8", "A int16")));
        Assert.All(Reasons(field, SpecGenerator.CatalogStep), reason => Assert.NotEqual(IncrementalStepRunReason.Modified, reason));
        var name = RunAgain(driver => driver.ReplaceAdditionalText(Ask, Replaced(Ask, "Ask", "Tell")));
        Assert.Contains(IncrementalStepRunReason.Modified, Reasons(name, SpecGenerator.CatalogStep));
        Assert.Contains("Tell = 1,", Catalog(name), StringComparison.Ordinal);
    }

    [Fact]
    public void A_clash_that_appears_is_reported_and_one_that_goes_is_not()
    {
        var clash = new SpecText("other.spec", Thing.GetText()!.ToString());
        var driver = Generating.Driver(Ask, Thing).RunGenerators(Generating.Compilation());
        driver = driver.AddAdditionalTexts([clash]).RunGenerators(Generating.Compilation());
        Assert.Single(driver.GetRunResult().Diagnostics);
        driver = driver.RemoveAdditionalTexts([clash]).RunGenerators(Generating.Compilation());
        Assert.Empty(driver.GetRunResult().Diagnostics);
    }

    private static GeneratorRunResult RunAgain(Func<GeneratorDriver, GeneratorDriver> change, bool changedSource = false)
    {
        var first = Generating.Driver(Ask, Thing).RunGenerators(Generating.Compilation());
        return change(first).RunGenerators(Generating.Compilation(changedSource ? "class Other;" : "")).GetRunResult().Results.Single();
    }

    private static SpecText Replaced(SpecText spec, string from, string to) =>
        new(spec.Path, spec.GetText()!.ToString().Replace(from, to, StringComparison.Ordinal));

    private static IReadOnlyList<IncrementalStepRunReason> Reasons(GeneratorRunResult result, string step) =>
        [.. result.TrackedSteps[step].SelectMany(run => run.Outputs).Select(output => output.Reason)];

    private static IReadOnlyList<IncrementalStepRunReason> Outputs(GeneratorRunResult result) =>
        [.. result.TrackedOutputSteps.Values.SelectMany(runs => runs).SelectMany(run => run.Outputs).Select(output => output.Reason)];

    private static string Catalog(GeneratorRunResult result) =>
        result.GeneratedSources.Single(source => source.HintName == "ApiCatalog.g.cs").SourceText.ToString();
}
