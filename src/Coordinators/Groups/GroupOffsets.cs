using System.Diagnostics.CodeAnalysis;

namespace Milena.Coordinators.Groups;

/// <summary>What a group committed for one partition.</summary>
/// <param name="Offset">The next offset that the group will read.</param>
/// <param name="LeaderEpoch">The epoch of the record before it, -1 where the client did not say.</param>
/// <param name="CommitTimestampMs">UTC milliseconds since 1970, as is <paramref name="ExpireTimestampMs"/>.</param>
/// <param name="ExpireTimestampMs">Null where retention is the broker's affair; only versions 2 to 4 can ask for a retention time.</param>
/// <param name="TopicId">All zero where it was not known.</param>
internal readonly record struct CommittedOffset(
    long Offset, int LeaderEpoch, string Metadata, long CommitTimestampMs, long? ExpireTimestampMs, Guid TopicId);

/// <summary>The offsets of one group, by topic and partition.</summary>
internal sealed class GroupOffsets
{
    private readonly SortedDictionary<string, SortedDictionary<int, CommittedOffset>> _topics = new(StringComparer.Ordinal);

    public bool IsEmpty => _topics.Count == 0;

    /// <summary>Topics and partitions in ascending order.</summary>
    public IReadOnlyDictionary<string, SortedDictionary<int, CommittedOffset>> Topics => _topics;

    public bool TryGet(string topic, int partition, out CommittedOffset committed)
    {
        committed = default;
        return _topics.TryGetValue(topic, out var partitions) && partitions.TryGetValue(partition, out committed);
    }

    public bool TryGetTopic(string topic, [NotNullWhen(true)] out SortedDictionary<int, CommittedOffset>? partitions) =>
        _topics.TryGetValue(topic, out partitions);

    public void Set(string topic, int partition, in CommittedOffset committed)
    {
        if (!_topics.TryGetValue(topic, out var partitions))
        {
            _topics.Add(topic, partitions = []);
        }

        partitions[partition] = committed;
    }

    public void Remove(string topic, int partition)
    {
        if (_topics.TryGetValue(topic, out var partitions) && partitions.Remove(partition) && partitions.Count == 0)
        {
            _topics.Remove(topic);
        }
    }
}
