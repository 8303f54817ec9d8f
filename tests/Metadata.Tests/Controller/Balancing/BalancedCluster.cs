using Milena.Metadata.Controller;
using Milena.Metadata.Controller.Balancing;
using Milena.Metadata.Image;
using Milena.Metadata.Settings;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Metadata.Tests.Controller.Balancing;

/// <summary>A controller that balances, brokers that copy when they are told to, and a clock that stands still.</summary>
internal sealed class BalancedCluster
{
    private Balancer _balancer;
    private LeaderReturns _returns;
    private TimeSpan _now;

    private BalancedCluster(MetadataImage image) => (Image, _balancer, _returns) = (image, New(), NewReturns());

    public MetadataImage Image { get; private set; }

    public List<string> Notes { get; } = [];

    public IEnumerable<(TopicImage Topic, int Index, PartitionRegistration Partition)> UnderWay => Image.All().Where(one => Reassignment.IsUnderWay(one.Partition));

    /// <summary>So many brokers with topics on the first three; whoever comes counts at once.</summary>
    public static BalancedCluster Of(int brokers, int topics = 2, int partitions = 12) => new(
        Images.Of([.. Enumerable.Range(1, brokers).Select(id => Images.Broker(id, epoch: id)), Clusters.Setting(OwnBrokerSettings.SettleMs, "0")])
            .WithTopics(topics, partitions, 1, 2, 3));

    public BalancedCluster Enable()
    {
        Apply(Clusters.Setting(OwnBrokerSettings.BalancerEnable, "true"));
        return this;
    }

    public void Apply(params IMessage[] records) => Image = Image.Apply(records);

    public void Wait(TimeSpan time) => _now += time;

    /// <summary>The next controller knows nothing of what this one began.</summary>
    public void FailOver() => (_balancer, _returns) = (New(), NewReturns());

    /// <returns>How many records the controller wrote.</returns>
    public int Round()
    {
        Wait(TimeSpan.FromSeconds(1));
        var records = _balancer.Tend(Image, Decisions.Context());
        Apply([.. records]);
        return records.Count;
    }

    /// <summary>A round of giving leaders back, and of nothing else.</summary>
    /// <returns>How many changed.</returns>
    public int ReturnLeaders(StaticSettings? settings = null)
    {
        Wait(TimeSpan.FromSeconds(1));
        var records = _returns.Tend(Image, Decisions.Context(settings));
        Apply([.. records]);
        return records.Count;
    }

    /// <summary>The leaders find the replicas of every broker that is there in sync.</summary>
    public void Synchronize(Func<int, bool>? partitions = null)
    {
        foreach (var (topic, index, partition) in Image.All().Where(one => IsThere(one.Partition.Leader) && partitions?.Invoke(one.Index) != false).ToList())
        {
            Synchronize(topic, index, partition);
        }
    }

    /// <summary>The leader of each partition that moves finds its new replicas in sync, unless one of them is away.</summary>
    public void CatchUp(int max = int.MaxValue)
    {
        foreach (var (topic, index, partition) in UnderWay.Where(one => one.Partition.AddingReplicas.All(IsThere) && IsThere(one.Partition.Leader)).Take(max).ToList())
        {
            Synchronize(topic, index, partition);
        }
    }

    /// <summary>Rounds in which everything that was begun ends, until nothing more is begun.</summary>
    public void Settle(int maxUnderWay = int.MaxValue)
    {
        for (var (round, quiet) = (0, 0); quiet < 15; round++)
        {
            Assert.True(round < 1000, "It never ends.");
            var records = Round();
            Assert.InRange(UnderWay.Count(), 0, maxUnderWay);
            CatchUp();
            quiet = records == 0 ? quiet + 1 : 0;
        }
    }

    public ErrorCode Reassign(string topic, int partition, int[]? target)
    {
        var request = new AlterPartitionReassignmentsRequest
        {
            Topics = [new() { Name = topic, Partitions = [new() { PartitionIndex = partition, Replicas = target is null ? null : [.. target] }] }],
        };
        var decision = AlterPartitionReassignmentsDecision.Decide(Image, request, Decisions.Context());
        Apply([.. decision.Records]);
        return ((AlterPartitionReassignmentsResponse)decision.Response).Responses[0].Partitions[0].ErrorCode;
    }

    public void Kill(int broker) => Beat(broker, beat => beat.WantFence = true);

    public void Return(int broker) => Beat(broker, beat => beat.CurrentMetadataOffset = Image.Offset);

    private void Synchronize(TopicImage topic, int index, PartitionRegistration partition)
    {
        var request = new AlterPartitionRequest
        {
            BrokerId = partition.Leader,
            BrokerEpoch = Image.Brokers[partition.Leader].Epoch,
            Topics =
            [
                new()
                {
                    TopicId = topic.Id,
                    Partitions =
                    [
                        new()
                        {
                            PartitionIndex = index,
                            LeaderEpoch = partition.LeaderEpoch,
                            PartitionEpoch = partition.PartitionEpoch,
                            NewIsrWithEpochs = [.. partition.Replicas.Where(IsThere).Select(id => new AlterPartitionRequest.BrokerState { BrokerId = id, BrokerEpoch = Image.Brokers[id].Epoch })],
                        },
                    ],
                },
            ],
        };
        Apply([.. AlterPartitionDecision.Decide(Image, request, Decisions.Context()).Records]);
    }

    private LeaderReturns NewReturns() => new(() => _now);

    private Balancer New() => new(() => _now, Notes.Add);

    private void Beat(int broker, Action<BrokerHeartbeatRequest> say)
    {
        var beat = new BrokerHeartbeatRequest { BrokerId = broker, BrokerEpoch = Image.Brokers[broker].Epoch };
        say(beat);
        Apply([.. BrokerHeartbeatDecision.Decide(Image, beat, Decisions.Context()).Records]);
    }

    private bool IsThere(int id) => Image.Brokers.TryGetValue(id, out var broker) && !broker.Fenced;
}
