using Milena.Metadata.Controller;
using Milena.Metadata.Image;
using Milena.Metadata.Settings;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Metadata.Tests.Controller;

public sealed class Brokers_and_producers
{
    [Fact]
    public void A_broker_is_registered_fenced_with_the_records_offset_as_its_epoch()
    {
        var decision = Register(MetadataImage.Empty, Request());
        Assert.Equal((ErrorCode.None, 42L), (Response(decision).ErrorCode, Response(decision).BrokerEpoch));
        var image = Images.Of([.. decision.Records]);
        var broker = image.Brokers[1];
        Assert.Equal((42L, Images.Orders, "a", true), (broker.Epoch, broker.IncarnationId, broker.Rack, broker.Fenced));
        Assert.Equal([Images.Payments], broker.LogDirectories.AsEnumerable());
        Assert.Equal(Features.MetadataVersion, image.Features["metadata.version"]);
    }

    [Fact]
    public void A_new_cluster_keeps_eligible_leaders_and_one_number_that_has_to_be_in_sync()
    {
        var context = Decisions.Context(new StaticSettings([new("min.insync.replicas", "2")]));
        var image = Images.Of([.. RegisterBrokerDecision.Decide(MetadataImage.Empty, Request(), context, 42, "cluster").Records]);
        Assert.Equal(1, image.Features[Features.EligibleLeadersName]);
        Assert.Equal([new("min.insync.replicas", "2")], image.ConfigOf(ConfigResource.AllBrokers));
    }

    [Fact]
    public void A_broker_of_another_cluster_is_refused()
    {
        var decision = RegisterBrokerDecision.Decide(MetadataImage.Empty, Request(), Decisions.Context(), 42, "another");
        Assert.Equal(ErrorCode.InconsistentClusterId, Response(decision).ErrorCode);
        Assert.Empty(decision.Records);
    }

    [Theory]
    [InlineData(30, ErrorCode.None)]
    [InlineData(29, ErrorCode.UnsupportedVersion)]
    public void A_broker_without_code_for_a_level_in_force_is_refused(short highest, ErrorCode expected)
    {
        var image = Images.Of(new FeatureLevelRecord { Name = "metadata.version", FeatureLevel = 30 });
        var request = Request();
        request.Features[0].MaxSupportedVersion = highest;
        Assert.Equal(expected, Response(Register(image, request)).ErrorCode);
    }

    [Theory]
    [InlineData("node1", 4053, true, ErrorCode.None)]
    [InlineData("node9", 4053, false, ErrorCode.None)]
    [InlineData("node9", 4053, true, ErrorCode.DuplicateBrokerRegistration)]
    public void A_second_process_with_the_id_of_a_living_one_is_refused(string host, ushort port, bool livesStill, ErrorCode expected)
    {
        var first = Request("node1", 4053);
        var image = Images.Of([.. Register(MetadataImage.Empty, first).Records]);
        var second = Request(host, port);
        second.IncarnationId = Images.Payments;
        var context = Decisions.Context() with { IsReachable = _ => livesStill };
        Assert.Equal(expected, Response(RegisterBrokerDecision.Decide(image, second, context, 43, "cluster")).ErrorCode);
    }

    [Theory]
    [InlineData(true, true, ErrorCode.InvalidRegistration)]
    [InlineData(true, false, ErrorCode.None)]
    [InlineData(false, true, ErrorCode.None)]
    public void A_broker_with_an_emptied_disk_is_not_taken_for_the_last_complete_copy(bool hasNewDirectories, bool isLastInSync, ErrorCode expected)
    {
        var image = Images.Of([.. Register(MetadataImage.Empty, Request()).Records])
            .Apply(Images.Broker(2), Images.Topic("orders", Images.Orders), Images.Partition(Images.Orders, 0, 1, 2))
            .Apply(new PartitionChangeRecord { TopicId = Images.Orders, PartitionId = 0, Isr = isLastInSync ? [1] : [1, 2] });
        var request = Request();
        request.LogDirs = hasNewDirectories ? [Images.Orders] : [Images.Orders, Images.Payments];
        Assert.Equal(expected, Response(Register(image, request)).ErrorCode);
    }

