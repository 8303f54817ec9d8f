using Milena.Metadata.Image;
using Milena.Metadata.Snapshots;
using Milena.Protocol;

namespace Milena.Metadata.Tests.Image;

public sealed class Storing_images
{
    private readonly MetadataStore _store = new();
    private readonly List<ImageChange> _changes = [];

    public Storing_images() => _store.Observe(_changes.Add);

    [Fact]
    public void Observers_hear_of_each_change_after_it_can_be_read()
    {
        _store.Observe(change => Assert.Same(change.Image, _store.Current));
        _store.Apply([Images.Topic("orders", Images.Orders), Images.Partition(Images.Orders, 0, 1)], 1, 1, isSnapshot: false);
        _store.Apply([new RemoveTopicRecord { TopicId = Images.Orders }], 2, 1, isSnapshot: false);
        Assert.Equal([Images.Orders], _changes[0].ChangedTopics);
        Assert.Equal("orders", Assert.Single(_changes[1].DeletedTopics).Name);
        Assert.Equal(2, _store.Current.Offset);
    }

    [Fact]
    public void A_snapshot_replaces_everything_and_tells_what_went()
    {
        _store.Apply(
        [
            Images.Topic("orders", Images.Orders), Images.Partition(Images.Orders, 0, 1),
            Images.Config(ConfigResource.AllBrokers, "log.retention.ms", "5"),
        ], 2, 1, isSnapshot: false);
        var later = Images.Of(Images.Topic("payments", Images.Payments), Images.Partition(Images.Payments, 0, 1));
        _store.Apply([.. ImageRecords.Of(later)], 50, 3, isSnapshot: true);
        Assert.Equal((50, 3), (_store.Current.Offset, _store.Current.Epoch));
        Assert.Equal(later.Describe(), _store.Current.Describe());
        Assert.Equal([Images.Payments], _changes[1].ChangedTopics);
        Assert.Equal([Images.Orders], _changes[1].DeletedTopics.Select(topic => topic.Id));
        Assert.Equal([ConfigResource.AllBrokers], _changes[1].ChangedConfigs);
    }
}
