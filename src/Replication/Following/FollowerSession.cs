using Milena.Model;
using Milena.Protocol;

namespace Milena.Replication;

/// <summary>A partition among those that one fetcher follows.</summary>
internal readonly record struct FollowedKey(Guid TopicId, int Partition)
{
    public static FollowedKey Of(Replica replica) => new(replica.Id.TopicId, replica.Id.Partition);
}

/// <summary>One partition in a fetcher's hands.</summary>
/// <param name="isInSync">As the metadata says.</param>
internal sealed class FollowedPartition(Replica replica, FetchPosition position, bool isInSync)
{
    public Replica Replica { get; } = replica;

    public FollowedKey Key { get; } = FollowedKey.Of(replica);

    public FetchPosition Position { get; set; } = position;

    /// <summary>Not to be fetched before; a timestamp of the fetcher's clock.</summary>
    public long DueAt { get; set; }

    /// <summary>It lacks something that its leader had committed when it last answered; before that, it is not in sync.</summary>
    public bool IsBehind { get; set; } = !isInSync;

    /// <summary>When it last got records; a timestamp of the fetcher's clock.</summary>
    public long ServedAt { get; set; }

    /// <summary>Errors since the last success: pauses grow with them.</summary>
    public int Failures { get; set; }
}

/// <summary>What the leader was told last of a partition.</summary>
internal readonly record struct Told(FollowedPartition Followed, FetchPosition Position);

/// <summary>The follower's half of a fetch session: a request names only what has changed since the last one (KIP-227).</summary>
/// <remarks>Not thread-safe. Belongs to one connection.</remarks>
internal sealed class FollowerSession(int brokerId, ReplicationSettings settings)
{
    private readonly Dictionary<FollowedKey, Told> _told = [];
    private int _id;
    private int _epoch;

    /// <summary>The leader knows of no session: the next request has to name everything.</summary>
    public bool IsNew => _epoch == 0;

    /// <param name="changed">All partitions whose position is not what the leader was told last; all there are where the session is new.</param>
    /// <param name="gone">Those that are not to be fetched any more, whether the leader was told of them or not.</param>
    public FetchRequest Build(IReadOnlyList<FollowedPartition> changed, IReadOnlyList<FollowedKey> gone, long brokerEpoch, TimeSpan maxWait)
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
        if (IsNew)
        {
            _told.Clear();
        }

        FetchRequest.ForgottenTopic? forgotten = null;
        foreach (var key in gone)
        {
            if (_told.Remove(key))
            {
                if (forgotten is null || forgotten.TopicId != key.TopicId)
                {
                    request.ForgottenTopicsData.Add(forgotten = new() { TopicId = key.TopicId });
                }

                forgotten.Partitions.Add(key.Partition);
            }
        }

        FetchRequest.FetchTopic? topic = null;
        foreach (var followed in changed)
        {
            if (topic is null || topic.TopicId != followed.Key.TopicId)
            {
                request.Topics.Add(topic = new() { TopicId = followed.Key.TopicId });
            }

            topic.Partitions.Add(Tell(followed));
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

    /// <summary>What the leader answers for; null for what it was not asked.</summary>
    public Told? Find(FollowedKey key) => _told.TryGetValue(key, out var told) ? told : null;

    private FetchRequest.FetchPartition Tell(FollowedPartition followed)
    {
        var position = followed.Position;
        _told[followed.Key] = new Told(followed, position);
        return new()
        {
            Partition = followed.Key.Partition,
            CurrentLeaderEpoch = position.LeaderEpoch,
            FetchOffset = position.Offset,
            LastFetchedEpoch = position.LastEpoch,
            LogStartOffset = position.LogStartOffset,
            PartitionMaxBytes = settings.MaxBytesPerPartition,
        };
    }
}
