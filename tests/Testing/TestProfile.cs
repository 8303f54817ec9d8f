namespace Milena.Testing;

/// <summary>How much of what is tried by chance is tried: PROFILE is unset, or <c>nightly</c> for more seeds than one waits for by day.</summary>
public static class TestProfile
{
    private const string Variable = "PROFILE";
    private const string Nightly = "nightly";

    public static bool IsNightly { get; } = Environment.GetEnvironmentVariable(Variable) switch
    {
        null or "" => false,
        Nightly => true,
        var other => throw new InvalidOperationException($"{Variable} is '{other}'; it may be unset or {Nightly}."),
    };

    /// <summary>Seeds from 1: always the same first ones, so that a nightly failure's seed can be tried by day.</summary>
    public static IEnumerable<int> Seeds(int usual, int nightly) => Enumerable.Range(1, IsNightly ? nightly : usual);
}