    [Fact]
    public void A_new_incarnation_leads_again_only_once_it_has_caught_up()
    {
        var image = Images.WithBrokers((1, null), (2, null)).Apply(
            Images.Topic("orders", Images.Orders), Images.Partition(Images.Orders, 0, 1, 2), Images.Partition(Images.Orders, 1, 2, 1), Images.Partition(Images.Orders, 2, 1));
        image = image.Apply([.. Register(image, Request()).Records]);
        Assert.Equal([(2, 1, "2"), (2, 0, "2"), (-1, 1, "1")], Leaders(image));
        Assert.Equal((false, true), Beat(ref image, new() { BrokerId = 1, CurrentMetadataOffset = 41 }));
        Assert.True(image.Brokers[1].Fenced);
        Assert.Equal((true, false), Beat(ref image, new() { BrokerId = 1, CurrentMetadataOffset = 42 }));
        Assert.False(image.Brokers[1].Fenced);
        Assert.Equal([(2, 1, "2"), (2, 0, "2"), (1, 2, "1")], Leaders(image));
    }

    [Theory]
    [InlineData(true, false)]
    [InlineData(false, true)]
    public void A_broker_that_the_others_do_not_see_is_not_let_in(bool isSeen, bool staysFenced)
    {
        var image = Images.Of(Images.Broker(1, fenced: true));
        var context = Decisions.Context() with { IsReachable = _ => isSeen };
        var decision = BrokerHeartbeatDecision.Decide(image, new() { BrokerId = 1, BrokerEpoch = 0 }, context);
        Assert.Equal(staysFenced, ((BrokerHeartbeatResponse)decision.Response).IsFenced);
        Assert.Equal(staysFenced, decision.Records.Count == 0);
    }

    [Fact]
    public void A_broker_that_is_away_leaves_every_isr_that_has_another_member()
    {
        var image = ThreeBrokers();
        Assert.Equal((true, true), Beat(ref image, new() { BrokerId = 1, WantFence = true }));
        Assert.Equal([(2, 1, "2,3"), (2, 0, "2,3"), (-1, 1, "1")], Leaders(image));
        Assert.Empty(BrokerHeartbeatDecision.Decide(image, new() { BrokerId = 1, BrokerEpoch = 0, WantFence = true }, Decisions.Context()).Records);
    }

    [Fact]
    public void The_last_of_an_isr_stays_in_it_and_nobody_else_leads_unless_the_topic_asks_for_that()
    {
        var image = ThreeBrokers();
        Beat(ref image, new() { BrokerId = 2, WantFence = true });
        Beat(ref image, new() { BrokerId = 3, WantFence = true });
        Beat(ref image, new() { BrokerId = 1, WantFence = true });
        Assert.Equal([(-1, 1, "1"), (-1, 3, "1"), (-1, 1, "1")], Leaders(image));
        image = image.Apply(Images.Config(ConfigResource.Topic("orders"), "unclean.leader.election.enable", "true"));
        Beat(ref image, new() { BrokerId = 3 });
        Assert.Equal([(3, 2, "3"), (3, 4, "3"), (-1, 1, "1")], Leaders(image));
        Assert.Equal([1, 1, 0], image.FindTopic("orders")!.Partitions.Select(partition => (int)partition.LeaderRecoveryState));
    }

    [Fact]
    public void A_broker_that_shuts_down_gives_its_leaders_away_first_and_is_not_chosen_again()
    {
        var image = ThreeBrokers();
        var decision = BrokerHeartbeatDecision.Decide(image, new() { BrokerId = 2, BrokerEpoch = 0, WantShutDown = true }, Decisions.Context());
        Assert.True(((BrokerHeartbeatResponse)decision.Response).ShouldShutDown);
        image = image.Apply([.. decision.Records]);
        Assert.Equal([(1, 0, "1,3"), (3, 1, "3,1"), (1, 0, "1")], Leaders(image));
        Beat(ref image, new() { BrokerId = 1, WantFence = true });
        Assert.Equal([(3, 1, "3"), (3, 1, "3"), (-1, 1, "1")], Leaders(image));
    }

    [Theory]
    [InlineData(7, 0)]
    [InlineData(1, 5)]
    public void A_beat_of_nobody_or_of_an_incarnation_before_changes_nothing(int broker, long epoch)
    {
        var decision = BrokerHeartbeatDecision.Decide(ThreeBrokers(), new() { BrokerId = broker, BrokerEpoch = epoch, WantFence = true }, Decisions.Context());
        Assert.Equal(ErrorCode.StaleBrokerEpoch, ((BrokerHeartbeatResponse)decision.Response).ErrorCode);
        Assert.Empty(decision.Records);
    }

