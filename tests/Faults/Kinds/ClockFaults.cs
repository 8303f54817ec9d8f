namespace Milena.Faults.Kinds;

/// <summary>Wall clocks that are wrong. Nothing that keeps records may hang on one.</summary>
internal static class ClockFaults
{
    private const int MinSeconds = 8;
    private const int MaxSeconds = 20;

    /// <summary>A broker whose clock is more than an hour behind refuses what others date by theirs (<c>message.timestamp.after.max.ms</c>), as it is asked to.</summary>
    private const int MaxShiftMinutes = 55;

    public static IReadOnlyList<FaultKind> All { get; } =
    [
        new("clock-shifted", "a node's wall clock jumps by up to 55 minutes, ahead or back, and returns after 8 to 20 s", Bar.OfEachPartition(5), Needs.Clocks, Shift),
    ];

    private static void Shift(Scene scene)
    {
        var (id, role) = scene.SomeLeader();
        var minutes = scene.Random.Next(1, MaxShiftMinutes + 1) * (scene.Random.Next(2) == 0 ? 1 : -1);
        var time = scene.Duration(MinSeconds, MaxSeconds);
        scene.Say($"node {id}, {role}, by {minutes} min for {time.TotalSeconds} s");
        var clock = scene.Cluster.Clocks![id - 1];
        clock.Shift(TimeSpan.FromMinutes(minutes));
        Scene.Hold(time);
        clock.Shift(TimeSpan.Zero);
    }
}
