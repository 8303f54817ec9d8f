using System.Collections.Concurrent;
using Microsoft.Extensions.Logging.Abstractions;
using Milena.Model;
using Milena.Node;
using Milena.Node.Configuration;
using Milena.Protocol;
using Milena.Storage;
using Milena.Testing;

namespace Milena.MultiNode.Tests;

/// <summary>Nodes of one cluster in this process: each has an actor system, ports and a folder of its own.</summary>
public sealed class InProcessCluster : IAsyncDisposable
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("milena-multi-node-");
    private readonly ConcurrentDictionary<int, MilenaNode> _nodes = new();
    private readonly Dictionary<int, int> _clusterPorts = [];

    /// <param name="listed">The ids of the nodes that are told to meet.</param>
    public InProcessCluster(params int[] listed) => Join = string.Join(',', listed.Select(id => $"127.0.0.1:{ClusterPortOf(id)}"));

    public string Join { get; }

    public MilenaNode this[int id] => _nodes[id];

    public int ClusterPortOf(int id)
    {
        lock (_clusterPorts)
        {
            return _clusterPorts.TryGetValue(id, out var port) ? port : _clusterPorts[id] = FreePorts.InARow(2);
        }
    }

    /// <param name="id">The node's id, which also names its folder unless another one is given.</param>
    /// <param name="join">Whom it is to meet, if not those that the others are.</param>
    /// <param name="more">Further arguments.</param>
    public async Task<MilenaNode> StartAsync(int id, string? folder = null, int? clusterPort = null, string? join = null, params string[] more)
    {
        var configuration = NodeConfiguration.Load(
            CommandLine.Parse(
            [
                "start", "--node-id", $"{id}", "--data", Path.Combine(_folder.FullName, folder ?? $"{id}"), "--listen", "127.0.0.1:0",
                "--cluster-listen", $"127.0.0.1:{clusterPort ?? ClusterPortOf(id)}", "--join", join ?? Join, .. more,
            ]),
            []);
        // Of each start its own: a machine that is busy with other tests needs some of it for each step.
        using var patience = new CancellationTokenSource(Patience);
        var node = await MilenaNode.StartAsync(configuration, NullLoggerFactory.Instance, TimeProvider.System, patience.Token);
        _nodes[id] = node;
        return node;
    }

    public async Task StopAsync(int id)
    {
        if (_nodes.TryRemove(id, out var node))
        {
            await node.DisposeAsync();
        }
    }

    /// <summary>The brokers that a node knows of and that are let in.</summary>
    public IEnumerable<int> BrokersSeenBy(int id) => Ask<MetadataResponse>(id, ApiKey.Metadata, 12, new MetadataRequest { Topics = [] }).Brokers.Select(broker => broker.NodeId).Order();

    /// <summary>Asks again, as clients do, where there is no controller at the moment.</summary>
    public CreateTopicsResponse.CreatableTopicResult CreateTopic(int askedAt, string name, short copies)
    {
        var request = new CreateTopicsRequest { TimeoutMs = 20_000, Topics = [new() { Name = name, NumPartitions = 1, ReplicationFactor = copies }] };
        CreateTopicsResponse.CreatableTopicResult? result = null;
        Wait.Until(
            () => (result = Ask<CreateTopicsResponse>(askedAt, ApiKey.CreateTopics, 7, request).Topics[0]).ErrorCode != ErrorCode.NotController, Patience, () => $"a controller decides on the topic {name}");
        return result!;
    }

    public MetadataResponse.MetadataResponsePartition Describe(int askedAt, string topic) =>
        Ask<MetadataResponse>(askedAt, ApiKey.Metadata, 12, new MetadataRequest { Topics = [new() { Name = topic }] }).Topics[0].Partitions[0];

    /// <summary>With the replicas that are eligible to lead beside the ISR.</summary>
    public DescribeTopicPartitionsResponse.DescribeTopicPartitionsResponsePartition DescribeFully(int askedAt, string topic) =>
        Ask<DescribeTopicPartitionsResponse>(askedAt, ApiKey.DescribeTopicPartitions, 0, new DescribeTopicPartitionsRequest { Topics = [new() { Name = topic }] })
            .Topics[0].Partitions[0];

    /// <summary>Who votes on the metadata, with the ids of their directories; empty while nobody can tell.</summary>
    public IReadOnlyDictionary<int, Guid> VotersSeenBy(int id) => Ask<DescribeQuorumResponse>(id, ApiKey.DescribeQuorum, 2, new DescribeQuorumRequest
    {
        Topics = [new() { TopicName = TopicNames.ClusterMetadata, Partitions = [new() { PartitionIndex = 0 }] }],
    }).Topics.SelectMany(topic => topic.Partitions[0].CurrentVoters).ToDictionary(voter => voter.ReplicaId, voter => voter.ReplicaDirectoryId);

    public ErrorCode RemoveVoter(int askedAt, int id) => Ask<RemoveRaftVoterResponse>(askedAt, ApiKey.RemoveRaftVoter, 0, new RemoveRaftVoterRequest
    {
        ClusterId = null,
        VoterId = id,
        VoterDirectoryId = VotersSeenBy(askedAt)[id],
    }).ErrorCode;

    /// <summary>As if the node, which is stopped, had been killed: its logs are not known to be whole.</summary>
    public void ForgetCleanStop(int id) => File.Delete(Path.Combine(_folder.FullName, $"{id}", LogDirectory.CleanShutdownFile));

    public ErrorCode Produce(int askedAt, string topic) => Ask<ProduceResponse>(askedAt, ApiKey.Produce, 9, new ProduceRequest
    {
        Acks = -1,
        TimeoutMs = 10_000,
        TopicData = [new() { Name = topic, PartitionData = [new() { Records = new Records(Batches.Plain()) }] }],
    }).Responses[0].PartitionResponses[0].ErrorCode;

    /// <summary>As a consumer from the first record on.</summary>
    public FetchResponse.PartitionData Fetch(int askedAt, string topic, string rack = "", short version = 11, int maxWaitMs = 0) => Ask<FetchResponse>(askedAt, ApiKey.Fetch, version, new FetchRequest
    {
        MaxBytes = 1 << 20,
        MaxWaitMs = maxWaitMs,
        MinBytes = 1,
        RackId = rack,
        Topics = [new() { Topic = topic, Partitions = [new() { PartitionMaxBytes = 1 << 20 }] }],
    }).Responses[0].Partitions[0];

    /// <returns>What was answered for the one partition of the topic.</returns>
    public ErrorCode Reassign(int askedAt, string topic, params int[]? replicas) => Ask<AlterPartitionReassignmentsResponse>(askedAt, ApiKey.AlterPartitionReassignments, 1, new AlterPartitionReassignmentsRequest
    {
        TimeoutMs = 20_000,
        Topics = [new() { Name = topic, Partitions = [new() { Replicas = replicas is null ? null : [.. replicas] }] }],
    }).Responses[0].Partitions[0].ErrorCode;

    public ListPartitionReassignmentsResponse Reassignments(int askedAt) =>
        Ask<ListPartitionReassignmentsResponse>(askedAt, ApiKey.ListPartitionReassignments, 0, new ListPartitionReassignmentsRequest { Topics = null });

    public string? SettingOf(int askedAt, string topic, string name) => Ask<DescribeConfigsResponse>(askedAt, ApiKey.DescribeConfigs, 4, new DescribeConfigsRequest
    {
        Resources = [new() { ResourceType = 2, ResourceName = topic, ConfigurationKeys = [name] }],
    }).Results[0].Configs[0].Value;

    /// <param name="broker">Null for all brokers.</param>
    public ErrorCode ConfigureBroker(int askedAt, int? broker, string name, string value) => Ask<IncrementalAlterConfigsResponse>(askedAt, ApiKey.IncrementalAlterConfigs, 1, new IncrementalAlterConfigsRequest
    {
        Resources = [new() { ResourceType = 4, ResourceName = $"{broker}", Configs = [new() { Name = name, Value = value }] }],
    }).Responses[0].ErrorCode;

    public FindCoordinatorResponse FindCoordinator(int askedAt, string group) =>
        Ask<FindCoordinatorResponse>(askedAt, ApiKey.FindCoordinator, 3, new FindCoordinatorRequest { Key = group });

    public string FolderOf(int id) => Path.Combine(_folder.FullName, $"{id}");

    public bool HasFolder(int id, string name) => Directory.Exists(Path.Combine(FolderOf(id), name));

    public async Task UntilAsync(Func<bool> condition, string what)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
        var began = TimeProvider.System.GetTimestamp();
        while (!condition())
        {
            Assert.True(TimeProvider.System.GetElapsedTime(began) < Patience, $"Not within {Patience}: {what}");
            await timer.WaitForNextTickAsync();
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Task.WhenAll(_nodes.Keys.Select(StopAsync));
        _folder.Delete(recursive: true);
    }

    public TResponse Ask<TResponse>(int id, ApiKey key, short version, IRequestMessage request)
    {
        using var client = new WireClient("127.0.0.1", _nodes[id].Bound[0].Port);
        return (TResponse)client.Ask(key, version, request)!;
    }
}
