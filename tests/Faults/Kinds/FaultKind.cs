namespace Milena.Faults.Kinds;

/// <summary>What a kind of fault must not cost, in silence; null: no bar.</summary>
/// <param name="OfEach">The maximum holds for the worst single partition, too.</param>
public sealed record Bar(TimeSpan? Median, TimeSpan Max, bool OfEach = false)
{
    public static Bar Seconds(double median, double max) => new(TimeSpan.FromSeconds(median), TimeSpan.FromSeconds(max));

    public static Bar OfEachPartition(double max) => new(null, TimeSpan.FromSeconds(max), OfEach: true);

    public static Bar OnlyMax(double max) => new(null, TimeSpan.FromSeconds(max));
}

/// <summary>What a kind of fault needs of the machine.</summary>
public enum Needs
{
    Nothing,
    Network,
    Disks,
    Clocks,
    AnotherBuild,
    SpareNodes,
}

/// <summary>One kind of fault.</summary>
/// <param name="Name">As it is chosen and printed.</param>
/// <param name="Says">What it does, for the help.</param>
/// <param name="Inflict">Does harm, and mends it; says to the scene what it is about to do.</param>
public sealed record FaultKind(string Name, string Says, Bar? Bar, Needs Needs, Action<Scene> Inflict)
{
    public static IReadOnlyList<FaultKind> All { get; } = [.. ProcessFaults.All, .. NetworkFaults.All, .. DiskFaults.All, .. ClockFaults.All, .. Reassignments.All, Untouched.Kind];
}
