using Milena.Metadata.Controller;
using Milena.Metadata.Image;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Metadata.Tests.Controller;

public sealed class Brokers_and_producers
{
    private static readonly BrokerRegistrationRequest Request = new()
    {
        BrokerId = 1,
        ClusterId = "cluster",
        IncarnationId = Images.Orders,
        Rack = "a",
        LogDirs = [Images.Payments],
        Listeners = [new() { Name = "PLAINTEXT", Host = "node1", Port = 9092 }],
        Features = [new() { Name = "metadata.version", MinSupportedVersion = 7, MaxSupportedVersion = 30 }],
    };

    [Fact]
    public void A_broker_is_registered_with_the_records_offset_as_its_epoch()
    {
        var decision = RegisterBrokerDecision.Decide(MetadataImage.Empty, Request, nextOffset: 42, "cluster");
        Assert.Equal((ErrorCode.None, 42L), (Response(decision).ErrorCode, Response(decision).BrokerEpoch));
        var image = Images.Of([.. decision.Records]);
        var broker = image.Brokers[1];
        Assert.Equal((42L, Images.Orders, "a", false), (broker.Epoch, broker.IncarnationId, broker.Rack, broker.Fenced));
        Assert.Equal([Images.Payments], broker.LogDirectories.AsEnumerable());
        Assert.Equal(Features.MetadataVersion, image.Features["metadata.version"]);
    }

    [Fact]
    public void A_broker_of_another_cluster_is_refused()
    {
        var decision = RegisterBrokerDecision.Decide(MetadataImage.Empty, Request, 42, "another");
        Assert.Equal(ErrorCode.InconsistentClusterId, Response(decision).ErrorCode);
        Assert.Empty(decision.Records);
    }

    [Fact]
    public void A_new_incarnation_leads_again_what_it_led_and_what_nobody_leads_but_nothing_else()
    {
        var image = Images.WithBrokers((1, null), (2, null)).Apply(
            Images.Topic("orders", Images.Orders),
            Images.Partition(Images.Orders, 0, 1, 2), Images.Partition(Images.Orders, 1, 2, 1), Images.Partition(Images.Orders, 2, 1), Images.Partition(Images.Orders, 3, 2));
        image = image.Apply(new PartitionChangeRecord { TopicId = Images.Orders, PartitionId = 2, Leader = PartitionRegistration.NoLeader });
        image = image.Apply([.. RegisterBrokerDecision.Decide(image, Request, 42, "cluster").Records]);
        Assert.Equal([(1, 1), (2, 0), (1, 2), (2, 0)], image.FindTopic("orders")!.Partitions.Select(partition => (partition.Leader, partition.LeaderEpoch)));
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

    private static BrokerRegistrationResponse Response(Decision decision) => (BrokerRegistrationResponse)decision.Response;
}
