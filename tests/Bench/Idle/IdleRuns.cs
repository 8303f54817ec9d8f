namespace Milena.Bench.Idle;

/// <summary>What nodes of one kind cost, on average.</summary>
/// <param name="Nodes">How many there are in the cluster.</param>
/// <param name="Partitions">Of the one topic; 0 where there is none.</param>
/// <param name="Who">all, or what the node does in the metadata quorum: leader, voter or observer.</param>
/// <param name="Count">How many of the nodes that is.</param>
internal sealed record IdleResult(int Nodes, int Partitions, string Who, int Count, NodeRates Each);

/// <summary>Has a cluster grow, and looks at each size what its nodes use while nobody uses them.</summary>
internal sealed class IdleRuns(BenchOptions options, Action<IdleResult> report, CancellationToken stop)
{
    /// <exception cref="OperationCanceledException">Stopped; the nodes are gone.</exception>
    public async Task RunAsync()
    {
        using var cluster = new IdleCluster(options.Settings);
        foreach (var nodes in options.Nodes)
        {
            stop.ThrowIfCancellationRequested();
            await cluster.GrowToAsync(nodes);
            foreach (var partitions in options.Partitions)
            {
                await RunAsync(cluster, partitions);
            }
        }
    }

    private async Task RunAsync(IdleCluster cluster, int partitions)
    {
        if (partitions == 0)
        {
            await LookAsync(cluster, partitions);
            return;
        }

        var topic = options with { Bootstrap = cluster.Bootstrap, Replication = (short)Math.Min(options.Replication, cluster.Nodes.Count), Settings = [] };
        using var broker = await Broker.ConnectAsync(topic);
        await broker.WithTopicAsync(partitions, _ => LookAsync(cluster, partitions));
    }

    private async Task LookAsync(IdleCluster cluster, int partitions)
    {
        await Task.Delay(options.WarmUp, stop);
        var parts = cluster.Parts();
        var before = Usage(cluster);
        await Task.Delay(options.Duration, stop);
        var after = Usage(cluster);
        var rates = cluster.Nodes.ToDictionary(node => node.Id, node => after[node.Id].Since(before[node.Id]));
        Report("all", rates.Values);
        foreach (var part in parts.GroupBy(node => node.Value, node => rates[node.Key]).OrderBy(part => part.Key))
        {
            Report(part.Key.ToString().ToLowerInvariant(), [.. part]);
        }

        void Report(string who, IReadOnlyCollection<NodeRates> some) => report(new(cluster.Nodes.Count, partitions, who, some.Count, NodeRates.Mean(some)));
    }

    private static Dictionary<int, NodeUsage> Usage(IdleCluster cluster)
    {
        var sockets = SocketCounters.Read(cluster.Nodes.SelectMany(node => node.Ports).ToDictionary());
        return cluster.Nodes.ToDictionary(node => node.Id, node => NodeUsage.Of(node.Process, sockets));
    }
}
