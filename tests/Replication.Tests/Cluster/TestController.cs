using System.Collections.Immutable;
using Milena.Metadata.Controller;
using Milena.Metadata.Image;
using Milena.Metadata.Settings;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Replication.Tests;

/// <summary>A controller that decides on command, with Kafka's checks of ISR changes, and tells each broker as late as the test wants.</summary>
internal sealed class TestController
{
    private readonly Lock _gate = new();
    private readonly MetadataStore _own = new();
    private readonly List<IMessage[]> _log = [];
    private readonly Dictionary<int, Listener> _listeners = [];

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

    /// <summary>A broker comes, as an incarnation that did not shut down cleanly: it leaves every ISR that has another member.</summary>
    public void Register(int broker, MetadataStore store, IReadOnlyList<Guid> directories)
    {
        lock (_gate)
        {
            Commit([
                new RegisterBrokerRecord
                {
                    BrokerId = broker,
                    BrokerEpoch = _log.Count,
                    IncarnationId = Guid.NewGuid(),
                    EndPoints = [new() { Name = "PLAINTEXT", Host = "memory", Port = (ushort)broker }],
                    LogDirs = [.. directories],
                    Fenced = false,
                },
                .. Leave(broker),
            ]);
            _listeners[broker] = new Listener(store);
            Tell();
            // Leaderless partitions whose last in-sync replica this is have a leader again.
            Commit([.. Partitions().Where(one => one.Registration.Leader == PartitionRegistration.NoLeader && one.Registration.Isr.Contains(broker))
                .Select(one => Change(one.TopicId, one.Index, leader: broker))]);
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
    public void Fence(int broker)
    {
        lock (_gate)
        {
            Commit([new BrokerRegistrationChangeRecord { BrokerId = broker, BrokerEpoch = Image.Brokers[broker].Epoch, Fenced = 1 }, .. Leave(broker)]);
        }
    }

    public void Unfence(int broker)
    {
        lock (_gate)
        {
            Commit([
                new BrokerRegistrationChangeRecord { BrokerId = broker, BrokerEpoch = Image.Brokers[broker].Epoch, Fenced = -1 },
                .. Partitions().Where(one => one.Registration.Leader == PartitionRegistration.NoLeader && one.Registration.Isr.Contains(broker))
                    .Select(one => Change(one.TopicId, one.Index, leader: broker)),
            ]);
        }
    }

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

    public AlterPartitionResponse Alter(AlterPartitionRequest request)
    {
        lock (_gate)
        {
            if (!Image.Brokers.TryGetValue(request.BrokerId, out var broker) || broker.Epoch != request.BrokerEpoch)
            {
                return new AlterPartitionResponse { ErrorCode = ErrorCode.StaleBrokerEpoch };
            }

            var response = new AlterPartitionResponse();
            foreach (var topic in request.Topics)
            {
                var answers = new AlterPartitionResponse.TopicData { TopicId = topic.TopicId };
                answers.Partitions.AddRange(topic.Partitions.Select(partition => Alter(request.BrokerId, topic.TopicId, partition)));
                response.Topics.Add(answers);
            }

            return response;
        }
    }

    /// <summary>Takes what a broker says of its directories; once it was told that one is offline, what lies there leads nothing and is not in sync.</summary>
    public AssignReplicasToDirsResponse Assign(AssignReplicasToDirsRequest request) => Decide<AssignReplicasToDirsResponse>(
        context => AssignReplicasToDirsDecision.Decide(Image, request, context));

    public BrokerHeartbeatResponse DirectoriesFailed(int broker, IReadOnlyList<Guid> offline) => Decide<BrokerHeartbeatResponse>(context => BrokerHeartbeatDecision.Decide(
        Image, new BrokerHeartbeatRequest { BrokerId = broker, BrokerEpoch = Image.Brokers[broker].Epoch, OfflineLogDirs = [.. offline] }, context));

    private TResponse Decide<TResponse>(Func<ControllerContext, Decision> decide)
    {
        lock (_gate)
        {
            var decision = decide(new ControllerContext(StaticSettings.Defaults, new Random(1), Guid.NewGuid));
            Commit([.. decision.Records]);
            return (TResponse)decision.Response;
        }
    }

    private AlterPartitionResponse.PartitionData Alter(int broker, Guid topicId, AlterPartitionRequest.PartitionData wanted)
    {
        var answer = new AlterPartitionResponse.PartitionData { PartitionIndex = wanted.PartitionIndex };
        if (Image.FindTopic(topicId)?.Find(wanted.PartitionIndex) is not { } current)
        {
            answer.ErrorCode = ErrorCode.UnknownTopicId;
        }
        else if (wanted.LeaderEpoch < current.LeaderEpoch || current.Leader != broker)
        {
            answer.ErrorCode = ErrorCode.FencedLeaderEpoch;
        }
        else if (wanted.PartitionEpoch != current.PartitionEpoch)
        {
            answer.ErrorCode = ErrorCode.InvalidUpdateVersion;
        }
        else if (wanted.NewIsrWithEpochs.Any(member => !MayBeIn(member, current)))
        {
            answer.ErrorCode = ErrorCode.IneligibleReplica;
        }
        else
        {
            Commit([Change(topicId, wanted.PartitionIndex, isr: [.. wanted.NewIsrWithEpochs.Select(member => member.BrokerId)])]);
            var now = Image.FindTopic(topicId)!.Find(wanted.PartitionIndex)!;
            (answer.LeaderId, answer.LeaderEpoch, answer.PartitionEpoch) = (now.Leader, now.LeaderEpoch, now.PartitionEpoch);
            answer.Isr.AddRange(now.Isr);
        }

        return answer;
    }

    private bool MayBeIn(AlterPartitionRequest.BrokerState member, PartitionRegistration current) =>
        current.Replicas.Contains(member.BrokerId)
        && Image.Brokers.TryGetValue(member.BrokerId, out var registration)
        && !registration.Fenced
        && (member.BrokerEpoch == -1 || member.BrokerEpoch == registration.Epoch);

    private IEnumerable<IMessage> Leave(int broker)
    {
        foreach (var (topicId, index, registration) in Partitions())
        {
            ImmutableArray<int> rest = registration.Isr.Length > 1 ? registration.Isr.Remove(broker) : registration.Isr;
            var leader = registration.Leader != broker ? registration.Leader
                : rest.FirstOrDefault(member => member != broker && Image.Brokers.TryGetValue(member, out var other) && !other.Fenced, PartitionRegistration.NoLeader);
            if (leader != registration.Leader || rest.Length != registration.Isr.Length)
            {
                yield return Change(topicId, index, leader == registration.Leader ? null : leader, rest);
            }
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

    private IEnumerable<(Guid TopicId, int Index, PartitionRegistration Registration)> Partitions() =>
        Image.TopicsById.Values.SelectMany(topic => topic.Partitions.Select((registration, index) => (topic.Id, index, registration))).ToList();

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
