using Milena.Metadata.Controller;
using Milena.Metadata.Image;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Metadata.Tests.Controller;

/// <summary>What the controller knows of brokers' log directories, and what it does when one is offline.</summary>
public sealed class Log_directories
{
    private static readonly Guid OnlyOf1 = new(1, 1, 0, new byte[8]);
    private static readonly Guid FirstOf2 = new(2, 1, 0, new byte[8]);
    private static readonly Guid SecondOf2 = new(2, 2, 0, new byte[8]);
    private static readonly Guid OnlyOf3 = new(3, 1, 0, new byte[8]);

    [Fact]
    public void A_new_replica_is_known_to_lie_in_the_one_directory_that_its_broker_has()
    {
        var record = PartitionAssignment.NewPartition(Brokers(), Images.Orders, 0, [1, 2]);
        Assert.Equal([OnlyOf1, DirectoryIds.Unassigned], record.Directories);
    }

    [Fact]
    public void A_move_keeps_where_replicas_lie_that_stay()
    {
        var image = Assigned();
        var request = new AlterPartitionReassignmentsRequest { Topics = [new() { Name = "orders", Partitions = [new() { PartitionIndex = 0, Replicas = [3, 2] }] }] };
        image = image.Apply([.. AlterPartitionReassignmentsDecision.Decide(image, request, Decisions.Context()).Records]);
        var partition = image.FindTopic("orders")!.Partitions[0];
        Assert.Equal([3, 2, 1], partition.Replicas.AsEnumerable());
        Assert.Equal([OnlyOf3, FirstOf2, OnlyOf1], partition.Directories.AsEnumerable());
        var joined = new AlterPartitionRequest
        {
            BrokerId = 1,
            Topics = [new() { TopicId = Images.Orders, Partitions = [new() { PartitionEpoch = partition.PartitionEpoch, NewIsr = [1, 2, 3] }] }],
        };
        joined.BrokerEpoch = image.Brokers[1].Epoch;
        image = image.Apply([.. AlterPartitionDecision.Decide(image, joined, Decisions.Context()).Records]);
        Assert.Equal([OnlyOf3, FirstOf2], image.FindTopic("orders")!.Partitions[0].Directories.AsEnumerable());
    }

    [Fact]
    public void A_broker_says_where_its_replicas_lie_and_once_is_enough()
    {
        var image = Topics();
        Assert.Equal([(0, ErrorCode.None), (1, ErrorCode.None)], Assign(ref image, 2, (SecondOf2, 0), (FirstOf2, 1)));
        Assert.Equal([SecondOf2, FirstOf2, DirectoryIds.Unassigned], image.FindTopic("orders")!.Partitions.Select(partition => partition.DirectoryOf(2)));
        Assert.Equal([(1, 0, "1,2"), (2, 0, "2,1"), (1, 0, "1")], Leaders(image));
        var again = image.FindTopic("orders")!.Partitions[0].PartitionEpoch;
        Assign(ref image, 2, (SecondOf2, 0));
        Assert.Equal(again, image.FindTopic("orders")!.Partitions[0].PartitionEpoch);
    }

    [Fact]
    public void What_does_not_fit_is_refused_one_by_one()
    {
        var image = Topics();
        Assert.Equal(
            [(0, ErrorCode.None), (2, ErrorCode.NotLeaderOrFollower), (7, ErrorCode.UnknownTopicOrPartition), (0, ErrorCode.InvalidRequest)],
            Assign(ref image, 2, (FirstOf2, 0), (FirstOf2, 2), (FirstOf2, 7), (SecondOf2, 0)));
        var request = Request(image, 2, (FirstOf2, 0));
        request.Directories[0].Topics[0].TopicId = Images.Payments;
        Assert.Equal(ErrorCode.UnknownTopicId, Answers(AssignReplicasToDirsDecision.Decide(image, request, Decisions.Context())).Single().Error);
        request.BrokerEpoch++;
        var stale = AssignReplicasToDirsDecision.Decide(image, request, Decisions.Context());
        Assert.Equal(ErrorCode.StaleBrokerEpoch, ((AssignReplicasToDirsResponse)stale.Response).ErrorCode);
        Assert.Empty(stale.Records);
    }

