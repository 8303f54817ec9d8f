using System.Collections.Immutable;
using Milena.Metadata.Log;
using Milena.Protocol;

namespace Milena.Metadata.Image;

/// <summary>What changed from one image to the next.</summary>
public sealed record ImageChange(MetadataImage Image, IReadOnlyCollection<Guid> ChangedTopics, IReadOnlyCollection<TopicImage> DeletedTopics, IReadOnlyCollection<ConfigResource> ChangedConfigs);

/// <summary>This node's copy of the committed metadata: applies the log, and tells those who must act on a change.</summary>
/// <remarks>Written by the metadata log's one thread; read by anybody, without a lock.</remarks>
public sealed class MetadataStore
{
    private MetadataImage _current = MetadataImage.Empty;
    private ImmutableList<Action<ImageChange>> _observers = [];

    public MetadataImage Current => Volatile.Read(ref _current);

    /// <summary>Calls <paramref name="observer"/> after each change, in order, on the log's thread: it must hand over and return.</summary>
    public void Observe(Action<ImageChange> observer) => ImmutableInterlocked.Update(ref _observers, list => list.Add(observer));

    public void Apply(IReadOnlyList<IMessage> records, long lastOffset, int epoch, bool isSnapshot)
    {
        var before = isSnapshot ? MetadataImage.Empty : _current;
        var delta = new MetadataDelta(before);
        foreach (var record in records)
        {
            delta.Replay(record);
        }

        var image = delta.Apply(lastOffset, epoch);
        var change = isSnapshot
            ? Replacing(_current, image, delta)
            : new ImageChange(image, delta.ChangedTopics, delta.DeletedTopics, delta.ChangedConfigs);
        Volatile.Write(ref _current, image);
        foreach (var observer in _observers)
        {
            observer(change);
        }
    }

    /// <summary>A snapshot says what is, and not what went: that follows from what was there before.</summary>
    private static ImageChange Replacing(MetadataImage before, MetadataImage after, MetadataDelta delta)
    {
        var deletedTopics = before.TopicsById.Values.Where(topic => after.FindTopic(topic.Id) is null).ToList();
        var deletedConfigs = before.Configs.Keys.Where(resource => !after.Configs.ContainsKey(resource));
        return new ImageChange(after, delta.ChangedTopics, deletedTopics, [.. delta.ChangedConfigs, .. deletedConfigs]);
    }
}
