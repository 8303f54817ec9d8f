namespace Milena.Metadata.Quorum;

/// <summary>How far one replica has come, as the leader knows; times are UTC, in ms since 1970.</summary>
/// <param name="LogEndOffset">What it has on its disk, exclusive; -1 while unknown.</param>
/// <param name="LastFetchTimestampMs">-1 while it has not fetched from this leader.</param>
/// <param name="LastCaughtUpTimestampMs">When it last had all that the leader had; -1 while it never did.</param>
public sealed record ReplicaStatus(ReplicaKey Key, bool IsVoter, long LogEndOffset, long LastFetchTimestampMs, long LastCaughtUpTimestampMs);

/// <summary>A leader's account of its replicas: what each has on its disk, and when it last asked.</summary>
internal sealed class Leadership(int epoch, long epochStart, long sinceMs)
{
    private readonly Dictionary<ReplicaKey, Replica> _replicas = [];

    public sealed class Replica
    {
        /// <summary>A fetch from here says that all below is on the replica's disk.</summary>
        public long FetchOffset { get; set; }

        public long LastFetchMs { get; set; }

        public long? LastCaughtUpMs { get; set; }

        /// <summary>This leader's end offset when the replica last fetched: who reaches it has caught up with that moment.</summary>
        public long EndOffsetAtLastFetch { get; set; } = long.MaxValue;

        public RequestSlot Begin { get; } = new();

        /// <summary>It knows who leads, though perhaps not yet what its log has in common with the leader's.</summary>
        public bool HasFetched { get; set; }

        public bool HasAcknowledged => EndOffsetAtLastFetch != long.MaxValue;
    }

    public int Epoch => epoch;

    /// <summary>The offset of the epoch's first record. What earlier leaders appended is decided once a record from here on is.</summary>
    public long EpochStart => epochStart;

    /// <summary>All that earlier leaders decided is below the high watermark, and the node was told that it leads.</summary>
    public bool IsEstablished { get; set; }

    public IEnumerable<KeyValuePair<ReplicaKey, Replica>> Replicas => _replicas;

    public Replica? Find(ReplicaKey key) => _replicas.GetValueOrDefault(key);

    public Replica Of(ReplicaKey voter)
    {
        if (!_replicas.TryGetValue(voter, out var replica))
        {
            _replicas.Add(voter, replica = new Replica { LastFetchMs = sinceMs });
        }

        return replica;
    }

    /// <returns>False for an observer too many, which is not kept account of.</returns>
    public bool Fetched(ReplicaKey key, bool isVoter, long? ackedOffset, long endOffset, long nowMs, int maxReplicas)
    {
        if (!isVoter && !_replicas.ContainsKey(key) && _replicas.Count >= maxReplicas)
        {
            return false;
        }

        var replica = Of(key);
        if (ackedOffset is { } offset)
        {
            if (offset >= endOffset)
            {
                replica.LastCaughtUpMs = nowMs;
            }
            else if (offset >= replica.EndOffsetAtLastFetch)
            {
                replica.LastCaughtUpMs = replica.LastFetchMs;
            }

            replica.FetchOffset = Math.Max(replica.FetchOffset, offset);
            replica.EndOffsetAtLastFetch = endOffset;
        }

        (replica.LastFetchMs, replica.HasFetched) = (nowMs, true);
        return true;
    }

    /// <summary>The offset up to which a majority of the voters has everything on its disk.</summary>
    public long MajorityOffset(VoterSet voters, ReplicaKey self, long selfFlushed) => Majority(
        voters, voter => voter == self ? selfFlushed : Find(voter)?.FetchOffset ?? 0);

    /// <summary>Since when no majority has been heard from; the leader itself counts as heard.</summary>
    public long MajorityHeardMs(VoterSet voters, ReplicaKey self, long nowMs) => Majority(
        voters, voter => voter == self ? nowMs : Find(voter)?.LastFetchMs ?? sinceMs);

    public void ForgetSilent(VoterSet voters, long beforeMs)
    {
        foreach (var key in _replicas.Where(one => one.Value.LastFetchMs < beforeMs && !voters.Contains(one.Key)).Select(one => one.Key).ToList())
        {
            _replicas.Remove(key);
        }
    }

    private static long Majority(VoterSet voters, Func<ReplicaKey, long> valueOf)
    {
        var values = voters.All.Select(voter => valueOf(voter.Key)).OrderDescending().ToList();
        return values[voters.Majority - 1];
    }
}
