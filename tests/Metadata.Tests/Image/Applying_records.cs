using Milena.Metadata.Image;
using Milena.Metadata.Log;
using Milena.Protocol;

namespace Milena.Metadata.Tests.Image;

public sealed class Applying_records
{
    private static readonly MetadataImage OneTopic =
        Images.WithBrokers((1, "a"), (2, "b"), (3, null)).Apply(Images.Topic("orders", Images.Orders), Images.Partition(Images.Orders, 0, 1, 2, 3));

    [Fact]
    public void A_topic_is_found_by_name_and_id_with_its_partitions()
    {
        var topic = OneTopic.FindTopic("orders")!;
        Assert.Same(topic, OneTopic.FindTopic(Images.Orders));
        var partition = topic.Find(0)!;
        Assert.Equal([1, 2, 3], partition.Replicas.AsEnumerable());
        Assert.Equal([1, 2, 3], partition.Isr.AsEnumerable());
        Assert.Equal((1, 0, 0), (partition.Leader, partition.LeaderEpoch, partition.PartitionEpoch));
        Assert.Null(topic.Find(1));
        Assert.Null(topic.Find(-1));
    }

    [Fact]
    public void A_change_of_a_partition_touches_only_what_it_names_and_counts_epochs()
    {
        var shrunk = OneTopic.Apply(new PartitionChangeRecord { TopicId = Images.Orders, PartitionId = 0, Isr = [1, 2] }).FindTopic("orders")!.Find(0)!;
        Assert.Equal([1, 2], shrunk.Isr.AsEnumerable());
        Assert.Equal([1, 2, 3], shrunk.Replicas.AsEnumerable());
        Assert.Equal((1, 0, 1), (shrunk.Leader, shrunk.LeaderEpoch, shrunk.PartitionEpoch));

        var led = OneTopic.Apply(new PartitionChangeRecord { TopicId = Images.Orders, PartitionId = 0, Leader = 2 }).FindTopic("orders")!.Find(0)!;
        Assert.Equal((2, 1, 1), (led.Leader, led.LeaderEpoch, led.PartitionEpoch));
        Assert.Equal([1, 2, 3], led.Isr.AsEnumerable());
    }

    [Fact]
    public void Other_replicas_get_as_many_directories()
    {
        var moved = OneTopic.Apply(new PartitionChangeRecord { TopicId = Images.Orders, PartitionId = 0, Replicas = [1, 2, 3, 4], AddingReplicas = [4] });
        Assert.Equal(4, moved.FindTopic("orders")!.Find(0)!.Directories.Length);
    }

    [Fact]
    public void Removing_a_topic_takes_its_settings_along()
    {
        var image = OneTopic.Apply(Images.Config(ConfigResource.Topic("orders"), "retention.ms", "1"), new RemoveTopicRecord { TopicId = Images.Orders });
        Assert.Null(image.FindTopic("orders"));
        Assert.Null(image.FindTopic(Images.Orders));
        Assert.Empty(image.Configs);
    }

    [Fact]
    public void A_topic_deleted_and_made_again_in_one_delta_is_the_new_one()
    {
        var delta = new MetadataDelta(OneTopic);
        delta.Replay(new RemoveTopicRecord { TopicId = Images.Orders });
        delta.Replay(Images.Topic("orders", Images.Payments));
        delta.Replay(Images.Partition(Images.Payments, 0, 2));
        var image = delta.Apply(10, 1);
        Assert.Equal(Images.Payments, image.FindTopic("orders")!.Id);
        Assert.Null(image.FindTopic(Images.Orders));
        Assert.Equal([Images.Payments], delta.ChangedTopics);
        Assert.Equal([Images.Orders], delta.DeletedTopics.Select(topic => topic.Id));
    }

    [Fact]
    public void A_topic_changed_and_then_deleted_in_one_delta_is_gone()
    {
        var delta = new MetadataDelta(OneTopic);
        delta.Replay(Images.Partition(Images.Orders, 1, 2));
        delta.Replay(new RemoveTopicRecord { TopicId = Images.Orders });
        Assert.Empty(delta.ChangedTopics);
        Assert.Null(delta.Apply(10, 1).FindTopic("orders"));
    }

    [Fact]
    public void Settings_are_set_replaced_and_removed()
    {
        var resource = ConfigResource.Topic("orders");
        var image = OneTopic.Apply(Images.Config(resource, "a", "1"), Images.Config(resource, "b", "2"), Images.Config(resource, "a", "3"));
        Assert.Equal([new("a", "3"), new("b", "2")], image.ConfigOf(resource));
        image = image.Apply(Images.Config(resource, "a", null), Images.Config(resource, "b", null));
        Assert.Empty(image.ConfigOf(resource));
        Assert.False(image.Configs.ContainsKey(resource));
    }

