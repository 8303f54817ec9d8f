using Milena.Model;
using Milena.Protocol;

namespace Milena.Replication;

/// <summary>One partition in a fetcher's hands.</summary>
internal sealed class FollowedPartition(Replica replica, FetchPosition position)
{
    public Replica Replica { get; } = replica;

    public FetchPosition Position { get; set; } = position;

    /// <summary>Not to be fetched before; a timestamp of the fetcher's clock.</summary>
    public long DueAt { get; set; }

    /// <summary>Errors since the last success: pauses grow with them.</summary>
    public int Failures { get; set; }
}

/// <summary>The follower's half of a fetch session: a request names only what has changed since the last one (KIP-227).</summary>
/// <remarks>Not thread-safe. Belongs to one connection.</remarks>
internal sealed class FollowerSession(int brokerId, ReplicationSettings settings)
{
    private readonly Dictionary<(Guid TopicId, int Partition), FetchPosition> _told = [];
    private int _id;
    private int _epoch;

    /// <param name="wanted">All partitions that are to be fetched now; what the session holds beyond them is dropped from it.</param>
    public FetchRequest Build(IReadOnlyDictionary<(Guid TopicId, int Partition), FollowedPartition> wanted, long brokerEpoch, TimeSpan maxWait)
    {
        var request = new FetchRequest
        {
            ReplicaState = new() { ReplicaId = brokerId, ReplicaEpoch = brokerEpoch },
            MaxWaitMs = (int)maxWait.TotalMilliseconds,
            MinBytes = settings.MinBytes,
            MaxBytes = settings.MaxBytes,
            SessionId = _id,
            SessionEpoch = _epoch,
        };
        if (_epoch == 0)
        {
            _told.Clear();
        }

        foreach (var gone in _told.Keys.Where(key => !wanted.ContainsKey(key)).GroupBy(key => key.TopicId).ToList())
        {
            request.ForgottenTopicsData.Add(new() { TopicId = gone.Key, Partitions = [.. gone.Select(key => key.Partition)] });
            foreach (var key in gone)
            {
                _told.Remove(key);
            }
        }

        foreach (var topic in wanted.Where(one => !_told.TryGetValue(one.Key, out var told) || told != one.Value.Position).GroupBy(one => one.Key.TopicId))
        {
            request.Topics.Add(new() { TopicId = topic.Key, Partitions = [.. topic.Select(one => Tell(one.Key, one.Value.Position))] });
        }

        return request;
    }

    /// <returns>What the answer says of the session; with an error the next request begins a new one.</returns>
    public ErrorCode Take(FetchResponse response)
    {
        if (response.ErrorCode != ErrorCode.None)
        {
            (_id, _epoch) = (0, 0);
            return response.ErrorCode;
        }

        // A leader that has no place for a session answers with none, and is sent everything each time.
        (_id, _epoch) = response.SessionId == 0 ? (0, 0) : (response.SessionId, _epoch == int.MaxValue ? 1 : _epoch + 1);
        return ErrorCode.None;
    }

    private FetchRequest.FetchPartition Tell((Guid TopicId, int Partition) key, FetchPosition position)
    {
        _told[key] = position;
        return new()
        {
            Partition = key.Partition,
            CurrentLeaderEpoch = position.LeaderEpoch,
            FetchOffset = position.Offset,
            LastFetchedEpoch = position.LastEpoch,
            LogStartOffset = position.LogStartOffset,
            PartitionMaxBytes = settings.MaxBytesPerPartition,
        };
    }
}
