using Milena.Metadata.Controller;
using Milena.Metadata.Image;
using Milena.Metadata.Settings;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Metadata.Tests.Controller;

/// <summary>What brokers tell of log directories that take no new replica, and where new replicas go then (KIP-1066).</summary>
public sealed class Cordoned_directories
{
    private static readonly Guid OnlyOf1 = new(1, 1, 0, new byte[8]);
    private static readonly Guid FirstOf2 = new(2, 1, 0, new byte[8]);
    private static readonly Guid SecondOf2 = new(2, 2, 0, new byte[8]);
    private static readonly Guid OnlyOf3 = new(3, 1, 0, new byte[8]);

    [Fact]
    public void A_broker_says_which_of_its_directories_are_cordoned_and_once_is_enough()
    {
        var image = Beat(Brokers(), 2, FirstOf2);
        Assert.Equal([FirstOf2], image.Brokers[2].CordonedDirectories.AsEnumerable());
        Assert.False(image.Brokers[2].IsCordoned);
        Assert.Equal(image.Offset, Beat(image, 2, FirstOf2).Offset);
        // A beat that does not speak of it, as when a broker leaves, changes nothing.
        var silent = new BrokerHeartbeatRequest { BrokerId = 2, BrokerEpoch = image.Brokers[2].Epoch };
        Assert.Empty(BrokerHeartbeatDecision.Decide(image, silent, Decisions.Context()).Records);
        image = Beat(image, 2, SecondOf2, FirstOf2);
        Assert.True(image.Brokers[2].IsCordoned);
        Assert.Empty(Beat(image, 2).Brokers[2].CordonedDirectories);
    }

    [Fact]
    public void A_broker_is_let_in_and_what_it_has_cordoned_is_known_in_one_decision()
    {
        var image = Brokers().Apply(Images.Broker(3, fenced: true));
        var request = new BrokerHeartbeatRequest { BrokerId = 3, BrokerEpoch = image.Brokers[3].Epoch, CordonedLogDirs = [OnlyOf3] };
        image = image.Apply([.. BrokerHeartbeatDecision.Decide(image, request, Decisions.Context()).Records]);
        Assert.Equal((false, true), (image.Brokers[3].Fenced, image.Brokers[3].IsCordoned));
    }

    [Fact]
    public void What_is_cordoned_is_in_snapshots_and_a_new_incarnation_says_it_again()
    {
        var image = Beat(Brokers(), 2, SecondOf2);
        Assert.Equal([SecondOf2], Images.Of([.. Milena.Metadata.Snapshots.ImageRecords.Of(image)]).Brokers[2].CordonedDirectories.AsEnumerable());
        Assert.Empty(image.Apply(Images.Broker(2)).Brokers[2].CordonedDirectories);
    }

    [Fact]
    public void Below_the_level_that_knows_of_it_nothing_is_cordoned()
    {
        var image = Brokers().Apply(new FeatureLevelRecord { Name = Features.MetadataVersionName, FeatureLevel = Features.CordonedDirectoriesVersion - 1 });
        Assert.Equal(image.Offset, Beat(image, 1, OnlyOf1).Offset);
        Assert.Equal(ErrorCode.InvalidConfig, Set(image, ConfigResource.Broker(1), "*"));
        Assert.Equal(ErrorCode.None, Set(Brokers(), ConfigResource.Broker(1), "*"));
    }

    [Fact]
    public void Directories_are_of_one_broker_and_not_of_all() => Assert.Equal(ErrorCode.InvalidRequest, Set(Brokers(), ConfigResource.AllBrokers, "*"));

    [Fact]
    public void New_topics_and_partitions_go_to_brokers_that_take_replicas()
    {
        var image = Beat(Beat(Brokers(), 3, OnlyOf3), 2, FirstOf2);
        var (_, created) = Create(ref image, new() { Name = "orders", NumPartitions = 30, ReplicationFactor = 2 });
        Assert.Equal(ErrorCode.None, created);
        Assert.Equal([1, 2], BrokersOf(image, "orders"));
        image = Beat(image, 2, FirstOf2, SecondOf2);
        Assert.Equal(ErrorCode.None, Create(ref image, new() { Name = "single", NumPartitions = 3, ReplicationFactor = 1 }).Error);
        Assert.Equal([1], BrokersOf(image, "single"));
        var (message, refused) = Create(ref image, new() { Name = "payments", NumPartitions = 1, ReplicationFactor = 2 });
        Assert.Equal(ErrorCode.InvalidReplicationFactor, refused);
        Assert.Contains("only 1 broker(s) are registered and have a log directory that takes new replicas", message);
        Assert.Equal(ErrorCode.InvalidReplicationFactor, Grow(ref image, new() { Name = "orders", Count = 31, Assignments = null }));
        image = Beat(image, 2);
        Assert.Equal(ErrorCode.None, Grow(ref image, new() { Name = "orders", Count = 31, Assignments = null }));
        Assert.Equal([1, 2], BrokersOf(image, "orders"));
    }

    [Fact]
    public void A_broker_is_cordoned_when_the_last_directory_that_took_replicas_fails()
    {
        var image = Beat(Brokers(), 2, FirstOf2);
        var failed = new BrokerHeartbeatRequest { BrokerId = 2, BrokerEpoch = image.Brokers[2].Epoch, OfflineLogDirs = [SecondOf2], CordonedLogDirs = [FirstOf2] };
        image = image.Apply([.. BrokerHeartbeatDecision.Decide(image, failed, Decisions.Context()).Records]);
        Assert.True(image.Brokers[2].IsCordoned);
    }

