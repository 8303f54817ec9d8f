using Milena.Metadata.Controller;
using Milena.Metadata.Image;
using Milena.Metadata.Settings;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Metadata.Tests.Controller;

public sealed class Reassigning_partitions
{
    private MetadataImage _image = Images.Of([.. Enumerable.Range(1, 5).Select(id => Images.Broker(id, epoch: 30 + id))])
        .Apply(Images.Topic("orders", Images.Orders), Images.Partition(Images.Orders, 0, 1, 2, 3));

    private PartitionRegistration Partition => _image.FindTopic("orders")!.Partitions[0];

    [Fact]
    public void Old_and_new_replicas_are_together_until_the_new_ones_are_in_sync()
    {
        Assert.Equal(ErrorCode.None, Reassign(4, 5, 2));
        Assert.Equal("4,5,2,1,3 +4,5 -1,3 isr 1,2,3 leader 1/0", Describe());
        Assert.Equal(ErrorCode.None, Alter(1, 2, 3, 4));
        Assert.Equal("4,5,2,1,3 +4,5 -1,3 isr 1,2,3,4 leader 1/0", Describe());
        // With the old replicas the leader goes, so the proposal is not answered by its own outcome.
        Assert.Equal(ErrorCode.NewLeaderElected, Alter(1, 2, 3, 4, 5));
        Assert.Equal("4,5,2 + - isr 2,4,5 leader 4/1", Describe());
    }

    [Fact]
    public void A_leader_that_stays_gets_an_epoch_in_which_the_others_are_no_replicas()
    {
        Assert.Equal(ErrorCode.None, Reassign(1, 2));
        Assert.Equal("1,2 + - isr 1,2 leader 1/1", Describe());
    }

    [Fact]
    public void Another_order_of_the_same_replicas_is_another_preferred_leader_and_nothing_else()
    {
        Assert.Equal(ErrorCode.None, Reassign(3, 2, 1));
        Assert.Equal("3,2,1 + - isr 1,2,3 leader 1/0", Describe());
        Assert.Equal(ErrorCode.None, Reassign(3, 2, 1));
        Assert.Equal(1, Partition.PartitionEpoch);
    }

    [Fact]
    public void A_target_that_is_replaced_on_the_way_leaves_nothing_behind()
    {
        Reassign(1, 2, 4);
        Alter(1, 2, 3);
        Assert.Equal(ErrorCode.None, Reassign(1, 2, 5));
        Assert.Equal("1,2,5,3,4 +5 -3,4 isr 1,2,3 leader 1/0", Describe());
        Assert.Equal(ErrorCode.NewLeaderElected, Alter(1, 2, 3, 5));
        Assert.Equal("1,2,5 + - isr 1,2,5 leader 1/1", Describe());
    }

    [Fact]
    public void A_move_that_is_called_off_ends_where_it_began()
    {
        Reassign(4, 5);
        Alter(1, 2, 3, 4);
        Assert.Equal(ErrorCode.None, Reassign(null));
        Assert.Equal("1,2,3", string.Join(',', Partition.Replicas.Order()));
        Assert.Equal("1,2,3", string.Join(',', Partition.Isr));
        Assert.False(Reassignment.IsUnderWay(Partition));
        Assert.Equal(ErrorCode.NoReassignmentInProgress, Reassign(null));
    }

    [Fact]
    public void A_move_is_not_called_off_when_only_the_new_replicas_have_everything()
    {
        Reassign(4, 5);
        Alter(1, 2, 3, 4);
        _image = _image.Apply(new PartitionChangeRecord { TopicId = Images.Orders, PartitionId = 0, Leader = 4, Isr = [4] });
        Assert.Equal(ErrorCode.InvalidReplicaAssignment, Reassign(null));
        Assert.True(Reassignment.IsUnderWay(Partition));
    }

    [Fact]
    public void The_last_member_of_the_isr_stays_a_replica_until_another_is_in_sync()
    {
        _image = _image.Apply(new PartitionChangeRecord { TopicId = Images.Orders, PartitionId = 0, Isr = [1] });
        Reassign(2, 3);
        Assert.Equal("2,3,1 + -1 isr 1 leader 1/0", Describe());
        Assert.Equal(ErrorCode.NewLeaderElected, Alter(1, 2));
        Assert.Equal("2,3 + - isr 2 leader 2/1", Describe());
    }

