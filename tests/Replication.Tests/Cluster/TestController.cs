using System.Collections.Immutable;
using Milena.Metadata.Controller;
using Milena.Metadata.Image;
using Milena.Metadata.Settings;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Replication.Tests;

/// <summary>A product's controller that decides when the test says so, without a quorum, and tells each broker as late as the test wants.</summary>
internal sealed class TestController
{
    private const string ClusterId = "cluster";

    private readonly Lock _gate = new();
    private readonly MetadataStore _own = new();
    private readonly List<IMessage[]> _log = [];
    private readonly Dictionary<int, Listener> _listeners = [];
    private readonly ControllerContext _context;

    /// <param name="keepsEligibleLeaders">Whether replicas that left an ISR below the minimum are remembered (KIP-966).</param>
    public TestController(StaticSettings settings, bool keepsEligibleLeaders = false)
    {
        _context = new ControllerContext(settings, new Random(1), Guid.NewGuid);
        if (!keepsEligibleLeaders)
        {
            // Else the first broker begins the cluster at the highest level of everything.
            Commit([new FeatureLevelRecord { Name = Features.MetadataVersionName, FeatureLevel = Features.MetadataVersion }]);
        }
    }

    private sealed class Listener(MetadataStore store)
    {
        public MetadataStore Store => store;
        public int Applied { get; set; }
        public bool IsHeld { get; set; }
    }

    public MetadataImage Image => _own.Current;

    public PartitionRegistration Find(TopicPartition partition) => Image.FindTopic(partition.Topic)!.Find(partition.Partition)!;

    public void CreateTopic(string name, int partitions, int[] replicas)
    {
        var id = Guid.NewGuid();
        Commit([
            new TopicRecord { Name = name, TopicId = id },
            .. Enumerable.Range(0, partitions).Select(index => new PartitionRecord
            {
                PartitionId = index,
                TopicId = id,
                Replicas = [.. replicas],
                Isr = [.. replicas],
                Directories = [.. replicas.Select(broker => Image.Brokers[broker].OnlyDirectory)],
                Leader = replicas[index % replicas.Length],
                LeaderEpoch = 0,
                PartitionEpoch = 0,
            }),
        ]);
    }

    public void Configure(string topic, string name, string value) =>
        Commit([new ConfigRecord { ResourceType = (sbyte)ConfigResourceType.Topic, ResourceName = topic, Name = name, Value = value }]);

    public void ConfigureBroker(int broker, string name, string value) =>
        Commit([new ConfigRecord { ResourceType = (sbyte)ConfigResourceType.Broker, ResourceName = ConfigResource.Broker(broker).Name, Name = name, Value = value }]);

    public void DeleteTopic(string name) => Commit([new RemoveTopicRecord { TopicId = Image.FindTopic(name)!.Id }]);

    public void Reassign(TopicPartition partition, int[] replicas) =>
        Commit([new PartitionChangeRecord { TopicId = IdOf(partition), PartitionId = partition.Partition, Replicas = [.. replicas] }]);

    /// <summary>A broker comes, as an incarnation that may lack what the one before held, and is let in.</summary>
    public void Register(int broker, MetadataStore store, IReadOnlyList<Guid> directories)
    {
        var request = new BrokerRegistrationRequest
        {
            BrokerId = broker,
            ClusterId = ClusterId,
            IncarnationId = Guid.NewGuid(),
            PreviousBrokerEpoch = -1,
            Listeners = [new() { Name = "PLAINTEXT", Host = "memory", Port = (ushort)broker }],
            Features = [.. Features.Supported.Select(feature => new BrokerRegistrationRequest.Feature { Name = feature.Name, MinSupportedVersion = feature.Min, MaxSupportedVersion = feature.Max })],
            LogDirs = [.. directories],
        };
        lock (_gate)
        {
            var response = Decide<BrokerRegistrationResponse>(context => RegisterBrokerDecision.Decide(Image, request, context, _log.Count, ClusterId));
            Assert.Equal(ErrorCode.None, response.ErrorCode);
            _listeners[broker] = new Listener(store);
            Tell();
            Unfence(broker);
        }
    }

    public void Forget(int broker)
    {
        lock (_gate)
        {
            _listeners.Remove(broker);
        }
    }

    /// <summary>A broker is not heard of any more.</summary>
    public void Fence(int broker) => Beat(broker, beat => beat.WantFence = true);

    public void Unfence(int broker) => Beat(broker, beat => beat.CurrentMetadataOffset = long.MaxValue);

    /// <summary>Makes a member of the ISR the leader; the one that leads already leads again, in a new epoch.</summary>
    public void Elect(TopicPartition partition, int leader, bool unclean = false)
    {
        lock (_gate)
        {
            Commit([Change(IdOf(partition), partition.Partition, leader, unclean ? [leader] : null)]);
        }
    }

    /// <summary>While held, a broker hears of nothing that is committed.</summary>
    public void Hold(int broker, bool isHeld)
    {
        lock (_gate)
        {
            if (_listeners.TryGetValue(broker, out var listener))
            {
                listener.IsHeld = isHeld;
                Tell();
            }
        }
    }

    public AlterPartitionResponse Alter(AlterPartitionRequest request) => Decide<AlterPartitionResponse>(context => AlterPartitionDecision.Decide(Image, request, context));

    /// <summary>Takes what a broker says of its directories; once it was told that one is offline, what lies there leads nothing and is not in sync.</summary>
    public AssignReplicasToDirsResponse Assign(AssignReplicasToDirsRequest request) => Decide<AssignReplicasToDirsResponse>(
        context => AssignReplicasToDirsDecision.Decide(Image, request, context));

    public BrokerHeartbeatResponse DirectoriesFailed(int broker, IReadOnlyList<Guid> offline) => Beat(broker, beat => beat.OfflineLogDirs = [.. offline]);

    private BrokerHeartbeatResponse Beat(int broker, Action<BrokerHeartbeatRequest> say) => Decide<BrokerHeartbeatResponse>(context =>
    {
        var beat = new BrokerHeartbeatRequest { BrokerId = broker, BrokerEpoch = Image.Brokers[broker].Epoch };
        say(beat);
        return BrokerHeartbeatDecision.Decide(Image, beat, context);
    });

    private TResponse Decide<TResponse>(Func<ControllerContext, Decision> decide)
    {
        lock (_gate)
        {
            var decision = decide(_context);
            Commit([.. decision.Records]);
            return (TResponse)decision.Response;
        }
    }

    private static PartitionChangeRecord Change(Guid topicId, int index, int? leader = null, ImmutableArray<int>? isr = null)
    {
        var record = new PartitionChangeRecord { TopicId = topicId, PartitionId = index };
        if (leader is { } elected)
        {
            record.Leader = elected;
        }

        if (isr is { } members)
        {
            record.Isr = [.. members];
        }

        return record;
    }

    private Guid IdOf(TopicPartition partition) => Image.FindTopic(partition.Topic)!.Id;

    private void Commit(IMessage[] records)
    {
        lock (_gate)
        {
            if (records.Length == 0)
            {
                return;
            }

            _own.Apply(records, _log.Count, epoch: 1, isSnapshot: false);
            _log.Add(records);
            Tell();
        }
    }

    private void Tell()
    {
        foreach (var listener in _listeners.Values.Where(listener => !listener.IsHeld))
        {
            for (; listener.Applied < _log.Count; listener.Applied++)
            {
                listener.Store.Apply(_log[listener.Applied], listener.Applied, epoch: 1, isSnapshot: false);
            }
        }
    }
}