    [Fact]
    public void Who_names_a_cordoned_broker_is_told_that_the_assignment_is_wrong()
    {
        var image = Beat(Brokers(), 3, OnlyOf3);
        var (message, created) = Create(ref image, new() { Name = "orders", NumPartitions = -1, ReplicationFactor = -1, Assignments = [new() { BrokerIds = [1, 3] }] });
        Assert.Equal(ErrorCode.InvalidReplicaAssignment, created);
        Assert.Equal("The manual partition assignment includes broker 3, and none of its log directories takes new replicas.", message);
        image = image.Apply(Images.Topic("orders", Images.Orders), Images.Partition(Images.Orders, 0, 1, 2));
        Assert.Equal(ErrorCode.InvalidReplicaAssignment, Grow(ref image, new() { Name = "orders", Count = 2, Assignments = [new() { BrokerIds = [3, 1] }] }));
        Assert.Equal(ErrorCode.InvalidReplicaAssignment, Reassign(ref image, 1, 3));
        Assert.Equal(ErrorCode.None, Grow(ref image, new() { Name = "orders", Count = 2, Assignments = [new() { BrokerIds = [2, 1] }] }));
    }

    [Fact]
    public void What_a_cordoned_broker_holds_stays_there_as_long_as_it_is_wanted()
    {
        var image = Brokers().Apply(Images.Topic("orders", Images.Orders), Images.Partition(Images.Orders, 0, 1, 2));
        image = Beat(image, 1, OnlyOf1);
        Assert.Equal(1, image.FindTopic("orders")!.Partitions[0].Leader);
        Assert.Equal(ErrorCode.None, Reassign(ref image, 3, 1));
        Assert.Equal([3, 1, 2], image.FindTopic("orders")!.Partitions[0].Replicas.AsEnumerable());
        Assert.Equal(ErrorCode.None, Reassign(ref image, 2, 3));
    }

    [Fact]
    public void Internal_topics_grow_onto_brokers_that_take_replicas()
    {
        var image = Beat(Brokers(), 1, OnlyOf1).Apply(Images.Topic(TopicNames.ConsumerOffsets, Images.Orders), Images.Partition(Images.Orders, 0, 2), Images.Partition(Images.Orders, 1, 1));
        image = image.Apply([.. InternalTopics.Tend(image, Decisions.Context())]);
        Assert.Equal(["2,3", "1,2,3"], image.FindTopic(TopicNames.ConsumerOffsets)!.Partitions.Select(partition => string.Join(',', partition.Replicas.Order())));
    }

    /// <summary>Brokers 1 to 3 at the highest level; the second has two directories.</summary>
    private static MetadataImage Brokers() => Images.WithBrokers((1, null), (2, null), (3, null)).Apply(
        new FeatureLevelRecord { Name = Features.MetadataVersionName, FeatureLevel = Features.MetadataVersion },
        new BrokerRegistrationChangeRecord { BrokerId = 2, LogDirs = [FirstOf2, SecondOf2] });

    private static MetadataImage Beat(MetadataImage image, int broker, params Guid[] cordoned)
    {
        var request = new BrokerHeartbeatRequest { BrokerId = broker, BrokerEpoch = image.Brokers[broker].Epoch, CordonedLogDirs = [.. cordoned] };
        return image.Apply([.. BrokerHeartbeatDecision.Decide(image, request, Decisions.Context()).Records]);
    }

    private static (string? Message, ErrorCode Error) Create(ref MetadataImage image, CreateTopicsRequest.CreatableTopic topic)
    {
        var decision = CreateTopicsDecision.Decide(image, new CreateTopicsRequest { Topics = [topic] }, Decisions.Context() with { NewId = Guid.NewGuid });
        image = image.Apply([.. decision.Records]);
        var answer = ((CreateTopicsResponse)decision.Response).Topics[0];
        return (answer.ErrorMessage, answer.ErrorCode);
    }

    private static ErrorCode Grow(ref MetadataImage image, CreatePartitionsRequest.CreatePartitionsTopic topic)
    {
        var decision = CreatePartitionsDecision.Decide(image, new CreatePartitionsRequest { Topics = [topic] }, Decisions.Context());
        image = image.Apply([.. decision.Records]);
        return ((CreatePartitionsResponse)decision.Response).Results[0].ErrorCode;
    }

    private static ErrorCode Reassign(ref MetadataImage image, params int[] replicas)
    {
        var request = new AlterPartitionReassignmentsRequest { Topics = [new() { Name = "orders", Partitions = [new() { PartitionIndex = 0, Replicas = [.. replicas] }] }] };
        var decision = AlterPartitionReassignmentsDecision.Decide(image, request, Decisions.Context());
        image = image.Apply([.. decision.Records]);
        return ((AlterPartitionReassignmentsResponse)decision.Response).Responses[0].Partitions[0].ErrorCode;
    }

    private static ErrorCode Set(MetadataImage image, ConfigResource resource, string value)
    {
        var decision = AlterConfigsDecision.Decide(
            image,
            new IncrementalAlterConfigsRequest
            {
                Resources = [new() { ResourceType = (sbyte)resource.Type, ResourceName = resource.Name, Configs = [new() { Name = CordonedLogDirs.Setting, Value = value }] }],
            },
            Decisions.Context());
        return ((IncrementalAlterConfigsResponse)decision.Response).Responses[0].ErrorCode;
    }

    private static IEnumerable<int> BrokersOf(MetadataImage image, string topic) => image.FindTopic(topic)!.Partitions.SelectMany(partition => partition.Replicas).Distinct().Order();
}
