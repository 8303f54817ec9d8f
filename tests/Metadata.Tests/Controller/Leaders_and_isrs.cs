using Milena.Metadata.Controller;
using Milena.Metadata.Image;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Metadata.Tests.Controller;

public sealed class Leaders_and_isrs
{
    private const long EpochOf3 = 33;

    private readonly MetadataImage _image = Images.Of(Images.Broker(1, epoch: 31), Images.Broker(2, epoch: 32), Images.Broker(3, epoch: EpochOf3), Images.Broker(4, fenced: true, epoch: 34))
        .Apply(Images.Topic("orders", Images.Orders), Images.Partition(Images.Orders, 0, 1, 2, 3, 4), Images.Partition(Images.Orders, 1, 2, 1));

    [Fact]
    public void A_leader_shrinks_and_expands_its_isr_without_a_new_leader_epoch()
    {
        var image = _image;
        Assert.Equal((ErrorCode.None, 1), Alter(ref image, partitionEpoch: 0, 1, 2));
        Assert.Equal(("1,2", 0, 1), State(image));
        Assert.Equal((ErrorCode.None, 2), Alter(ref image, partitionEpoch: 1, 1, 2, 3));
        Assert.Equal(("1,2,3", 0, 2), State(image));
        Assert.Equal((ErrorCode.None, 2), Alter(ref image, partitionEpoch: 2, 1, 2, 3));
    }

    [Fact]
    public void An_answer_tells_the_leader_what_was_committed()
    {
        var decision = AlterPartitionDecision.Decide(_image, Request(0, 0, [1, 3]), Decisions.Context());
        var partition = ((AlterPartitionResponse)decision.Response).Topics[0].Partitions[0];
        Assert.Equal((1, 0, 1), (partition.LeaderId, partition.LeaderEpoch, partition.PartitionEpoch));
        Assert.Equal([1, 3], partition.Isr);
    }

    [Theory]
    [InlineData(0, 0, "2,3", ErrorCode.InvalidRequest)]
    [InlineData(0, 0, "1,5", ErrorCode.InvalidRequest)]
    [InlineData(0, 0, "1,1", ErrorCode.InvalidRequest)]
    [InlineData(0, 0, "1,4", ErrorCode.IneligibleReplica)]
    [InlineData(0, 1, "1,2", ErrorCode.NotController)]
    [InlineData(1, 0, "1,2", ErrorCode.NotController)]
    [InlineData(-1, 0, "1,2", ErrorCode.FencedLeaderEpoch)]
    [InlineData(0, -1, "1,2", ErrorCode.InvalidUpdateVersion)]
    public void A_proposal_that_does_not_fit_what_is_changes_nothing(int leaderEpoch, int partitionEpoch, string isr, ErrorCode expected)
    {
        var decision = AlterPartitionDecision.Decide(_image, Request(leaderEpoch, partitionEpoch, [.. isr.Split(',').Select(int.Parse)]), Decisions.Context());
        Assert.Equal(expected, ((AlterPartitionResponse)decision.Response).Topics[0].Partitions[0].ErrorCode);
        Assert.Empty(decision.Records);
    }

    [Fact]
    public void A_follower_that_was_replaced_since_its_leader_heard_of_it_is_not_let_in()
    {
        var request = Request(0, 0, [1, 2]);
        request.Topics[0].Partitions[0].NewIsrWithEpochs.Add(new() { BrokerId = 3, BrokerEpoch = EpochOf3 - 1 });
        var decision = AlterPartitionDecision.Decide(_image, request, Decisions.Context());
        Assert.Equal(ErrorCode.IneligibleReplica, ((AlterPartitionResponse)decision.Response).Topics[0].Partitions[0].ErrorCode);
    }

    [Fact]
    public void A_broker_that_was_replaced_alters_nothing_and_one_that_does_not_lead_neither()
    {
        var stale = Request(0, 0, [1]);
        stale.BrokerEpoch = 30;
        Assert.Equal(ErrorCode.StaleBrokerEpoch, ((AlterPartitionResponse)AlterPartitionDecision.Decide(_image, stale, Decisions.Context()).Response).ErrorCode);
        var follower = Request(0, 0, [2]);
        (follower.BrokerId, follower.BrokerEpoch) = (2, 32);
        var decision = AlterPartitionDecision.Decide(_image, follower, Decisions.Context());
        Assert.Equal(ErrorCode.InvalidRequest, ((AlterPartitionResponse)decision.Response).Topics[0].Partitions[0].ErrorCode);
    }

    [Fact]
    public void One_request_alters_a_partition_once()
    {
        var request = Request(0, 0, [1, 2]);
        request.Topics.Add(Request(0, 0, [1, 3]).Topics[0]);
        var decision = AlterPartitionDecision.Decide(_image, request, Decisions.Context());
        Assert.Single(decision.Records);
        Assert.Equal(ErrorCode.InvalidRequest, ((AlterPartitionResponse)decision.Response).Topics[1].Partitions[0].ErrorCode);
    }

