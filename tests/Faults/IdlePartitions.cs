using System.Diagnostics;
using System.Globalization;
using Milena.Faults.Nodes;

namespace Milena.Faults;

/// <summary>Partitions with three replicas that nobody writes to: they make a cluster big, and its faults are measured on the topic beside them.</summary>
internal sealed class IdlePartitions
{
    private const int PerTopic = 250;
    private const double BytesPerMebibyte = 1 << 20;

    private readonly RealCluster _cluster;
    private readonly Action<string> _say;
    private readonly List<string> _topics = [];

    /// <summary>Makes them, stops all nodes in order and starts them again, and says how long each took and what the nodes weigh.</summary>
    /// <param name="count">0: nothing is done.</param>
    /// <param name="say">Takes a line for each step.</param>
    public IdlePartitions(RealCluster cluster, int count, Action<string> say)
    {
        (_cluster, _say) = (cluster, say);
        if (count > 0)
        {
            Weigh("without idle partitions");
            Timed($"{count} idle partitions made and in sync", () => Make(count));
            Weigh($"with {count} idle partitions");
            Timed("all nodes stopped in order", () => Parallel.ForEach(cluster.Nodes, node => node.Stop()));
            Timed("all nodes started", () => cluster.Start());
            Timed("in sync", WaitUntilAllInSync);
            Weigh("after the start");
        }
    }

    /// <exception cref="TimeoutException">They are not.</exception>
    public void WaitUntilAllInSync() => _topics.ForEach(_cluster.WaitUntilAllInSync);

    private void Make(int count)
    {
        for (var made = 0; made < count; made += PerTopic)
        {
            _topics.Add(string.Create(CultureInfo.InvariantCulture, $"idle-{_topics.Count}"));
            _cluster.CreateTopic(_topics[^1], Math.Min(PerTopic, count - made));
            // A busy machine may lose a broker over it for a moment, and a cluster of two takes no topic of three replicas.
            _cluster.WaitUntilAllInSync(_topics[^1]);
        }
    }

    private void Timed(string what, Action act)
    {
        var clock = Stopwatch.StartNew();
        act();
        _say(string.Create(CultureInfo.InvariantCulture, $"{what} after {clock.Elapsed.TotalSeconds:F1} s"));
    }

    private void Weigh(string when) => _say(string.Create(
        CultureInfo.InvariantCulture, $"memory of each node {when}, in MiB: {string.Join(", ", _cluster.Nodes.Select(node => Math.Round(node.MemoryBytes / BytesPerMebibyte)))}"));
}
