using Milena.Faults.Nodes;
using Milena.Testing;

namespace Milena.Faults.Kinds;

/// <summary>Partitions that move to other nodes, all at once, while the load goes on.</summary>
internal static class Reassignments
{
    private const int MaxMomentMs = 300;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    public static IReadOnlyList<FaultKind> All { get; } =
    [
        new("reassigned", "each partition moved to three nodes chosen by chance; one time in three that is taken back a moment later", Bar.OfEachPartition(5), Needs.SpareNodes, Move),
        new("reassigned-killed", "the same, and kill -9 of a node a moment before or after it is asked for, which comes back after 3 to 8 s", Bar.Seconds(2, 5), Needs.SpareNodes, MoveAndKill),
    ];

    private static void Move(Scene scene)
    {
        var targets = Targets(scene);
        var isTakenBack = scene.Random.Next(3) == 0;
        scene.Say($"to {Text(targets)}{(isTakenBack ? ", and taken back" : "")}");
        Reassign(scene, targets);
        if (isTakenBack)
        {
            HoldAMoment(scene);
            // What has come to its end by now stays where it is.
            scene.Cluster.Reassign(scene.Topic, targets.ToDictionary(one => one.Key, _ => (IReadOnlyList<int>?)null));
        }
        else
        {
            WaitUntilThere(scene, targets);
        }
    }

    private static void MoveAndKill(Scene scene)
    {
        var targets = Targets(scene);
        var (id, role) = scene.Random.Next(2) == 0 ? scene.SomeLeader() : (scene.AnyOf(targets[scene.AnyPartition()]), "to which a partition moves");
        var (isBefore, time) = (scene.Random.Next(2) == 0, scene.DownTime());
        scene.Say($"to {Text(targets)}; node {id}, {role}, killed {(isBefore ? "before" : "after")} it is asked for, for {time.TotalSeconds} s");
        Action[] steps = [() => scene.Cluster.Node(id).Kill(), () => Reassign(scene, targets)];
        foreach (var step in isBefore ? steps : [.. steps.Reverse()])
        {
            step();
            HoldAMoment(scene);
        }

        Scene.Hold(time);
        scene.Cluster.Start(id);
        WaitUntilThere(scene, targets);
    }

    private static void HoldAMoment(Scene scene) => Scene.Hold(TimeSpan.FromMilliseconds(scene.Random.Next(MaxMomentMs)));

    /// <summary>Of each partition three nodes, the first of which is to lead it.</summary>
    private static Dictionary<int, IReadOnlyList<int>> Targets(Scene scene) => scene.Replicas().Index().ToDictionary(
        partition => partition.Index,
        _ => (IReadOnlyList<int>)[.. scene.Cluster.Ids.OrderBy(_ => scene.Random.Next()).Take(RealCluster.Replicas)]);

    private static void Reassign(Scene scene, Dictionary<int, IReadOnlyList<int>> targets) =>
        scene.Cluster.Reassign(scene.Topic, targets.ToDictionary(one => one.Key, one => (IReadOnlyList<int>?)one.Value));

    private static void WaitUntilThere(Scene scene, Dictionary<int, IReadOnlyList<int>> targets) => Wait.Until(
        () => scene.Replicas().Index().All(partition => partition.Item.SequenceEqual(targets[partition.Index])),
        Patience,
        () => $"the partitions are at {Text(targets)}; they are at {string.Join("; ", scene.Replicas().Select(one => string.Join(',', one)))}");

    private static string Text(Dictionary<int, IReadOnlyList<int>> targets) => string.Join("; ", targets.OrderBy(one => one.Key).Select(one => string.Join(',', one.Value)));
}
