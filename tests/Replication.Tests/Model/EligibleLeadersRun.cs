using System.Globalization;
using Milena.Metadata.Controller;
using Milena.Metadata.Image;
using Milena.Metadata.Settings;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Replication.Tests;

/// <summary>One partition of a model cluster that keeps eligible leader replicas, step by step.</summary>
internal sealed class EligibleLeadersRun
{
    private const string MinInSync = "min.insync.replicas";
    private const string Topic = "orders";
    private static readonly Guid TopicId = new("11111111-0000-0000-0000-000000000001");

    private readonly Random _random;
    private readonly ControllerContext _context;
    private readonly ConfigResolver _configs = new(StaticSettings.Defaults, brokerId: -1);
    private readonly List<MetadataImage> _history = [MetadataImage.Empty];
    private readonly Dictionary<int, ModelBroker> _brokers = Enumerable.Range(1, 4).ToDictionary(id => id, id => new ModelBroker(id));
    private readonly Dictionary<int, int> _heard = [];
    private readonly Queue<(ModelBroker Leader, long BrokerEpoch, IsrProposal Proposal)> _proposals = new();
    private readonly List<(ModelBroker Leader, IsrProposal Proposal, IsrAnswer Answer, int Heard)> _answers = [];
    private readonly List<(int Epoch, int Number)> _committed = [];
    private readonly List<string> _done = [];
    private int _uncleanEpoch;
    private int _numbers;
    private long _nowMs;

    public EligibleLeadersRun(Random random)
    {
        (_random, _context) = (random, new ControllerContext(StaticSettings.Defaults, random, Guid.NewGuid));
        foreach (var broker in _brokers.Values)
        {
            _heard[broker.Id] = 0;
            Register(broker);
            Beat(broker, new());
        }

        Commit([
            new TopicRecord { Name = Topic, TopicId = TopicId },
            new PartitionRecord { TopicId = TopicId, PartitionId = 0, LeaderEpoch = 0, PartitionEpoch = 0, Replicas = [1, 2, 3], Isr = [1, 2, 3], Leader = 1, Directories = [Guid.Empty, Guid.Empty, Guid.Empty] },
        ]);
        Configure("2");
    }

    public PartitionRegistration Partition => Image.FindTopic(Topic)!.Partitions[0];

    public int ElectionsOfEligible { get; private set; }

    /// <summary>Also what was lost since, with all who had it.</summary>
    public int EverCommitted { get; private set; }

    private MetadataImage Image => _history[^1];

    private IEnumerable<ModelBroker> Running => _brokers.Values.Where(broker => broker.IsRunning);

    public void Step()
    {
        _nowMs += _random.Next(3);
        var broker = _brokers[_random.Next(1, 5)];
        var leaders = Running.Where(one => one.Leader is not null).ToList();
        var leader = leaders.Count > 0 ? leaders[_random.Next(leaders.Count)] : broker;
        switch (_random.Next(72))
        {
            case < 12:
                Append(leader);
                break;
            case < 30:
                Fetch(broker);
                break;
            case < 46:
                Hear(broker, _random.Next(1, 8));
                break;
            case < 50:
                Propose(leader);
                break;
            case < 54:
                Decide();
                break;
            case < 57:
                Answer();
                break;
            case 57:
                Do($"{broker.Id} is fenced", () => Beat(broker, new() { WantFence = true }));
                break;
            case < 69:
                Return(broker);
                break;
            case 69:
                Stop(broker);
                break;
            case 70:
                Configure(_random.Next(1, 4).ToString(CultureInfo.InvariantCulture));
                break;
            default:
                Reassign();
                break;
        }
    }

    public void Check(string when)
    {
        foreach (var leader in Running.Where(broker => broker.Leader?.LeaderEpoch >= _uncleanEpoch))
        {
            var shared = ModelBroker.Shared(_committed, leader.Log);
            Assert.True(shared >= Math.Min(_committed.Count, leader.HighWatermark), $"{when}: {leader.Id} leads and shows other records than were committed, after\n{Story}");
            var before = _committed.Count;
            _committed.AddRange(leader.Log.Take((int)leader.HighWatermark).Skip(before));
            EverCommitted += _committed.Count - before;
        }

        foreach (var member in Partition.Isr.Union(Partition.EligibleLeaderReplicas).Select(id => _brokers[id]).Where(broker => !broker.MayLack))
        {
            Assert.True(
                ModelBroker.Shared(_committed, member.Log) == _committed.Count,
                $"{when}: {member.Id} lacks some of {_committed.Count} committed records, with {member.Log.Count} of its own, after\n{Story}");
        }

        Assert.All(Partition.EligibleLeaderReplicas, eligible => Assert.DoesNotContain(eligible, Partition.Isr));
        Assert.All(Partition.EligibleLeaderReplicas, eligible => Assert.Contains(eligible, Partition.Replicas));
    }