    [Theory]
    [InlineData("", ErrorCode.InvalidReplicaAssignment)]
    [InlineData("1,1", ErrorCode.InvalidReplicaAssignment)]
    [InlineData("1,9", ErrorCode.InvalidReplicaAssignment)]
    [InlineData("-1", ErrorCode.InvalidReplicaAssignment)]
    public void What_is_no_set_of_registered_brokers_is_refused(string target, ErrorCode expected)
    {
        Assert.Equal(expected, Reassign([.. target.Split(',', StringSplitOptions.RemoveEmptyEntries).Select(int.Parse)]));
        Assert.Equal(0, Partition.PartitionEpoch);
    }

    [Fact]
    public void The_replication_factor_changes_only_where_it_may()
    {
        Assert.Equal(ErrorCode.InvalidReplicationFactor, Reassign([1, 2], mayChangeFactor: false));
        Assert.Equal(ErrorCode.None, Reassign([1, 2, 4], mayChangeFactor: false));
        Assert.Equal(ErrorCode.None, Reassign([1, 2, 5], mayChangeFactor: false));
        Assert.Equal(ErrorCode.InvalidReplicationFactor, Reassign([1, 2, 4, 5], mayChangeFactor: false));
    }

    [Fact]
    public void What_does_not_exist_is_told_by_name()
    {
        var request = new AlterPartitionReassignmentsRequest
        {
            Topics = [new() { Name = "bills", Partitions = [new() { Replicas = [1] }] }, new() { Name = "orders", Partitions = [new() { PartitionIndex = 7, Replicas = [1] }] }],
        };
        var response = (AlterPartitionReassignmentsResponse)AlterPartitionReassignmentsDecision.Decide(_image, request, Decisions.Context()).Response;
        Assert.Equal(
            [(ErrorCode.UnknownTopicOrPartition, "Unable to find a topic named bills."), (ErrorCode.UnknownTopicOrPartition, "Unable to find partition orders:7.")],
            response.Responses.Select(topic => (topic.Partitions[0].ErrorCode, topic.Partitions[0].ErrorMessage!)));
    }

    [Fact]
    public void What_is_under_way_is_listed_and_nothing_else()
    {
        Assert.Empty(OngoingReassignments.List(_image, null).Topics);
        Reassign(4, 2);
        var partition = Assert.Single(Assert.Single(OngoingReassignments.List(_image, null).Topics).Partitions);
        Assert.Equal(("4,2,1,3", "4", "1,3"), (string.Join(',', partition.Replicas), string.Join(',', partition.AddingReplicas), string.Join(',', partition.RemovingReplicas)));
        Assert.Single(OngoingReassignments.List(_image, [new() { Name = "orders", PartitionIndexes = [0, 0, 1] }, new() { Name = "bills", PartitionIndexes = [0] }]).Topics);
        Assert.Empty(OngoingReassignments.List(_image, [new() { Name = "orders", PartitionIndexes = [1] }]).Topics);
    }

    [Fact]
    public void A_broker_that_is_lost_on_the_way_ends_nothing()
    {
        Reassign(4, 5, 2);
        Alter(1, 2, 3, 4);
        _image = _image.Apply([.. BrokerHeartbeatDecision.Decide(_image, new BrokerHeartbeatRequest { BrokerId = 4, BrokerEpoch = 34, WantFence = true }, Decisions.Context()).Records]);
        Assert.Equal("4,5,2,1,3 +4,5 -1,3 isr 1,2,3 leader 1/0", Describe());
        _image = _image.Apply([.. BrokerHeartbeatDecision.Decide(_image, new BrokerHeartbeatRequest { BrokerId = 1, BrokerEpoch = 31, WantFence = true }, Decisions.Context()).Records]);
        Assert.Equal("4,5,2,1,3 +4,5 -1,3 isr 2,3 leader 2/1", Describe());
    }

    private ErrorCode Reassign(params int[]? target) => Reassign(target, mayChangeFactor: true);