    [Fact]
    public void A_preferred_leader_gets_the_lead_back_when_it_is_in_sync()
    {
        var image = _image.Apply(new PartitionChangeRecord { TopicId = Images.Orders, PartitionId = 0, Leader = 2 });
        Assert.Equal([(0, ErrorCode.None), (1, ErrorCode.ElectionNotNeeded), (7, ErrorCode.UnknownTopicOrPartition)], Elect(ref image, 0, 0, 1, 7));
        Assert.Equal((1, 2), (image.FindTopic("orders")!.Partitions[0].Leader, image.FindTopic("orders")!.Partitions[0].LeaderEpoch));
        image = image.Apply(new PartitionChangeRecord { TopicId = Images.Orders, PartitionId = 0, Leader = 2, Isr = [2, 3] });
        Assert.Equal([(0, ErrorCode.PreferredLeaderNotAvailable)], Elect(ref image, 0, 0));
    }

    [Fact]
    public void An_unclean_election_is_for_partitions_without_a_leader()
    {
        var image = _image.Apply(
            new PartitionChangeRecord { TopicId = Images.Orders, PartitionId = 0, Leader = PartitionRegistration.NoLeader, Isr = [4] },
            new PartitionChangeRecord { TopicId = Images.Orders, PartitionId = 1, Leader = PartitionRegistration.NoLeader, Isr = [1] });
        Assert.Equal([(0, ErrorCode.None), (1, ErrorCode.None)], Elect(ref image, 1, 0, 1));
        var (first, second) = (image.FindTopic("orders")!.Partitions[0], image.FindTopic("orders")!.Partitions[1]);
        Assert.Equal((1, "1", 1), (first.Leader, string.Join(',', first.Isr), (int)first.LeaderRecoveryState));
        Assert.Equal((1, "1", 0), (second.Leader, string.Join(',', second.Isr), (int)second.LeaderRecoveryState));
        Assert.Equal([(0, ErrorCode.ElectionNotNeeded)], Elect(ref image, 1, 0));
    }

    [Fact]
    public void Asked_for_all_partitions_an_election_tells_of_those_that_it_changed()
    {
        var image = _image.Apply(new PartitionChangeRecord { TopicId = Images.Orders, PartitionId = 1, Leader = 1 });
        var decision = ElectLeadersDecision.Decide(image, new ElectLeadersRequest { TopicPartitions = null }, Decisions.Context());
        var topic = Assert.Single(((ElectLeadersResponse)decision.Response).ReplicaElectionResults);
        Assert.Equal(1, Assert.Single(topic.PartitionResult).PartitionId);
        Assert.Single(decision.Records);
        Assert.Single(ElectLeadersDecision.Balance(image, Decisions.Context()));
    }

    [Fact]
    public void An_election_of_an_unknown_kind_is_refused() => Assert.Equal(
        ErrorCode.InvalidRequest,
        ((ElectLeadersResponse)ElectLeadersDecision.Decide(_image, new ElectLeadersRequest { ElectionType = 2 }, Decisions.Context()).Response).ErrorCode);

    private static (ErrorCode Error, int PartitionEpoch) Alter(ref MetadataImage image, int partitionEpoch, params int[] isr)
    {
        var decision = AlterPartitionDecision.Decide(image, Request(0, partitionEpoch, isr), Decisions.Context());
        image = image.Apply([.. decision.Records]);
        var partition = ((AlterPartitionResponse)decision.Response).Topics[0].Partitions[0];
        return (partition.ErrorCode, partition.PartitionEpoch);
    }

    private static AlterPartitionRequest Request(int leaderEpoch, int partitionEpoch, int[] isr) => new()
    {
        BrokerId = 1,
        BrokerEpoch = 31,
        Topics =
        [
            new()
            {
                TopicId = Images.Orders,
                Partitions =
                [
                    new()
                    {
                        LeaderEpoch = leaderEpoch,
                        PartitionEpoch = partitionEpoch,
                        NewIsrWithEpochs = [.. isr.Select(id => new AlterPartitionRequest.BrokerState { BrokerId = id, BrokerEpoch = 30 + id })],
                    },
                ],
            },
        ],
    };

    private static IEnumerable<(int Partition, ErrorCode Error)> Elect(ref MetadataImage image, sbyte type, params int[] partitions)
    {
        var request = new ElectLeadersRequest { ElectionType = type, TopicPartitions = [new() { Topic = "orders", Partitions = [.. partitions] }] };
        var decision = ElectLeadersDecision.Decide(image, request, Decisions.Context());
        image = image.Apply([.. decision.Records]);
        return ((ElectLeadersResponse)decision.Response).ReplicaElectionResults[0].PartitionResult.Select(result => (result.PartitionId, result.ErrorCode)).ToList();
    }

    private static (string Isr, int LeaderEpoch, int PartitionEpoch) State(MetadataImage image)
    {
        var partition = image.FindTopic("orders")!.Partitions[0];
        return (string.Join(',', partition.Isr), partition.LeaderEpoch, partition.PartitionEpoch);
    }
}