    [Fact]
    public void Brokers_come_change_and_go()
    {
        Assert.Equal("a", OneTopic.Brokers[1].Rack);
        Assert.Equal(new BrokerEndPoint("PLAINTEXT", "node1", 9092, 0), OneTopic.Brokers[1].EndPoint("PLAINTEXT"));
        Assert.Equal([new FeatureRange("metadata.version", 7, 30)], OneTopic.Brokers[1].Features.AsEnumerable());
        var fenced = OneTopic.Apply(new BrokerRegistrationChangeRecord { BrokerId = 1, Fenced = 1, InControlledShutdown = 1 });
        Assert.True(fenced.Brokers[1] is { Fenced: true, InControlledShutdown: true });
        var unfenced = fenced.Apply(new BrokerRegistrationChangeRecord { BrokerId = 1, Fenced = -1, LogDirs = [Images.Orders] });
        Assert.True(unfenced.Brokers[1] is { Fenced: false, InControlledShutdown: true });
        Assert.Equal([Images.Orders], unfenced.Brokers[1].LogDirectories.AsEnumerable());
        Assert.DoesNotContain(1, unfenced.Apply(new UnregisterBrokerRecord { BrokerId = 1 }).Brokers.Keys);
    }

    [Fact]
    public void Features_and_producer_ids_hold_their_last_value()
    {
        var image = Images.Of(
            new FeatureLevelRecord { Name = "metadata.version", FeatureLevel = 20 },
            new FeatureLevelRecord { Name = "metadata.version", FeatureLevel = 30 },
            new ProducerIdsRecord { NextProducerId = 1000 },
            new ProducerIdsRecord { NextProducerId = 2000 },
            new NoOpRecord());
        Assert.Equal(((short)30, 2000L), (image.Features["metadata.version"], image.NextProducerId));
        Assert.Empty(image.Apply(new FeatureLevelRecord { Name = "metadata.version", FeatureLevel = 0 }).Features);
    }

    public static TheoryData<IMessage> Impossible => new()
    {
        Images.Topic("orders", Images.Payments),
        Images.Topic("other", Images.Orders),
        Images.Partition(Images.Payments, 0, 1),
        Images.Partition(Images.Orders, 2, 1),
        new PartitionChangeRecord { TopicId = Images.Payments, PartitionId = 0 },
        new PartitionChangeRecord { TopicId = Images.Orders, PartitionId = 1 },
        new PartitionChangeRecord { TopicId = Images.Orders },
        new RemoveTopicRecord { TopicId = Images.Payments },
        new UnregisterBrokerRecord { BrokerId = 9 },
        new BrokerRegistrationChangeRecord { BrokerId = 9 },
        new ClientQuotaRecord(),
    };

    [Theory]
    [MemberData(nameof(Impossible))]
    public void A_record_that_does_not_fit_is_refused(IMessage record) => Assert.Throws<InvalidDataException>(() => OneTopic.Apply(record));

    [Fact]
    public void A_deleted_topic_does_not_come_back_by_a_late_change()
    {
        var delta = new MetadataDelta(OneTopic);
        delta.Replay(new RemoveTopicRecord { TopicId = Images.Orders });
        Assert.Throws<InvalidDataException>(() => delta.Replay(new PartitionChangeRecord { TopicId = Images.Orders, PartitionId = 0, Leader = 2 }));
        Assert.Throws<InvalidDataException>(() => delta.Replay(new RemoveTopicRecord { TopicId = Images.Orders }));
    }

    [Fact]
    public void Unknown_types_versions_and_trailing_bytes_are_not_decoded()
    {
        var known = MetadataRecords.Encode(new NoOpRecord());
        Assert.True(MetadataRecords.TryDecode(known, out var record));
        Assert.IsType<NoOpRecord>(record);
        Assert.False(MetadataRecords.TryDecode(new byte[] { 1, 120, 0, 0 }, out _));
        Assert.False(MetadataRecords.TryDecode(new byte[] { 1, (byte)NoOpRecord.ApiKey, 9, 0 }, out _));
        Assert.False(MetadataRecords.TryDecode(new byte[] { 2, (byte)NoOpRecord.ApiKey, 0, 0 }, out _));
        Assert.False(MetadataRecords.TryDecode((byte[])[.. known, 0], out _));
        Assert.False(MetadataRecords.TryDecode(Array.Empty<byte>(), out _));
        // 65536 + 20 as a varint: a type that must not be cut down to the 20 of a NoOpRecord.
        Assert.False(MetadataRecords.TryDecode(new byte[] { 1, 0x94, 0x80, 0x04, 0, 0 }, out _));
    }

    [Fact]
    public void In_sync_and_unassigned_replicas_share_their_arrays()
    {
        var partition = OneTopic.FindTopic("orders")!.Find(0)!;
        Assert.True(partition.Isr == partition.Replicas);
        var other = OneTopic.Apply(Images.Partition(Images.Orders, 1, 3, 2, 1)).FindTopic("orders")!.Find(1)!;
        Assert.True(partition.Directories == other.Directories);
    }
}
