using System.Globalization;
using System.Net.Sockets;
using Milena.Model;
using Milena.Protocol;
using Milena.Testing;

namespace Milena.Faults.Nodes;

/// <summary>A cluster of real processes on this machine, three or more, with replication factor 3 and min ISR 2 unless a topic says otherwise.</summary>
public sealed class RealCluster : IDisposable
{
    /// <summary>Of each partition.</summary>
    public const int Replicas = 3;

    private const int CreateTimeoutMs = 20_000;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);
    private static readonly TimeSpan AnswerPatience = TimeSpan.FromSeconds(5);

    private readonly NodeProcess[] _nodes;
    private readonly int[] _clusterPorts;
    private readonly SmallDisk[]? _disks;
    private readonly string[] _settings;

    /// <param name="count">How many nodes; their ids are from 1.</param>
    /// <param name="network">The nodes' own network; null: they share the machine's loopback.</param>
    /// <param name="disks">For each node one that holds its second log directory; null: each has one log directory.</param>
    /// <param name="clocks">Each node's wall clock; null: all have the machine's.</param>
    /// <param name="onLine">Takes each line that a node prints, with its id.</param>
    /// <param name="settings">KEY=VALUE, for all nodes.</param>
    /// <param name="from">The program of another build, as which they begin.</param>
    public RealCluster(
        int count = Replicas,
        NodeNetwork? network = null,
        SmallDisk[]? disks = null,
        WallClock[]? clocks = null,
        Action<int, string>? onLine = null,
        IReadOnlyList<string>? settings = null,
        string? from = null)
    {
        (Ids, Network, _disks, Clocks, From) = ([.. Enumerable.Range(1, count)], network, disks, clocks, from);
        _clusterPorts = [.. Ids.Select(_ => FreePorts.InARow(2))];
        _settings = [.. (settings ?? []).SelectMany(setting => new[] { "--set", setting })];
        _nodes = [.. Ids.Select(id => new NodeProcess(port: FreePorts.InARow(1))
        {
            Host = network?.HostOf(id) ?? "127.0.0.1",
            Launcher = [.. network?.LauncherOf(id) ?? [], .. clocks?[id - 1].Launcher ?? []],
            Patience = Patience,
            OnLine = line => onLine?.Invoke(id, line),
            Executable = from ?? NodeProcess.Program,
        })];
    }

    public IReadOnlyList<int> Ids { get; }

    public IReadOnlyList<NodeProcess> Nodes => _nodes;

    public NodeNetwork? Network { get; }

    public IReadOnlyList<WallClock>? Clocks { get; }

    /// <summary>The program of another build; null where there is none.</summary>
    public string? From { get; }

    public IReadOnlyList<SmallDisk>? Disks => _disks;

    /// <summary>Where clients find it: all nodes.</summary>
    public string Bootstrap => string.Join(',', _nodes.Select(node => node.Address));

    /// <summary>Starts all of them at once and waits until each takes clients.</summary>
    public RealCluster Start()
    {
        Task.WhenAll(Ids.Select(id => Task.Run(() => Start(id)))).GetAwaiter().GetResult();
        return this;
    }

    /// <param name="id">A node's id, from 1.</param>
    public void Start(int id) => Node(id).Start([
        "--node-id", $"{id}",
        "--data", string.Join(',', LogDirectoriesOf(id)),
        "--cluster-listen", ClusterAddress(id),
        "--join", string.Join(',', Ids.Select(ClusterAddress)),
        "--set", "default.replication.factor=3",
        "--set", "min.insync.replicas=2",
        .. _settings]);

    public NodeProcess Node(int id) => _nodes[id - 1];

    public IEnumerable<string> LogDirectoriesOf(int id) => _disks is null ? [Node(id).Data] : [Node(id).Data, Path.Combine(_disks[id - 1].Folder, "data")];

    /// <summary>The folder that holds a node's replica of a partition.</summary>
    /// <exception cref="InvalidDataException">There is none.</exception>
    public string FolderOf(int id, string topic, int partition) => LogDirectoriesOf(id)
        .Select(directory => Path.Combine(directory, string.Create(CultureInfo.InvariantCulture, $"{topic}-{partition}")))
        .FirstOrDefault(Directory.Exists) ?? throw new InvalidDataException($"Node {id} has no folder of partition {partition}.");

    /// <summary>The node that said last that it leads the metadata quorum, among those that run.</summary>
    public int Controller() => Ids.MaxBy(id => Node(id).IsRunning ? LastEpochLed(Node(id).Output) : -1);

    /// <summary>Asks again, as clients do, where there is no controller at the moment.</summary>
    /// <exception cref="InvalidOperationException">The cluster refused.</exception>
    public void CreateTopic(string name, int partitions)
    {
        var request = new CreateTopicsRequest
        {
            TimeoutMs = CreateTimeoutMs,
            Topics = [new() { Name = name, NumPartitions = partitions, ReplicationFactor = Replicas }],
        };
        CreateTopicsResponse.CreatableTopicResult? result = null;
        Wait.Until(
            () => (result = AskAny<CreateTopicsResponse>(ApiKey.CreateTopics, 7, request).Topics[0]).ErrorCode is not (ErrorCode.NotController or ErrorCode.RequestTimedOut),
            Patience,
            () => $"the topic {name} is created; the last answer: {result?.ErrorCode}");
        // It exists where an earlier request was carried out and its answer did not come.
        if (result!.ErrorCode is var error and not (ErrorCode.None or ErrorCode.TopicAlreadyExists))
        {
            throw new InvalidOperationException($"The topic {name} cannot be created: {error} {result.ErrorMessage}");
        }
    }

    /// <summary>The topic's partitions, in order, as some node that answers sees them.</summary>
    public List<MetadataResponse.MetadataResponsePartition> Describe(string topic) =>
        InOrder(AskAny<MetadataResponse>(ApiKey.Metadata, 12, new MetadataRequest { Topics = [new() { Name = topic }] }));

    /// <summary>All nodes have to say so, and of the same leaders: one that was paused still tells for a while what was before.</summary>
    /// <exception cref="TimeoutException">They do not; the message has what each says.</exception>
    public void WaitUntilAllInSync(string topic) => Wait.Until(
        () => Ids.Select(id => StateAt(id, topic)).ToList() is var states && states.TrueForAll(state => state.InSync && state.Leaders == states[0].Leaders),
        Patience,
        () => $"all replicas of {topic} are in sync; the nodes say: {string.Join(" | ", Ids.Select(id => StateAt(id, topic).Leaders))}");

    /// <summary>Has partitions be moved to other replicas; what is under way already of one of them is replaced.</summary>
    /// <param name="replicas">By partition; null: what is under way is cancelled.</param>
    /// <exception cref="InvalidOperationException">The cluster refused.</exception>
    public void Reassign(string topic, IReadOnlyDictionary<int, IReadOnlyList<int>?> replicas)
    {
        var request = new AlterPartitionReassignmentsRequest
        {
            TimeoutMs = CreateTimeoutMs,
            Topics = [new() { Name = topic, Partitions = [.. replicas.Select(one => Wanted(one.Key, one.Value))] }],
        };
        List<ErrorCode> errors = [];
        Wait.Until(
            () => !(errors = ErrorsOf(AskAny<AlterPartitionReassignmentsResponse>(ApiKey.AlterPartitionReassignments, 0, request))).Exists(error => error is ErrorCode.NotController or ErrorCode.RequestTimedOut),
            Patience,
            () => $"partitions of {topic} are reassigned; the last answer: {string.Join(", ", errors)}");
        // Where one is to be cancelled it may have come to its end meanwhile.
        if (errors.Find(error => error is not (ErrorCode.None or ErrorCode.NoReassignmentInProgress)) is var wrong and not ErrorCode.None)
        {
            throw new InvalidOperationException($"Partitions of {topic} cannot be reassigned: {wrong}");
        }

        static AlterPartitionReassignmentsRequest.ReassignablePartition Wanted(int partition, IReadOnlyList<int>? ids) => new()
        {
            PartitionIndex = partition,
            Replicas = ids is null ? null : [.. ids],
        };

        static List<ErrorCode> ErrorsOf(AlterPartitionReassignmentsResponse response) =>
            [response.ErrorCode, .. response.Responses.SelectMany(one => one.Partitions).Select(one => one.ErrorCode)];
    }

    /// <summary>What a node says of the topic: whether all its replicas are in sync, and of each partition who leads it, with "; " between them.</summary>
    public (bool InSync, string Leaders) StateAt(int id, string topic)
    {
        var node = Node(id);
        if (!node.IsRunning || TryAsk<MetadataResponse>(node, ApiKey.Metadata, 12, new MetadataRequest { Topics = [new() { Name = topic }] }) is not { } response)
        {
            return (false, node.IsRunning ? "no answer" : "it does not run");
        }

        var partitions = InOrder(response);
        var leaders = partitions.Select(one => $"{one.PartitionIndex}: leader {one.LeaderId} in epoch {one.LeaderEpoch}, isr {string.Join(',', one.IsrNodes.Order())}");
        return (partitions.TrueForAll(one => one.IsrNodes.Count == Replicas && one.ReplicaNodes.Count == Replicas && one.LeaderId > 0), string.Join("; ", leaders));
    }

    public void Dispose()
    {
        foreach (var node in _nodes)
        {
            node.Dispose();
        }
    }

    private static List<MetadataResponse.MetadataResponsePartition> InOrder(MetadataResponse response) =>
        [.. response.Topics[0].Partitions.OrderBy(one => one.PartitionIndex)];

    private string ClusterAddress(int id) => $"{Node(id).Host}:{_clusterPorts[id - 1]}";

    private TResponse AskAny<TResponse>(ApiKey key, short version, IRequestMessage request)
        where TResponse : class, IResponseMessage
    {
        TResponse? response = null;
        Wait.Until(
            () => (response = _nodes.Where(node => node.IsRunning).Select(node => TryAsk<TResponse>(node, key, version, request)).FirstOrDefault(one => one is not null)) is not null,
            Patience,
            () => $"a node answers {key}");
        return response!;
    }

    /// <returns>Null where the node does not answer: it may be down, paused, or about to be.</returns>
    private static TResponse? TryAsk<TResponse>(NodeProcess node, ApiKey key, short version, IRequestMessage request)
        where TResponse : class, IResponseMessage
    {
        try
        {
            using var client = new WireClient(node.Host, node.Port, AnswerPatience);
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
        return at < 0 ? -1 : int.Parse(string.Concat(output[(at + said.Length)..].TakeWhile(char.IsAsciiDigit)), CultureInfo.InvariantCulture);
    }
}
