using Milena.Metadata.Image;
using Milena.Storage;

namespace Milena.Replication;

/// <summary>What the replicas of a topic are told: where each partition lies and who leads it, and what the topic's settings ask for.</summary>
public sealed record ToldTopic(TopicImage Topic, LogSettings Settings, int MinInSyncReplicas);

/// <summary>What each topic's replicas were told last, so that a change is told to those only whom it is about.</summary>
/// <remarks>Not thread-safe: it belongs to one actor.</remarks>
public sealed class ToldTopics
{
    private readonly Dictionary<Guid, ToldTopic> _topics = [];

    public IReadOnlyCollection<ToldTopic> All => _topics.Values;

    /// <returns>The partitions for which it is news: all of them where the settings are.</returns>
    public IReadOnlyList<int> Tell(ToldTopic told)
    {
        var before = _topics.GetValueOrDefault(told.Topic.Id);
        _topics[told.Topic.Id] = told;
        var all = Enumerable.Range(0, told.Topic.Partitions.Length);
        return before is null || before.MinInSyncReplicas != told.MinInSyncReplicas || before.Settings != told.Settings
            ? [.. all]
            // An image shares with the one before what has not changed.
            : [.. all.Where(index => !ReferenceEquals(before.Topic.Find(index), told.Topic.Partitions[index]))];
    }

    public void Forget(Guid topic) => _topics.Remove(topic);
}
