using Milena.Metadata.Controller;
using Milena.Metadata.Image;
using Milena.Metadata.Settings;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Metadata.Tests.Controller;

public sealed class Creating_topics
{
    private static readonly MetadataImage Three = Images.WithBrokers((1, null), (2, null), (3, null));

    [Fact]
    public void A_topic_gets_an_id_settings_and_partitions_that_the_image_accepts()
    {
        var request = new CreateTopicsRequest.CreatableTopic
        {
            Name = "orders",
            NumPartitions = 4,
            ReplicationFactor = 2,
            Configs = [new() { Name = "retention.ms", Value = "5" }],
        };
        var decision = Decide(Three, request);
        var result = Assert.Single(Response(decision).Topics);
        Assert.Equal((ErrorCode.None, 4, (short)2), (result.ErrorCode, result.NumPartitions, result.ReplicationFactor));
        var image = Three.Apply([.. decision.Records]);
        var topic = image.FindTopic("orders")!;
        Assert.Equal(result.TopicId, topic.Id);
        Assert.Equal(4, topic.Partitions.Length);
        Assert.All(topic.Partitions, partition => Assert.Equal((partition.Replicas[0], 2), (partition.Leader, partition.Isr.Length)));
        Assert.Equal("5", image.ConfigOf(ConfigResource.Topic("orders"))["retention.ms"]);
    }

    [Fact]
    public void Defaults_come_from_the_settings()
    {
        var settings = new StaticSettings([new("num.partitions", "6"), new("default.replication.factor", "3")]);
        var decision = CreateTopicsDecision.Decide(Three, Request(Topic("orders", -1, -1)), Decisions.Context(settings));
        Assert.Equal((6, (short)3), (Response(decision).Topics[0].NumPartitions, Response(decision).Topics[0].ReplicationFactor));
    }

    public static TheoryData<string, int, int, ErrorCode> Refused => new()
    {
        { "", 1, 1, ErrorCode.InvalidTopicException },
        { "..", 1, 1, ErrorCode.InvalidTopicException },
        { "white space", 1, 1, ErrorCode.InvalidTopicException },
        { new string('x', 250), 1, 1, ErrorCode.InvalidTopicException },
        { "orders.eu", 1, 1, ErrorCode.TopicAlreadyExists },
        { "orders_eu", 1, 1, ErrorCode.InvalidTopicException },
        { "new", 0, 1, ErrorCode.InvalidPartitions },
        { "new", -2, 1, ErrorCode.InvalidPartitions },
        { "new", 10_001, 1, ErrorCode.PolicyViolation },
        { "new", 1, 0, ErrorCode.InvalidReplicationFactor },
        { "new", 1, -2, ErrorCode.InvalidReplicationFactor },
        { "new", 1, 4, ErrorCode.InvalidReplicationFactor },
    };

    [Theory]
    [MemberData(nameof(Refused))]
    public void What_Kafka_refuses_is_refused(string name, int partitions, int replicationFactor, ErrorCode error)
    {
        var image = Three.Apply(Images.Topic("orders.eu", Images.Orders), Images.Partition(Images.Orders, 0, 1));
        var decision = Decide(image, Topic(name, partitions, (short)replicationFactor));
        var result = Assert.Single(Response(decision).Topics);
        Assert.Equal(error, result.ErrorCode);
        Assert.NotEmpty(result.ErrorMessage!);
        Assert.Empty(decision.Records);
    }

    [Fact]
    public void Brokers_that_are_fenced_or_leaving_get_no_replicas()
    {
        var image = Three.Apply(
            new BrokerRegistrationChangeRecord { BrokerId = 1, Fenced = 1 }, new BrokerRegistrationChangeRecord { BrokerId = 2, InControlledShutdown = 1 });
        Assert.Equal(ErrorCode.InvalidReplicationFactor, Response(Decide(image, Topic("orders", 1, 2))).Topics[0].ErrorCode);
        var topic = image.Apply([.. Decide(image, Topic("orders", 5, 1)).Records]).FindTopic("orders")!;
        Assert.All(topic.Partitions, partition => Assert.Equal([3], partition.Replicas.AsEnumerable()));
    }

    [Fact]
    public void One_request_may_hold_good_and_bad_topics_and_only_the_bad_are_refused()
    {
        var request = Request(Topic("good", 1, 1), Topic("twice", 1, 1), Topic("bad name", 1, 1), Topic("twice", 1, 1), Topic("a.b", 1, 1), Topic("a_b", 1, 1));
        var decision = CreateTopicsDecision.Decide(Three, request, Decisions.Context());
        Assert.Equal(
            [("good", ErrorCode.None), ("twice", ErrorCode.InvalidRequest), ("bad name", ErrorCode.InvalidTopicException), ("a.b", ErrorCode.None),
                ("a_b", ErrorCode.InvalidTopicException)],
            Response(decision).Topics.Select(topic => (topic.Name, topic.ErrorCode)));
        Assert.Equal(["a.b", "good"], Three.Apply([.. decision.Records]).TopicsByName.Keys.Order());
    }