    private string Story => string.Join('\n', _done.TakeLast(40));

    private void Do(string what, Action action)
    {
        var before = Partition;
        action();
        _done.Add(ReferenceEquals(before, Partition)
            ? what
            : $"{what}: replicas {string.Join(',', Partition.Replicas)}, in sync {string.Join(',', Partition.Isr)}, eligible {string.Join(',', Partition.EligibleLeaderReplicas)}, leader {Partition.Leader} in epoch {Partition.LeaderEpoch}");
    }

    private void Append(ModelBroker broker)
    {
        if (broker.Leader is { } leader)
        {
            broker.Log.Add((leader.LeaderEpoch, ++_numbers));
            leader.Appended(broker.Log.Count);
            broker.LearnHighWatermark();
        }
    }

    private void Fetch(ModelBroker follower)
    {
        if (!follower.IsRunning || !follower.IsRegistered || Find(follower.Known) is not { } known)
        {
            return;
        }

        // The leader takes the fetches of the incarnation that it knows of, in its own epoch.
        if (_brokers.GetValueOrDefault(known.Leader) is { Leader: { } leader } from && from != follower
            && leader.LeaderEpoch == known.LeaderEpoch && known.Replicas.Contains(follower.Id)
            && from.Known.Brokers.GetValueOrDefault(follower.Id)?.Epoch == follower.BrokerEpoch)
        {
            Do($"{follower.Id} fetches from {from.Id}", () => follower.Fetch(from, _random.Next(4), _nowMs));
        }
    }

    private void Hear(ModelBroker broker, int images)
    {
        for (; broker.IsRunning && images > 0 && _heard[broker.Id] < _history.Count - 1; images--)
        {
            var image = _history[++_heard[broker.Id]];
            if (Find(image) is { } partition)
            {
                Do($"{broker.Id} hears of {_heard[broker.Id]}", () => broker.Hear(image, partition, MinInSyncOf(image), _nowMs));
            }
        }
    }

    private void Propose(ModelBroker broker)
    {
        if (broker.Leader?.Propose(_nowMs) is { } proposal)
        {
            _proposals.Enqueue((broker, broker.BrokerEpoch, proposal));
            broker.LearnHighWatermark();
        }
    }

    private void Decide()
    {
        if (!_proposals.TryDequeue(out var asked))
        {
            return;
        }

        var request = new AlterPartitionRequest
        {
            BrokerId = asked.Leader.Id,
            BrokerEpoch = asked.BrokerEpoch,
            Topics = [new() { TopicId = TopicId, Partitions = [new()
            {
                LeaderEpoch = asked.Proposal.LeaderEpoch,
                PartitionEpoch = asked.Proposal.PartitionEpoch,
                NewIsrWithEpochs = [.. asked.Proposal.Isr.Select(member => new AlterPartitionRequest.BrokerState { BrokerId = member.BrokerId, BrokerEpoch = member.BrokerEpoch })],
            }] }],
        };
        Do($"{asked.Leader.Id} asks for {string.Join(',', asked.Proposal.Isr.Select(member => member.BrokerId))}", () =>
        {
            var decision = AlterPartitionDecision.Decide(Image, request, _context);
            Commit(decision.Records);
            if (decision.Response is AlterPartitionResponse { ErrorCode: ErrorCode.None } response)
            {
                var partition = response.Topics[0].Partitions[0];
                _answers.Add((asked.Leader, asked.Proposal, new IsrAnswer(partition.ErrorCode, partition.LeaderEpoch, partition.PartitionEpoch, [.. partition.Isr]), _history.Count - 1));
            }
        });
    }

    /// <summary>An answer may come before the replica hears of the metadata that it speaks of, though the broker has it.</summary>
    private void Answer()
    {
        if (_answers.Count == 0)
        {
            return;
        }

        var (broker, proposal, answer, heard) = _answers[_random.Next(_answers.Count)];
        _answers.RemoveAll(one => ReferenceEquals(one.Proposal, proposal));
        if (broker.Leader is { } leader)
        {
            Do($"{broker.Id} is answered {answer.Error}", () =>
            {
                leader.AskForAtLeast(MinInSyncOf(_history[_random.Next(Math.Max(heard, _heard[broker.Id]), _history.Count)]));
                leader.Answered(proposal, answer, _nowMs);
                broker.LearnHighWatermark();
            });
        }
    }

    private void Return(ModelBroker broker)
    {
        broker = _brokers.Values.FirstOrDefault(one => !one.IsRunning) is { } down && _random.Next(2) == 0 ? down : broker;
        if (!broker.IsRunning)
        {
            Do($"{broker.Id} registers, after {broker.CleanEpoch}", () => Register(broker));
        }
        else
        {
            Do($"{broker.Id} comes", () => Beat(broker, new()));
        }
    }

