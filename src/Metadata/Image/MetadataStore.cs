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
    private long _told = -1;
    private MetadataImage _current = MetadataImage.Empty;
    private readonly Lock _waitingLock = new();
    private readonly PriorityQueue<TaskCompletionSource, long> _waiting = new();
    private ImmutableList<Action<ImageChange>> _observers = [];

    public MetadataImage Current => Volatile.Read(ref _current);

    /// <summary>Calls <paramref name="observer"/> after each change, in order, on the log's thread: it must hand over and return.</summary>
    public void Observe(Action<ImageChange> observer) => ImmutableInterlocked.Update(ref _observers, list => list.Add(observer));

    /// <summary>Completes when the metadata up to an offset is applied here, and all observers have been told.</summary>
    public Task WhenAppliedAsync(long offset)
    {
        lock (_waitingLock)
        {
            if (_told >= offset)
            {
                return Task.CompletedTask;
            }

            var applied = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _waiting.Enqueue(applied, offset);
            return applied.Task;
        }
    }

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

        Tell(image.Offset);
    }

    private void Tell(long offset)
    {
        lock (_waitingLock)
        {
            _told = offset;
            while (_waiting.TryPeek(out var next, out var wanted) && wanted <= offset)
            {
                _waiting.Dequeue();
                next.SetResult();
            }
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