    [Fact]
    public void A_request_is_bounded_as_a_whole()
    {
        var decision = CreateTopicsDecision.Decide(Three, Request(Topic("a", 6000, 1), Topic("b", 6000, 1), Topic("c", 4000, 1)), Decisions.Context());
        Assert.Equal([ErrorCode.None, ErrorCode.PolicyViolation, ErrorCode.None], Response(decision).Topics.Select(topic => topic.ErrorCode));
    }

    [Fact]
    public void Validating_only_answers_and_writes_nothing()
    {
        var request = Request(Topic("orders", 3, 1));
        request.ValidateOnly = true;
        var decision = CreateTopicsDecision.Decide(Three, request, Decisions.Context());
        Assert.Equal((ErrorCode.None, 3), (Response(decision).Topics[0].ErrorCode, Response(decision).Topics[0].NumPartitions));
        Assert.Empty(decision.Records);
    }

    [Theory]
    [InlineData("no.such.setting", "1")]
    [InlineData("retention.ms", "soon")]
    [InlineData("retention.ms", null)]
    [InlineData("cleanup.policy", "delete,burn")]
    [InlineData("remote.storage.enable", "true")]
    public void Settings_are_checked(string name, string? value)
    {
        var topic = Topic("orders", 1, 1);
        topic.Configs = [new() { Name = name, Value = value }];
        Assert.Equal(ErrorCode.InvalidConfig, Response(Decide(Three, topic)).Topics[0].ErrorCode);
    }

    [Fact]
    public void A_setting_given_twice_or_in_conflict_is_refused()
    {
        var twice = Topic("orders", 1, 1);
        twice.Configs = [new() { Name = "retention.ms", Value = "1" }, new() { Name = "retention.ms", Value = "2" }];
        Assert.Equal(ErrorCode.InvalidConfig, Response(Decide(Three, twice)).Topics[0].ErrorCode);
        var conflict = Topic("orders", 1, 1);
        conflict.Configs = [new() { Name = "min.compaction.lag.ms", Value = "10" }, new() { Name = "max.compaction.lag.ms", Value = "5" }];
        Assert.Equal(ErrorCode.InvalidConfig, Response(Decide(Three, conflict)).Topics[0].ErrorCode);
    }

    [Fact]
    public void A_manual_assignment_is_taken_as_it_is()
    {
        var topic = Topic("orders", -1, -1);
        topic.Assignments = [new() { PartitionIndex = 1, BrokerIds = [3, 1] }, new() { PartitionIndex = 0, BrokerIds = [2, 3] }];
        var image = Three.Apply(new BrokerRegistrationChangeRecord { BrokerId = 3, Fenced = 1 });
        var partitions = image.Apply([.. Decide(image, topic).Records]).FindTopic("orders")!.Partitions;
        Assert.Equal(["2 3", "3 1"], partitions.Select(partition => string.Join(' ', partition.Replicas)));
        // A fenced broker is a replica, and neither in sync nor the leader.
        Assert.Equal(["2", "1"], partitions.Select(partition => string.Join(' ', partition.Isr)));
        Assert.Equal((2, 1), (partitions[0].Leader, partitions[1].Leader));
    }

    public static TheoryData<int, int, int[][], ErrorCode> WrongAssignments => new()
    {
        { 1, -1, [[1]], ErrorCode.InvalidRequest },
        { -1, 1, [[1]], ErrorCode.InvalidRequest },
        { -1, -1, [[]], ErrorCode.InvalidReplicaAssignment },
        { -1, -1, [[1, 1]], ErrorCode.InvalidReplicaAssignment },
        { -1, -1, [[1, 9]], ErrorCode.InvalidReplicaAssignment },
        { -1, -1, [[1, -1]], ErrorCode.InvalidReplicaAssignment },
        { -1, -1, [[1, 2], [3]], ErrorCode.InvalidReplicaAssignment },
    };

    [Theory]
    [MemberData(nameof(WrongAssignments))]
    public void A_wrong_assignment_is_refused(int partitions, int replicationFactor, int[][] brokers, ErrorCode error)
    {
        var topic = Topic("orders", partitions, (short)replicationFactor);
        topic.Assignments = [.. brokers.Select((ids, index) => new CreateTopicsRequest.CreatableReplicaAssignment { PartitionIndex = index, BrokerIds = [.. ids] })];
        Assert.Equal(error, Response(Decide(Three, topic)).Topics[0].ErrorCode);
        foreach (var assignment in topic.Assignments)
        {
            assignment.PartitionIndex++;
        }

        if (error == ErrorCode.InvalidReplicaAssignment)
        {
            Assert.Equal(error, Response(Decide(Three, topic)).Topics[0].ErrorCode);
        }
    }

    private static CreateTopicsRequest.CreatableTopic Topic(string name, int partitions, short replicationFactor) =>
        new() { Name = name, NumPartitions = partitions, ReplicationFactor = replicationFactor };

    private static CreateTopicsRequest Request(params CreateTopicsRequest.CreatableTopic[] topics) => new() { Topics = [.. topics] };

    private static Decision Decide(MetadataImage image, CreateTopicsRequest.CreatableTopic topic) =>
        CreateTopicsDecision.Decide(image, Request(topic), Decisions.Context());

    private static CreateTopicsResponse Response(Decision decision) => (CreateTopicsResponse)decision.Response;
}
