using Milena.Faults.Checking;
using Milena.Faults.Nodes;
using Milena.Testing;

namespace Milena.Faults.Kinds;

/// <summary>What a fault is inflicted on, and its dice.</summary>
/// <param name="acknowledged">How many records are acknowledged so far, of all partitions.</param>
/// <param name="say">Takes what the fault is about to do.</param>
/// <param name="accuse">Takes what the cluster did wrong, and in which partition; -1 for none.</param>
public sealed class Scene(
    RealCluster cluster, string topic, int partitions, Random random, Func<long> acknowledged, Action<string> say, Action<ViolationKind, int, string> accuse)
{
    private const int MinDownSeconds = 3;
    private const int MaxDownSeconds = 8;
    private const int NoLeader = -1;

    private static readonly TimeSpan LeaderPatience = TimeSpan.FromSeconds(120);

    public RealCluster Cluster { get; } = cluster;

    public string Topic { get; } = topic;

    public Random Random { get; } = random;

    public long Acknowledged => acknowledged();

    public void Say(string what) => say(what);

    public void Accuse(ViolationKind kind, int partition, string what) => accuse(kind, partition, what);

    public int AnyPartition() => Random.Next(partitions);

    /// <summary>A partition has none for a moment where leaders change although nothing is done to anybody, as on a machine that has too much to do.</summary>
    public int LeaderOf(int partition)
    {
        var leader = NoLeader;
        Wait.Until(() => (leader = Cluster.Describe(Topic)[partition].LeaderId) != NoLeader, LeaderPatience, () => $"partition {partition} has a leader");
        return leader;
    }

    /// <summary>Of each partition, in order.</summary>
    public IReadOnlyList<(int Id, int Epoch)> Leaders() => [.. Cluster.Describe(Topic).Select(one => (one.LeaderId, one.LeaderEpoch))];

    /// <summary>A node that matters: some partition's leader or the controller.</summary>
    public (int Id, string Role) SomeLeader()
    {
        var partition = AnyPartition();
        return Random.Next(3) == 0 ? (Cluster.Controller(), "the controller") : (LeaderOf(partition), $"leader of partition {partition}");
    }

    /// <summary>Of each partition, in order.</summary>
    public IReadOnlyList<IReadOnlyList<int>> Replicas() => [.. Cluster.Describe(Topic).Select(one => one.ReplicaNodes)];

    /// <summary>A node, whatever it does.</summary>
    public int AnyNode() => 1 + Random.Next(Cluster.Nodes.Count);

    /// <summary>One of some.</summary>
    public T AnyOf<T>(IReadOnlyList<T> some) => some[Random.Next(some.Count)];

    /// <summary>All nodes, for a sentence.</summary>
    public string Everybody => $"nodes 1 to {Cluster.Ids.Count}";

    public IEnumerable<int> Others(int id) => Cluster.Ids.Where(other => other != id);

    /// <summary>Lets some time pass, chosen by chance between whole seconds.</summary>
    public TimeSpan Duration(int fromSeconds, int toSeconds) => TimeSpan.FromSeconds(Random.Next(fromSeconds, toSeconds + 1));

    /// <summary>For how long a killed node stays away.</summary>
    public TimeSpan DownTime() => Duration(MinDownSeconds, MaxDownSeconds);

    /// <summary>The fault lasts: that time passes is what it is about.</summary>
    public static void Hold(TimeSpan time) => Thread.Sleep(time);
}
