using Milena.Metadata.Controller;
using Milena.Metadata.Image;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Metadata.Tests.Controller;

public sealed class Changing_topics
{
    private static readonly MetadataImage TwoTopics = Images.WithBrokers((1, null), (2, null), (3, null)).Apply(
        Images.Topic("orders", Images.Orders), Images.Partition(Images.Orders, 0, 1, 2), Images.Partition(Images.Orders, 1, 2, 3),
        Images.Topic("payments", Images.Payments), Images.Partition(Images.Payments, 0, 1));

    [Fact]
    public void Topics_are_deleted_by_name_and_by_id()
    {
        var decision = DeleteTopicsDecision.Decide(TwoTopics, new DeleteTopicsRequest { Topics = [new() { Name = "orders" }, new() { TopicId = Images.Payments }] });
        var response = (DeleteTopicsResponse)decision.Response;
        Assert.Equal([("orders", Images.Orders), ("payments", Images.Payments)], response.Responses.Select(one => (one.Name!, one.TopicId)));
        Assert.All(response.Responses, one => Assert.Equal(ErrorCode.None, one.ErrorCode));
        Assert.Empty(TwoTopics.Apply([.. decision.Records]).TopicsByName);
    }

    [Fact]
    public void Unknown_topics_are_refused_and_the_others_deleted()
    {
        var request = new DeleteTopicsRequest { Topics = [new() { Name = "nothing" }, new() { TopicId = new Guid(9, 9, 9, new byte[8]) }, new() { Name = "orders" }] };
        var decision = DeleteTopicsDecision.Decide(TwoTopics, request);
        Assert.Equal(
            [ErrorCode.UnknownTopicOrPartition, ErrorCode.UnknownTopicId, ErrorCode.None],
            ((DeleteTopicsResponse)decision.Response).Responses.Select(one => one.ErrorCode));
        Assert.Equal(["payments"], TwoTopics.Apply([.. decision.Records]).TopicsByName.Keys);
    }

    [Fact]
    public void A_topic_named_twice_is_deleted_once()
    {
        var request = new DeleteTopicsRequest { Topics = [new() { Name = "orders" }, new() { TopicId = Images.Orders }] };
        Assert.Single(DeleteTopicsDecision.Decide(TwoTopics, request).Records);
    }

    [Fact]
    public void New_partitions_follow_the_old_ones_with_the_same_replication_factor()
    {
        var decision = Grow("orders", 5);
        Assert.Equal(ErrorCode.None, Result(decision).ErrorCode);
        var partitions = TwoTopics.Apply([.. decision.Records]).FindTopic("orders")!.Partitions;
        Assert.Equal(5, partitions.Length);
        Assert.All(partitions, partition => Assert.Equal(2, partition.Replicas.Length));
        Assert.Equal([1, 2], partitions[0].Replicas.AsEnumerable());
    }

    [Theory]
    [InlineData("nothing", 3, ErrorCode.UnknownTopicOrPartition)]
    [InlineData("orders", 2, ErrorCode.InvalidPartitions)]
    [InlineData("orders", 1, ErrorCode.InvalidPartitions)]
    [InlineData("orders", 0, ErrorCode.InvalidPartitions)]
    [InlineData("orders", 10_003, ErrorCode.PolicyViolation)]
    public void A_count_that_does_not_grow_or_grows_too_far_is_refused(string name, int count, ErrorCode error)
    {
        var decision = Grow(name, count);
        Assert.Equal(error, Result(decision).ErrorCode);
        Assert.Empty(decision.Records);
    }

    [Fact]
    public void New_partitions_may_be_assigned_by_hand()
    {
        var decision = Grow("orders", 3, [3, 1]);
        Assert.Equal([3, 1], TwoTopics.Apply([.. decision.Records]).FindTopic("orders")!.Partitions[2].Replicas.AsEnumerable());
        Assert.Equal(ErrorCode.InvalidReplicaAssignment, Result(Grow("orders", 4, [3, 1])).ErrorCode);
        Assert.Equal(ErrorCode.InvalidReplicaAssignment, Result(Grow("orders", 3, [3, 9])).ErrorCode);
    }

    [Fact]
    public void New_partitions_assigned_by_hand_have_as_many_replicas_as_the_old_ones() =>
        Assert.Equal(ErrorCode.InvalidReplicaAssignment, Result(Grow("orders", 3, [3])).ErrorCode);

    [Fact]
    public void Growing_a_topic_twice_in_one_request_or_only_validating_writes_nothing()
    {
        var twice = new CreatePartitionsRequest { Topics = [new() { Name = "orders", Count = 3 }, new() { Name = "orders", Count = 4 }] };
        var decision = CreatePartitionsDecision.Decide(TwoTopics, twice, Decisions.Context());
        Assert.Equal(ErrorCode.InvalidRequest, Result(decision).ErrorCode);
        Assert.Empty(decision.Records);
        var validate = new CreatePartitionsRequest { Topics = [new() { Name = "orders", Count = 3 }], ValidateOnly = true };
        Assert.Empty(CreatePartitionsDecision.Decide(TwoTopics, validate, Decisions.Context()).Records);
    }

    private static Decision Grow(string name, int count, params int[][] assignments)
    {
        var topic = new CreatePartitionsRequest.CreatePartitionsTopic
        {
            Name = name,
            Count = count,
            Assignments = assignments.Length == 0 ? null : [.. assignments.Select(ids => new CreatePartitionsRequest.CreatePartitionsAssignment { BrokerIds = [.. ids] })],
        };
        return CreatePartitionsDecision.Decide(TwoTopics, new CreatePartitionsRequest { Topics = [topic] }, Decisions.Context());
    }

    private static CreatePartitionsResponse.CreatePartitionsTopicResult Result(Decision decision) =>
        Assert.Single(((CreatePartitionsResponse)decision.Response).Results);
}
