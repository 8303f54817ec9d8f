using Milena.Faults.Nodes;

namespace Milena.Faults.Kinds;

/// <summary>Links between nodes that are cut, in one direction or both, or are bad.</summary>
internal static class NetworkFaults
{
    private const int MinSeconds = 8;
    private const int MaxSeconds = 20;
    private const int SlowKbit = 400;
    private const int SlowPackets = 20;

    public static IReadOnlyList<FaultKind> All { get; } =
    [
        new("isolated", "a node that neither nodes nor clients reach, for 8 to 20 s", Bar.Seconds(4, 8), Needs.Network, Isolate),
        new("cut-from-peers", "a node that clients reach, and no other node, for 8 to 20 s", Bar.Seconds(4, 8), Needs.Network, CutFromPeers),
        new("link-cut", "the link between two nodes cut both ways, for 8 to 20 s", Bar.OfEachPartition(5), Needs.Network, CutLink),
        new("link-cut-one-way", "what one node sends to another is lost, for 8 to 20 s", Bar.OfEachPartition(5), Needs.Network, CutOneWay),
        new("link-slow", "the link between two nodes slow and lossy (400 kbit/s, a queue of 20 packets), for 8 to 20 s", Bar.OfEachPartition(5), Needs.Network, Slow),
    ];

    private static void Isolate(Scene scene)
    {
        var (id, role) = scene.SomeLeader();
        Inflict(scene, $"node {id}, {role}", network =>
        {
            CutFromOthers(scene, network, id);
            network.CutBothWays(id, NodeNetwork.Clients);
        });
    }

    private static void CutFromPeers(Scene scene)
    {
        var (id, role) = scene.SomeLeader();
        Inflict(scene, $"node {id}, {role}", network => CutFromOthers(scene, network, id));
    }

    private static void CutLink(Scene scene)
    {
        var (one, other) = SomeLink(scene);
        Inflict(scene, $"between {one} and {other}", network => network.CutBothWays(one, other));
    }

    private static void CutOneWay(Scene scene)
    {
        var (one, other) = SomeLink(scene);
        Inflict(scene, $"from {one} to {other}", network => network.Cut(one, other));
    }

    private static void Slow(Scene scene)
    {
        var (one, other) = SomeLink(scene);
        Inflict(scene, $"between {one} and {other}", network => network.Slow(one, other, SlowKbit, SlowPackets));
    }

    private static (int One, int Other) SomeLink(Scene scene)
    {
        var (id, _) = scene.SomeLeader();
        var others = scene.Others(id).ToList();
        return scene.Random.Next(2) == 0 ? (id, others[scene.Random.Next(others.Count)]) : (others[scene.Random.Next(others.Count)], id);
    }

    private static void CutFromOthers(Scene scene, NodeNetwork network, int id)
    {
        foreach (var other in scene.Others(id))
        {
            network.CutBothWays(id, other);
        }
    }

    private static void Inflict(Scene scene, string where, Action<NodeNetwork> harm)
    {
        var time = scene.Duration(MinSeconds, MaxSeconds);
        scene.Say($"{where}, for {time.TotalSeconds} s; the controller is node {scene.Cluster.Controller()}");
        var network = scene.Cluster.Network!;
        harm(network);
        Scene.Hold(time);
        network.Heal();
    }
}
