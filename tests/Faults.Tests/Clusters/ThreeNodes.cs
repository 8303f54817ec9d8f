using System.Net.Sockets;
using Milena.Model;
using Milena.Protocol;
using Milena.Testing;

namespace Milena.Faults.Tests.Clusters;

/// <summary>A cluster of three real processes on this machine, with replication factor 3 and min ISR 2 unless a topic says otherwise.</summary>
public sealed class ThreeNodes : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);
    private static readonly TimeSpan AnswerPatience = TimeSpan.FromSeconds(10);

    private readonly NodeProcess[] _nodes = [.. Enumerable.Range(0, 3).Select(_ => new NodeProcess())];
    private readonly int[] _clusterPorts = [.. Enumerable.Range(0, 3).Select(_ => FreePorts.InARow(2))];

    public IReadOnlyList<NodeProcess> Nodes => _nodes;

    /// <summary>Starts all of them at once and waits until each takes clients.</summary>
    public ThreeNodes Start()
    {
        Task.WaitAll([.. Enumerable.Range(1, 3).Select(id => Task.Run(() => Start(id)))]);
        return this;
    }

    /// <param name="id">A node's id, from 1.</param>
    public void Start(int id) => _nodes[id - 1].Start(
        "--node-id", $"{id}",
        "--cluster-listen", $"127.0.0.1:{_clusterPorts[id - 1]}",
        "--join", string.Join(',', _clusterPorts.Select(port => $"127.0.0.1:{port}")),
        "--set", "default.replication.factor=3",
        "--set", "min.insync.replicas=2");

    public NodeProcess Node(int id) => _nodes[id - 1];

    /// <summary>The node that said last that it leads the metadata quorum, among those that run.</summary>
    public int Controller() => _nodes
        .Select((node, index) => (Id: index + 1, Epoch: node.IsRunning ? LastEpochLed(node.Output) : -1))
        .MaxBy(one => one.Epoch).Id;

    public void CreateTopic(string name, int partitions)
    {
        var response = AskAny<CreateTopicsResponse>(ApiKey.CreateTopics, 7, new CreateTopicsRequest
        {
            TimeoutMs = 20_000,
            Topics = [new() { Name = name, NumPartitions = partitions, ReplicationFactor = 3 }],
        });
        Assert.Equal(ErrorCode.None, response.Topics[0].ErrorCode);
    }

    /// <summary>The topic's partitions as some node that answers sees them; null when none does now.</summary>
    public List<MetadataResponse.MetadataResponsePartition>? TryDescribe(string topic) =>
        TryAskAny<MetadataResponse>(ApiKey.Metadata, 12, new MetadataRequest { Topics = [new() { Name = topic }] })?.Topics[0].Partitions;

    /// <summary>All three nodes have to say so, and of the same leaders: one that was paused still tells for a while what was before.</summary>
    public void WaitUntilAllInSync(string topic) => Wait.Until(
        () => _nodes.Select(node => StateAt(node, topic)).ToList() is var states && states.TrueForAll(state => state.InSync && state.Leaders == states[0].Leaders),
        Patience,
        () => $"all replicas of {topic} are in sync; the nodes say: {string.Join(" | ", _nodes.Select(node => StateAt(node, topic).Leaders))}");

    public TResponse AskAny<TResponse>(ApiKey key, short version, IRequestMessage request)
        where TResponse : class, IResponseMessage
    {
        TResponse? response = null;
        Wait.Until(() => (response = TryAskAny<TResponse>(key, version, request)) is not null, Patience, () => $"a node answers {key}");
        return response!;
    }

    public void Dispose()
    {
        foreach (var node in _nodes)
        {
            node.Dispose();
        }
    }

    private static (bool InSync, string Leaders) StateAt(NodeProcess node, string topic)
    {
        if (TryAsk<MetadataResponse>(node, ApiKey.Metadata, 12, new MetadataRequest { Topics = [new() { Name = topic }] }) is not { } response)
        {
            return (false, "no answer");
        }

        var partitions = response.Topics[0].Partitions.OrderBy(one => one.PartitionIndex).ToList();
        var leaders = partitions.Select(one => $"{one.PartitionIndex}: leader {one.LeaderId} in epoch {one.LeaderEpoch}, isr {string.Join(',', one.IsrNodes.Order())}");
        return (partitions.TrueForAll(one => one.IsrNodes.Count == 3 && one.LeaderId > 0), string.Join("; ", leaders));
    }

    private TResponse? TryAskAny<TResponse>(ApiKey key, short version, IRequestMessage request)
        where TResponse : class, IResponseMessage
    {
        foreach (var node in _nodes.Where(node => node.IsRunning))
        {
            if (TryAsk<TResponse>(node, key, version, request) is { } response)
            {
                return response;
            }
        }

        return null;
    }

    /// <returns>Null where the node does not answer: it may be down, paused, or about to be.</returns>
    private static TResponse? TryAsk<TResponse>(NodeProcess node, ApiKey key, short version, IRequestMessage request)
        where TResponse : class, IResponseMessage
    {
        try
        {
            using var client = new WireClient("127.0.0.1", node.Port, AnswerPatience);
            return client.Ask(key, version, request) as TResponse;
        }
        catch (Exception e) when (e is IOException or SocketException)
        {
            return null;
        }
    }

    private static int LastEpochLed(string output)
    {
        const string said = "leads the metadata quorum in epoch ";
        var at = output.LastIndexOf(said, StringComparison.Ordinal);
        return at < 0 ? -1 : int.Parse(string.Concat(output[(at + said.Length)..].TakeWhile(char.IsAsciiDigit)), System.Globalization.CultureInfo.InvariantCulture);
    }
}

/// <summary>Waiting for what other processes do.</summary>
internal static class Wait
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(50);

    /// <param name="what">What is awaited, for the message.</param>
    public static void Until(Func<bool> condition, TimeSpan patience, Func<string> what)
    {
        var began = System.Diagnostics.Stopwatch.StartNew();
        using var never = new ManualResetEventSlim();
        while (!condition())
        {
            if (began.Elapsed > patience)
            {
                throw new TimeoutException($"Not within {patience}: {what()}");
            }

            never.Wait(Interval);
        }
    }
}