    [Fact]
    public void A_directory_that_fails_costs_what_lies_in_it_and_others_lead_there()
    {
        var image = Assigned();
        Assert.False(Beat(ref image, 2, SecondOf2).IsFenced);
        Assert.Equal([FirstOf2], image.Brokers[2].LogDirectories.AsEnumerable());
        Assert.Equal([(1, 0, "1,2"), (1, 1, "1"), (1, 0, "1")], Leaders(image));
        Assert.Empty(BrokerHeartbeatDecision.Decide(image, new() { BrokerId = 2, OfflineLogDirs = [SecondOf2] }, Decisions.Context()).Records);
        var back = new AlterPartitionRequest
        {
            BrokerId = 1,
            BrokerEpoch = image.Brokers[1].Epoch,
            Topics = [new() { TopicId = Images.Orders, Partitions = [new() { PartitionIndex = 1, LeaderEpoch = 1, PartitionEpoch = PartitionEpoch(image, 1), NewIsr = [1, 2] }] }],
        };
        var answer = (AlterPartitionResponse)AlterPartitionDecision.Decide(image, back, Decisions.Context()).Response;
        Assert.Equal(ErrorCode.IneligibleReplica, answer.Topics[0].Partitions[0].ErrorCode);
    }

    [Fact]
    public void The_only_complete_copy_stays_in_sync_in_a_directory_that_is_offline_and_leads_again_when_it_comes_back()
    {
        var image = Assigned().Apply(new PartitionChangeRecord { TopicId = Images.Orders, PartitionId = 1, Isr = [2] });
        Beat(ref image, 2, SecondOf2);
        Assert.Equal([(1, 0, "1,2"), (-1, 1, "2"), (1, 0, "1")], Leaders(image));
        // Another broker's coming is no reason to elect it, nor is its own without the directory.
        image = image.Apply(Images.Broker(2, fenced: true), new BrokerRegistrationChangeRecord { BrokerId = 2, LogDirs = [FirstOf2] });
        Beat(ref image, 2);
        Assert.Equal([(1, 0, "1,2"), (-1, 1, "2"), (1, 0, "1")], Leaders(image));
        image = image.Apply(Images.Broker(2, fenced: true), new BrokerRegistrationChangeRecord { BrokerId = 2, LogDirs = [FirstOf2, SecondOf2] });
        Beat(ref image, 2);
        Assert.Equal([(1, 0, "1,2"), (2, 2, "2"), (1, 0, "1")], Leaders(image));
    }

    [Fact]
    public void A_broker_whose_last_directory_fails_is_fenced_and_not_let_in()
    {
        var image = Assigned();
        Assert.True(Beat(ref image, 2, FirstOf2, SecondOf2).IsFenced);
        Assert.True(image.Brokers[2].Fenced);
        Assert.Equal([(1, 0, "1"), (1, 1, "1"), (1, 0, "1")], Leaders(image));
        Assert.True(Beat(ref image, 2, FirstOf2, SecondOf2).IsFenced);
        Assert.True(image.Brokers[2].Fenced);
    }