    [Fact]
    public void A_broker_is_forgotten_by_request_and_leads_nothing_then()
    {
        var image = ThreeBrokers();
        var decision = UnregisterBrokerDecision.Decide(image, new() { BrokerId = 1 }, Decisions.Context());
        image = image.Apply([.. decision.Records]);
        Assert.Equal([2, 3], image.Brokers.Keys);
        Assert.Equal([(2, 1, "2,3"), (2, 0, "2,3"), (-1, 1, "1")], Leaders(image));
        var unknown = (UnregisterBrokerResponse)UnregisterBrokerDecision.Decide(image, new() { BrokerId = 1 }, Decisions.Context()).Response;
        Assert.Equal(ErrorCode.BrokerIdNotRegistered, unknown.ErrorCode);
    }

    [Fact]
    public void Producer_ids_are_handed_out_in_blocks_that_never_overlap()
    {
        var image = Images.Of(Images.Broker(1, epoch: 7));
        for (var block = 0; block < 3; block++)
        {
            var decision = AllocateProducerIdsDecision.Decide(image, new AllocateProducerIdsRequest { BrokerId = 1, BrokerEpoch = 7 });
            var response = (AllocateProducerIdsResponse)decision.Response;
            Assert.Equal((ErrorCode.None, block * 1000L, 1000), (response.ErrorCode, response.ProducerIdStart, response.ProducerIdLen));
            image = image.Apply([.. decision.Records]);
        }
    }

    [Theory]
    [InlineData(1, 6)]
    [InlineData(2, 7)]
    public void A_broker_that_is_not_registered_or_was_replaced_gets_no_producer_ids(int broker, long epoch)
    {
        var decision = AllocateProducerIdsDecision.Decide(
            Images.Of(Images.Broker(1, epoch: 7)), new AllocateProducerIdsRequest { BrokerId = broker, BrokerEpoch = epoch });
        Assert.Equal(ErrorCode.StaleBrokerEpoch, ((AllocateProducerIdsResponse)decision.Response).ErrorCode);
        Assert.Empty(decision.Records);
    }

    private static BrokerRegistrationRequest Request(string host = "node1", ushort port = 4053) => new()
    {
        BrokerId = 1,
        ClusterId = "cluster",
        IncarnationId = Images.Orders,
        Rack = "a",
        LogDirs = [Images.Payments],
        Listeners = [new() { Name = "PLAINTEXT", Host = "node1", Port = 9092 }, new() { Name = BrokerEndPoint.ClusterListener, Host = host, Port = port }],
        Features = [new() { Name = "metadata.version", MinSupportedVersion = 7, MaxSupportedVersion = 30 }, new() { Name = Features.EligibleLeadersName, MaxSupportedVersion = 1 }],
    };

    private static Decision Register(MetadataImage image, BrokerRegistrationRequest request) =>
        RegisterBrokerDecision.Decide(image, request, Decisions.Context(), nextOffset: 42, "cluster");

    /// <summary>Brokers 1 to 3, and three partitions: two with all of them, one that broker 1 holds alone.</summary>
    private static MetadataImage ThreeBrokers() => Images.WithBrokers((1, null), (2, null), (3, null)).Apply(
        Images.Topic("orders", Images.Orders),
        Images.Partition(Images.Orders, 0, 1, 2, 3), Images.Partition(Images.Orders, 1, 2, 3, 1), Images.Partition(Images.Orders, 2, 1));

    private static (bool IsCaughtUp, bool IsFenced) Beat(ref MetadataImage image, BrokerHeartbeatRequest request)
    {
        request.BrokerEpoch = image.Brokers[request.BrokerId].Epoch;
        var decision = BrokerHeartbeatDecision.Decide(image, request, Decisions.Context());
        var response = (BrokerHeartbeatResponse)decision.Response;
        Assert.Equal(ErrorCode.None, response.ErrorCode);
        image = image.Apply([.. decision.Records]);
        return (response.IsCaughtUp, response.IsFenced);
    }

    private static IEnumerable<(int Leader, int Epoch, string Isr)> Leaders(MetadataImage image) =>
        image.FindTopic("orders")!.Partitions.Select(partition => (partition.Leader, partition.LeaderEpoch, string.Join(',', partition.Isr)));

    private static BrokerRegistrationResponse Response(Decision decision) => (BrokerRegistrationResponse)decision.Response;
}
