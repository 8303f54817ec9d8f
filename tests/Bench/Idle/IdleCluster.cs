using System.Globalization;
using Milena.Protocol;
using Milena.Testing;

namespace Milena.Bench.Idle;

/// <summary>What a node takes part in besides being a broker.</summary>
internal enum QuorumPart
{
    Leader,
    Voter,
    Observer,
}

/// <summary>Real nodes of one cluster on this machine. It can grow.</summary>
internal sealed class IdleCluster(IEnumerable<KeyValuePair<string, string>> settings) : IDisposable
{
    private const int Voters = 3;
    private const int StartedAtOnce = 3;
    private const string MetadataTopic = "__cluster_metadata";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);

    private readonly string[] _settings = [.. settings.SelectMany(setting => new[] { "--set", $"{setting.Key}={setting.Value}" })];
    private readonly List<IdleNode> _nodes = [];
    private string _join = "";

    public IReadOnlyList<IdleNode> Nodes => _nodes;

    /// <summary>Where clients find it: its first nodes.</summary>
    public string Bootstrap => string.Join(',', _nodes.Take(Voters).Select(node => node.Process.Address));

    /// <summary>Starts nodes until there are so many, and waits until all are registered and three of them vote. The first of all found the cluster.</summary>
    public async Task GrowToAsync(int count)
    {
        var more = Enumerable.Range(_nodes.Count + 1, count - _nodes.Count).Select(id => new IdleNode(id)).ToList();
        if (_nodes.Count == 0)
        {
            _join = string.Join(',', more.Take(Voters).Select(node => node.ClusterAddress));
        }

        _nodes.AddRange(more);
        foreach (var some in more.Chunk(StartedAtOnce))
        {
            await Task.WhenAll(some.Select(node => Task.Run(() => node.Start(_join, _settings))));
        }

        Wait.Until(() => Registered() == count, Patience, () => $"{count} nodes are registered; there are {Registered()}");
        Wait.Until(() => count < Voters || Parts().Values.Count(part => part != QuorumPart.Observer) == Voters, Patience, () => $"{Voters} nodes vote");
    }

    /// <summary>What each node, by its id, does for the metadata quorum.</summary>
    public IReadOnlyDictionary<int, QuorumPart> Parts()
    {
        var request = new DescribeQuorumRequest { Topics = [new() { TopicName = MetadataTopic, Partitions = [new()] }] };
        var quorum = Ask<DescribeQuorumResponse>(ApiKey.DescribeQuorum, 2, request).Topics.SelectMany(topic => topic.Partitions).FirstOrDefault();
        return _nodes.ToDictionary(
            node => node.Id,
            node => node.Id == quorum?.LeaderId ? QuorumPart.Leader
                : quorum?.CurrentVoters.Any(voter => voter.ReplicaId == node.Id) == true ? QuorumPart.Voter
                : QuorumPart.Observer);
    }

    public void Dispose() => Parallel.ForEach(_nodes, node => node.Process.Dispose());

    private int Registered() => Ask<MetadataResponse>(ApiKey.Metadata, 12, new MetadataRequest { Topics = [] }).Brokers.Count;

    private TResponse Ask<TResponse>(ApiKey key, short version, IRequestMessage request)
        where TResponse : class, IResponseMessage
    {
        using var client = new WireClient(_nodes[0].Process.Host, _nodes[0].Process.Port);
        return (TResponse?)client.Ask(key, version, request) ?? throw new BenchException($"Node {_nodes[0].Id} closed the connection instead of answering {key}.", BenchException.Failed);
    }
}

/// <summary>One of them, on ports that systems do not give out by themselves.</summary>
internal sealed class IdleNode(int id)
{
    private const string Host = "127.0.0.1";

    private readonly int _clusterPort = FreePorts.InARow(2);

    public int Id => id;

    public NodeProcess Process { get; } = new(port: FreePorts.InARow(1));

    public string ClusterAddress => string.Create(CultureInfo.InvariantCulture, $"{Host}:{_clusterPort}");

    /// <summary>What is spoken at each of its ports.</summary>
    public IEnumerable<KeyValuePair<int, Channel>> Ports =>
        [new(Process.Port, Channel.Kafka), new(_clusterPort, Channel.Akka), new(_clusterPort + 1, Channel.Quorum)];

    public void Start(string join, string[] settings) => Process.Start(
        ["--node-id", id.ToString(CultureInfo.InvariantCulture), "--cluster-listen", ClusterAddress, "--join", join, .. settings]);
}