    private void Stop(ModelBroker broker)
    {
        if (!broker.IsRunning)
        {
            return;
        }

        var isClean = _random.Next(2) == 0;
        if (isClean && _random.Next(3) > 0)
        {
            Do($"{broker.Id} leaves", () => Beat(broker, new() { WantShutDown = true }));
        }

        broker.Stop(isClean);
        if (!isClean && _random.Next(2) == 0)
        {
            var kept = _random.Next(broker.Log.Count + 1);
            broker.Log.RemoveRange(kept, broker.Log.Count - kept);
            broker.HighWatermark = Math.Min(broker.HighWatermark, kept);
        }

        _done.Add($"{broker.Id} stops{(isClean ? "" : ", uncleanly")}, with {broker.Log.Count} records");
    }

    private void Register(ModelBroker broker)
    {
        var request = new BrokerRegistrationRequest
        {
            BrokerId = broker.Id,
            ClusterId = "cluster",
            IncarnationId = Guid.NewGuid(),
            PreviousBrokerEpoch = broker.CleanEpoch,
            LogDirs = [new Guid(broker.Id, 0, 0, new byte[8])],
            Features = [.. Features.Supported.Select(feature => new BrokerRegistrationRequest.Feature { Name = feature.Name, MinSupportedVersion = feature.Min, MaxSupportedVersion = feature.Max })],
        };
        var decision = RegisterBrokerDecision.Decide(Image, request, _context, _history.Count, "cluster");
        Assert.Equal(ErrorCode.None, ((BrokerRegistrationResponse)decision.Response).ErrorCode);
        (broker.IsRunning, broker.BrokerEpoch, broker.CleanEpoch, broker.MayLack) = (true, ((BrokerRegistrationResponse)decision.Response).BrokerEpoch, -1, false);
        Commit(decision.Records);
    }

    private void Beat(ModelBroker broker, BrokerHeartbeatRequest request)
    {
        (request.BrokerId, request.BrokerEpoch, request.CurrentMetadataOffset) = (broker.Id, broker.BrokerEpoch, _history.Count);
        Commit(BrokerHeartbeatDecision.Decide(Image, request, _context).Records);
    }

    private void Configure(string minInSync) => Do($"{minInSync} have to be in sync", () =>
    {
        var resource = _random.Next(3) == 0 ? ConfigResource.AllBrokers : ConfigResource.Topic(Topic);
        var request = new IncrementalAlterConfigsRequest
        {
            Resources = [new() { ResourceType = (sbyte)resource.Type, ResourceName = resource.Name, Configs = [new() { Name = MinInSync, Value = minInSync }] }],
        };
        Commit(AlterConfigsDecision.Decide(Image, request, _context).Records);
    });

    private void Reassign()
    {
        List<int>? target = _random.Next(5) == 0 ? null : [.. Enumerable.Range(1, 4).OrderBy(_ => _random.Next()).Take(_random.Next(1, 5))];
        Do($"moved to {(target is null ? "where it was" : string.Join(',', target))}", () => Commit(AlterPartitionReassignmentsDecision.Decide(
            Image, new() { Topics = [new() { Name = Topic, Partitions = [new() { Replicas = target }] }] }, _context).Records));
    }

    private void Commit(IReadOnlyCollection<IMessage> records)
    {
        if (records.Count == 0)
        {
            return;
        }

        var was = Find(Image);
        var delta = new MetadataDelta(Image);
        foreach (var record in records)
        {
            delta.Replay(record);
        }

        _history.Add(delta.Apply(_history.Count, epoch: 1));
        if (was is not null && Partition.Leader != was.Leader && Partition.Leader != PartitionRegistration.NoLeader)
        {
            Elected(was);
        }
    }

    private void Elected(PartitionRegistration was)
    {
        if (was.EligibleLeaderReplicas.Contains(Partition.Leader))
        {
            ElectionsOfEligible++;
        }
        else if (!was.Isr.Contains(Partition.Leader))
        {
            // Of those who surely had everything nobody was left: what the last leader lacks is lost.
            var shared = ModelBroker.Shared(_committed, _brokers[Partition.Leader].Log);
            _committed.RemoveRange(shared, _committed.Count - shared);
            _uncleanEpoch = Partition.LeaderEpoch;
        }
    }

    private int MinInSyncOf(MetadataImage image) => int.Parse(_configs.TopicValue(image, Topic, MinInSync)!, CultureInfo.InvariantCulture);

    private static PartitionRegistration? Find(MetadataImage image) => image.FindTopic(Topic)?.Partitions[0];
}
