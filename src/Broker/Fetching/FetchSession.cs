using Milena.Protocol;

namespace Milena.Broker.Fetching;

/// <summary>A partition as a fetch names it: by topic id from version 13, by name before.</summary>
public readonly record struct FetchPartitionKey(Guid TopicId, string Topic, int Partition);

/// <summary>What a client wants of one partition, and what it was last told of it.</summary>
public sealed class FetchPartitionState(FetchPartitionKey key)
{
    public FetchPartitionKey Key { get; } = key;
    public long FetchOffset { get; private set; }
    public int MaxBytes { get; private set; }
    public int CurrentLeaderEpoch { get; private set; } = -1;
    public int LastFetchedEpoch { get; private set; } = -1;

    /// <summary>In a follower's session: how it hears of news. Null until it was looked at where its replica was.</summary>
    public PartitionWatch? Watch { get; set; }

    /// <summary>In a follower's session: it is to be looked at. As the next one, it belongs to <see cref="ReadyPartitions"/>.</summary>
    public bool IsReady { get; set; }

    public bool IsForgotten { get; set; }

    /// <summary>In a follower's session: the last look found nothing that a later one would have to look for unasked.</summary>
    public bool IsSettled { get; set; }

    /// <summary>In a follower's session: the last look found records to send.</summary>
    public bool IsServed { get; set; }

    /// <summary>How long it has to wait from the last look on, because its leader's throttle holds it back; zero where it does not.</summary>
    public TimeSpan HeldBackFor { get; set; }

    /// <summary>The last look found that a consumer has come further than the log of a broker that hears nothing of the metadata quorum.</summary>
    public bool IsOutrun { get; set; }

    private long _toldHighWatermark = -1;
    private long _toldLogStartOffset = -1;

    public void Update(FetchRequest.FetchPartition wanted)
    {
        FetchOffset = wanted.FetchOffset;
        MaxBytes = wanted.PartitionMaxBytes;
        CurrentLeaderEpoch = wanted.CurrentLeaderEpoch;
        LastFetchedEpoch = wanted.LastFetchedEpoch;
    }

    public bool KnowsHighWatermark(long highWatermark) => _toldHighWatermark == highWatermark;

    /// <summary>Whether an incremental answer must name the partition: it has records or an error, or something the client was told has changed.</summary>
    public bool MustTell(FetchResponse.PartitionData answer)
    {
        var mustTell = !answer.Records.IsEmpty
            || answer.ErrorCode != Model.ErrorCode.None
            || answer.HighWatermark != _toldHighWatermark
            || answer.LogStartOffset != _toldLogStartOffset
            || answer.DivergingEpoch.Epoch >= 0
            || answer.PreferredReadReplica >= 0;
        // After an error the client resets its state of the partition, so next time it must be told in any case.
        (_toldHighWatermark, _toldLogStartOffset) = answer.ErrorCode == Model.ErrorCode.None
            ? (answer.HighWatermark, answer.LogStartOffset)
            : (-1, -1);
        return mustTell;
    }
}

/// <summary>The partitions that one client keeps fetching, so that its requests name only what changes (KIP-227).</summary>
/// <remarks>Not thread-safe: <see cref="FetchSessions"/> holds its lock around every call.</remarks>
/// <param name="follower">The broker whose session it is; null for a consumer's.</param>
/// <param name="nowMs">Of a clock that nobody sets.</param>
/// <param name="ready">Of a follower's session; null for a consumer's.</param>
public sealed class FetchSession(int id, bool usesTopicIds, int? follower, long nowMs, ReadyPartitions? ready)
{
    private readonly Dictionary<FetchPartitionKey, LinkedListNode<FetchPartitionState>> _byKey = [];
    private readonly LinkedList<FetchPartitionState> _inOrder = new();
    private long _allLookedAtMs = nowMs;

    /// <summary>Zero for a fetch outside any session.</summary>
    public int Id => id;

    public bool UsesTopicIds => usesTopicIds;

    public int? Follower => follower;

    /// <summary>Which of the partitions may have news; null for a consumer's session, of which all are looked at each time.</summary>
    public ReadyPartitions? Ready => ready;

    /// <summary>The epoch that the client's next request must carry.</summary>
    public int NextEpoch { get; private set; } = 1;

    public int Count => _byKey.Count;

    /// <summary>In the order in which they are to be served: those that had records last time come last.</summary>
    public IEnumerable<FetchPartitionState> Partitions => _inOrder;

    public void Update(FetchRequest request)
    {
        foreach (var topic in request.ForgottenTopicsData)
        {
            foreach (var partition in topic.Partitions)
            {
                if (_byKey.Remove(new FetchPartitionKey(topic.TopicId, topic.Topic, partition), out var node))
                {
                    _inOrder.Remove(node);
                    ready?.Forget(node.Value);
                }
            }
        }

        foreach (var topic in request.Topics)
        {
            foreach (var partition in topic.Partitions)
            {
                var key = new FetchPartitionKey(topic.TopicId, topic.Topic, partition.Partition);
                if (!_byKey.TryGetValue(key, out var node))
                {
                    node = _inOrder.AddLast(new FetchPartitionState(key));
                    _byKey.Add(key, node);
                }

                node.Value.Update(partition);
                ready?.Add(node.Value);
            }
        }
    }

    /// <summary>Has a follower's partitions looked at, all of them, if that has not been done for so long.</summary>
    public void LookAtAll(long atMs, long intervalMs)
    {
        if (ready is not null && atMs - _allLookedAtMs >= intervalMs)
        {
            _allLookedAtMs = atMs;
            foreach (var partition in _inOrder)
            {
                ready.Add(partition);
            }
        }
    }

    /// <summary>Nobody fetches in it any more.</summary>
    public void End() => ready?.End(_inOrder);

    /// <summary>The wrap goes to 1: 0 asks for a new session.</summary>
    public void Advance() => NextEpoch = NextEpoch == int.MaxValue ? 1 : NextEpoch + 1;

    /// <summary>A partition that just had records goes to the end, so that a busy one does not starve the others.</summary>
    public void ServedRecords(FetchPartitionState partition)
    {
        if (_byKey.TryGetValue(partition.Key, out var node))
        {
            _inOrder.Remove(node);
            _inOrder.AddLast(node);
        }
    }
}
