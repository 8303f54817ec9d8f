using System.Globalization;

namespace Milena.Fuzz.Tests;

/// <summary>How much is tried, and from which seed.</summary>
/// <remarks>
/// <c>FUZZ_SEED</c> and <c>FUZZ_COUNT</c> (cases a codec and version) override what is below. With <c>PROFILE=nightly</c> a hundred times
/// as much is tried, from a new seed each night. A failure names its seed and case, which alone repeat it.
/// </remarks>
internal static class Fuzzing
{
    private const int UsualSeed = 20260101;
    private const int UsualCount = 200;
    private const int NightlyFactor = 100;

    private static readonly bool IsNightly = Environment.GetEnvironmentVariable("PROFILE") == "nightly";

    public static int Seed { get; } = Number("FUZZ_SEED") ?? (IsNightly ? Random.Shared.Next() : UsualSeed);

    public static int Count { get; } = Number("FUZZ_COUNT") ?? (IsNightly ? NightlyFactor * UsualCount : UsualCount);

    /// <summary>Tries cases one by one, each with chance of its own, so that one can be tried again without those before it.</summary>
    public static void Try(string subject, int cases, Action<Random> attempt)
    {
        for (var number = 0; number < cases; number++)
        {
            try
            {
                attempt(new Random(SeedOf(subject, number)));
            }
            catch (Exception failure)
            {
                throw new InvalidOperationException($"{subject}, case {number} of FUZZ_SEED={Seed}: {failure.Message}", failure);
            }
        }
    }

    // FNV-1a, since a string's own hash code differs from run to run.
    private static int SeedOf(string subject, int number) =>
        subject.Aggregate(unchecked((int)2166136261) ^ Seed ^ (number * 7919), (hash, letter) => unchecked((hash ^ letter) * 16777619));

    private static int? Number(string variable) =>
        Environment.GetEnvironmentVariable(variable) is { Length: > 0 } text ? int.Parse(text, CultureInfo.InvariantCulture) : null;
}