    private ErrorCode Reassign(int[]? target, bool mayChangeFactor)
    {
        var request = new AlterPartitionReassignmentsRequest
        {
            AllowReplicationFactorChange = mayChangeFactor,
            Topics = [new() { Name = "orders", Partitions = [new() { PartitionIndex = 0, Replicas = target is null ? null : [.. target] }] }],
        };
        var decision = AlterPartitionReassignmentsDecision.Decide(_image, request, Decisions.Context());
        _image = _image.Apply([.. decision.Records]);
        return ((AlterPartitionReassignmentsResponse)decision.Response).Responses[0].Partitions[0].ErrorCode;
    }

    private ErrorCode Alter(params int[] isr)
    {
        var request = new AlterPartitionRequest
        {
            BrokerId = Partition.Leader,
            BrokerEpoch = 30 + Partition.Leader,
            Topics =
            [
                new()
                {
                    TopicId = Images.Orders,
                    Partitions =
                    [
                        new()
                        {
                            LeaderEpoch = Partition.LeaderEpoch,
                            PartitionEpoch = Partition.PartitionEpoch,
                            NewIsrWithEpochs = [.. isr.Select(id => new AlterPartitionRequest.BrokerState { BrokerId = id, BrokerEpoch = 30 + id })],
                        },
                    ],
                },
            ],
        };
        var decision = AlterPartitionDecision.Decide(_image, request, Decisions.Context());
        _image = _image.Apply([.. decision.Records]);
        return ((AlterPartitionResponse)decision.Response).Topics[0].Partitions[0].ErrorCode;
    }

    private string Describe() =>
        $"{string.Join(',', Partition.Replicas)} +{string.Join(',', Partition.AddingReplicas)} -{string.Join(',', Partition.RemovingReplicas)}"
        + $" isr {string.Join(',', Partition.Isr.Order())} leader {Partition.Leader}/{Partition.LeaderEpoch}";
}

public sealed class Tending_internal_topics
{
    private static readonly Guid Id = Images.Orders;

    [Fact]
    public void They_get_the_replicas_that_they_lack_when_brokers_come_and_then_two_in_sync()
    {
        var image = Images.Of(Images.Broker(1), Images.Topic(TopicNames.ConsumerOffsets, Id), Images.Partition(Id, 0, 1), Images.Partition(Id, 1, 1));
        Assert.Empty(InternalTopics.Tend(image, Decisions.Context()));
        image = image.Apply(Images.Broker(2), Images.Broker(3), Images.Broker(4), Images.Broker(5, fenced: true));
        image = image.Apply([.. InternalTopics.Tend(image, Decisions.Context())]);
        var partitions = image.FindTopic(Id)!.Partitions;
        Assert.All(partitions, partition => Assert.Equal((3, 1, 2, 0), (partition.Replicas.Length, partition.Replicas[0], partition.AddingReplicas.Length, partition.LeaderEpoch)));
        // Not all of them end at the same brokers.
        Assert.NotEqual(partitions[0].Replicas, partitions[1].Replicas);
        Assert.Empty(InternalTopics.Tend(image, Decisions.Context()));
        foreach (var (partition, index) in partitions.Select((partition, index) => (partition, index)))
        {
            image = image.Apply(new PartitionChangeRecord { TopicId = Id, PartitionId = index, Isr = [.. partition.Replicas], AddingReplicas = [], RemovingReplicas = [] });
        }

        var config = Assert.IsType<ConfigRecord>(Assert.Single(InternalTopics.Tend(image, Decisions.Context())));
        Assert.Equal(("min.insync.replicas", "2"), (config.Name, config.Value));
        Assert.Empty(InternalTopics.Tend(image.Apply(config), Decisions.Context()));
    }

    [Fact]
    public void They_spread_over_racks_and_grow_no_further_than_the_setting_says()
    {
        var image = Images.WithBrokers((1, "a"), (2, "a"), (3, "b"), (4, "c")).Apply(Images.Topic(TopicNames.ConsumerOffsets, Id), Images.Partition(Id, 0, 1));
        var two = new StaticSettings([KeyValuePair.Create("offsets.topic.replication.factor", "2")]);
        var grown = image.Apply([.. InternalTopics.Tend(image, Decisions.Context(two))]).FindTopic(Id)!.Partitions[0];
        Assert.Equal("1,3", string.Join(',', grown.Replicas));
        grown = image.Apply([.. InternalTopics.Tend(image, Decisions.Context())]).FindTopic(Id)!.Partitions[0];
        Assert.Equal("1,3,4", string.Join(',', grown.Replicas));
    }
}
