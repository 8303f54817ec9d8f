using Milena.Faults.Nodes;
using Milena.Testing;

namespace Milena.Faults.Kinds;

/// <summary>Processes that are killed, paused and restarted.</summary>
internal static class ProcessFaults
{
    /// <summary>Acknowledgements of a leader whose followers stand still, before it stands still itself.</summary>
    private const int RecordsAhead = 20;
    private const int MinPauseSeconds = 5;
    private const int MaxPauseSeconds = 20;

    private static readonly TimeSpan AheadPatience = TimeSpan.FromSeconds(1);

    public static IReadOnlyList<FaultKind> All { get; } =
    [
        new("leader-killed", "kill -9 of a partition's leader, which comes back after 3 to 8 s", Bar.Seconds(2, 5), Needs.Nothing, KillLeader),
        new("controller-killed", "kill -9 of the node that leads the metadata quorum, which comes back after 3 to 8 s", Bar.Seconds(2, 5), Needs.Nothing, KillController),
        new("paused", "SIGSTOP of a partition's leader or the controller, and SIGCONT after 5 to 20 s", Bar.Seconds(4, 8), Needs.Nothing, Pause),
        new("paused-ahead", "followers stand still for a moment, then their leader, with what they have not got, for 10 to 20 s", Bar.Seconds(4, 8), Needs.Nothing, PauseAhead),
        new("restarted", "SIGTERM of a node, which is started again when it has ended", Bar.Seconds(2, 5), Needs.Nothing, Restart),
        new("upgraded", "SIGTERM of a node, which is started again as the other of two builds", Bar.Seconds(2, 5), Needs.AnotherBuild, Upgrade),
        new("all-killed", "kill -9 of all nodes at once, which are started at once", Bar.OnlyMax(8), Needs.Nothing, KillAll),
        new("all-restarted", "SIGTERM of all nodes at once, which are started when all have ended", null, Needs.Nothing, RestartAll),
        new("majority-restarted", "SIGTERM of all nodes at once; all but one are started when all have ended, and that one 5 to 20 s later", null, Needs.Nothing, RestartMajority),
    ];

    private static void KillLeader(Scene scene)
    {
        var partition = scene.AnyPartition();
        Kill(scene, scene.LeaderOf(partition), $"leader of partition {partition}");
    }

    private static void KillController(Scene scene) => Kill(scene, scene.Cluster.Controller(), "the controller");

    private static void Kill(Scene scene, int id, string role)
    {
        var time = scene.DownTime();
        scene.Say($"node {id}, {role}, for {time.TotalSeconds} s");
        scene.Cluster.Node(id).Kill();
        Scene.Hold(time);
        scene.Cluster.Start(id);
    }

    private static void Pause(Scene scene)
    {
        var (id, role) = scene.SomeLeader();
        var time = scene.Duration(MinPauseSeconds, MaxPauseSeconds);
        scene.Say($"node {id}, {role}, for {time.TotalSeconds} s");
        scene.Cluster.Node(id).Pause(true);
        Scene.Hold(time);
        scene.Cluster.Node(id).Pause(false);
    }

    private static void PauseAhead(Scene scene)
    {
        var partition = scene.AnyPartition();
        var id = scene.LeaderOf(partition);
        var time = scene.Duration(MaxPauseSeconds / 2, MaxPauseSeconds);
        scene.Say($"node {id}, leader of partition {partition}, for {time.TotalSeconds} s");
        var followers = scene.Others(id).Select(scene.Cluster.Node).ToList();
        followers.ForEach(node => node.Pause(true));
        // With acks=1 it acknowledges what nobody else has; with acks=all it does not, and the wait is over in vain.
        var goal = scene.Acknowledged + RecordsAhead;
        Wait.TryUntil(() => scene.Acknowledged >= goal, AheadPatience);
        scene.Cluster.Node(id).Pause(true);
        followers.ForEach(node => node.Pause(false));
        Scene.Hold(time);
        scene.Cluster.Node(id).Pause(false);
    }

    private static void Restart(Scene scene)
    {
        var id = scene.AnyNode();
        scene.Say($"node {id}");
        Restart(scene, id, () => { });
    }

    /// <param name="meanwhile">Done while the node is down.</param>
    private static void Restart(Scene scene, int id, Action meanwhile)
    {
        Stop(scene, id);
        meanwhile();
        scene.Cluster.Start(id);
    }

    private static void Stop(Scene scene, int id)
    {
        if (scene.Cluster.Node(id).Stop() is var code and not 0)
        {
            throw new InvalidOperationException($"Node {id} ended with exit code {code} on SIGTERM.");
        }
    }

    /// <summary>Each looks for somebody who could lead in its place, until nobody is left.</summary>
    private static void RestartAll(Scene scene)
    {
        scene.Say(scene.Everybody);
        Parallel.ForEach(scene.Cluster.Ids, id => Stop(scene, id));
        scene.Cluster.Start();
    }

    private static void RestartMajority(Scene scene)
    {
        var late = scene.AnyNode();
        var time = scene.Duration(MinPauseSeconds, MaxPauseSeconds);
        scene.Say($"{scene.Everybody}, and node {late} is late by {time.TotalSeconds} s");
        Parallel.ForEach(scene.Cluster.Ids, id => Stop(scene, id));
        Parallel.ForEach(scene.Others(late), scene.Cluster.Start);
        Scene.Hold(time);
        scene.Cluster.Start(late);
    }

    /// <summary>All nodes in turn become the other build, and then all in turn what they were: most of the time both are in the cluster.</summary>
    private static void Upgrade(Scene scene)
    {
        var first = scene.Cluster.Node(1);
        var id = scene.Cluster.Ids.FirstOrDefault(id => scene.Cluster.Node(id).Executable != first.Executable, defaultValue: 1);
        var node = scene.Cluster.Node(id);
        var after = node.Executable == NodeProcess.Program ? scene.Cluster.From! : NodeProcess.Program;
        scene.Say($"node {id}, which becomes {after}");
        Restart(scene, id, () => node.Executable = after);
    }

    private static void KillAll(Scene scene)
    {
        scene.Say(scene.Everybody);
        Parallel.ForEach(scene.Cluster.Nodes, node => node.Kill());
        scene.Cluster.Start();
    }
}