    [Fact]
    public void A_replica_that_turns_out_to_lie_in_a_failed_directory_leads_nothing_until_it_lies_elsewhere()
    {
        var image = Topics();
        Beat(ref image, 2, SecondOf2);
        Assert.Equal([(1, 0, "1,2"), (2, 0, "2,1"), (1, 0, "1")], Leaders(image));
        Assert.Equal([(1, ErrorCode.None)], Assign(ref image, 2, (SecondOf2, 1)));
        Assert.Equal([(1, 0, "1,2"), (1, 1, "1"), (1, 0, "1")], Leaders(image));
        image = image.Apply(new PartitionChangeRecord { TopicId = Images.Orders, PartitionId = 0, Isr = [2], Leader = 2 });
        Assign(ref image, 2, (DirectoryIds.Lost, 0));
        Assert.Equal((-1, 2, "2"), Leaders(image).First());
        Assign(ref image, 2, (FirstOf2, 0));
        Assert.Equal((2, 3, "2"), Leaders(image).First());
    }

    /// <summary>Brokers 1 to 3; the second has two directories.</summary>
    private static MetadataImage Brokers() => Images.WithBrokers((1, null), (2, null), (3, null))
        .Apply(new BrokerRegistrationChangeRecord { BrokerId = 2, LogDirs = [FirstOf2, SecondOf2] });

    /// <summary>Three partitions: two with brokers 1 and 2, led by one each, and one that broker 1 holds alone.</summary>
    private static MetadataImage Topics() => Brokers().Apply(
        Images.Topic("orders", Images.Orders), Images.Partition(Images.Orders, 0, 1, 2), Images.Partition(Images.Orders, 1, 2, 1), Images.Partition(Images.Orders, 2, 1));

    /// <summary>The first partition lies in the second broker's first directory, and so on.</summary>
    private static MetadataImage Assigned()
    {
        var image = Topics();
        Assign(ref image, 2, (FirstOf2, 0), (SecondOf2, 1));
        Assign(ref image, 1, (OnlyOf1, 0), (OnlyOf1, 1), (OnlyOf1, 2));
        return image;
    }

    private static List<(int Partition, ErrorCode Error)> Assign(ref MetadataImage image, int broker, params (Guid Directory, int Partition)[] assigned)
    {
        var decision = AssignReplicasToDirsDecision.Decide(image, Request(image, broker, assigned), Decisions.Context());
        Assert.Equal(ErrorCode.None, ((AssignReplicasToDirsResponse)decision.Response).ErrorCode);
        image = image.Apply([.. decision.Records]);
        return [.. Answers(decision)];
    }

    private static AssignReplicasToDirsRequest Request(MetadataImage image, int broker, params (Guid Directory, int Partition)[] assigned) => new()
    {
        BrokerId = broker,
        BrokerEpoch = image.Brokers[broker].Epoch,
        Directories = [.. assigned.Select(one => new AssignReplicasToDirsRequest.DirectoryData
        {
            Id = one.Directory,
            Topics = [new() { TopicId = Images.Orders, Partitions = [new() { PartitionIndex = one.Partition }] }],
        })],
    };

    private static IEnumerable<(int Partition, ErrorCode Error)> Answers(Decision decision) => ((AssignReplicasToDirsResponse)decision.Response).Directories
        .SelectMany(directory => directory.Topics).SelectMany(topic => topic.Partitions).Select(partition => (partition.PartitionIndex, partition.ErrorCode));

    private static BrokerHeartbeatResponse Beat(ref MetadataImage image, int broker, params Guid[] offline)
    {
        var request = new BrokerHeartbeatRequest { BrokerId = broker, BrokerEpoch = image.Brokers[broker].Epoch, OfflineLogDirs = [.. offline] };
        var decision = BrokerHeartbeatDecision.Decide(image, request, Decisions.Context());
        image = image.Apply([.. decision.Records]);
        return (BrokerHeartbeatResponse)decision.Response;
    }

    private static IEnumerable<(int Leader, int Epoch, string Isr)> Leaders(MetadataImage image) =>
        image.FindTopic("orders")!.Partitions.Select(partition => (partition.Leader, partition.LeaderEpoch, string.Join(',', partition.Isr)));

    private static int PartitionEpoch(MetadataImage image, int index) => image.FindTopic("orders")!.Partitions[index].PartitionEpoch;
}
