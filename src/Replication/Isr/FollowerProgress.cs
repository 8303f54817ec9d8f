namespace Milena.Replication;

/// <summary>What a leader knows of one follower from its fetches.</summary>
internal sealed class FollowerProgress
{
    /// <summary>No fetch has come since this leader took over.</summary>
    public const long Unknown = -1;

    private long _logEndOffset = Unknown;
    private long _leaderEndAtLastFetch = Unknown;
    private long _lastFetchMs;

    /// <summary>The follower holds everything below it. Read on any thread.</summary>
    public long LogEndOffset
    {
        get => Volatile.Read(ref _logEndOffset);
        private set => Volatile.Write(ref _logEndOffset, value);
    }

    /// <summary>When it last held all that the leader had.</summary>
    public long LastCaughtUpMs { get; set; }

    /// <summary>Of the incarnation that fetched last.</summary>
    public long BrokerEpoch { get; private set; } = Unknown;

    public void Fetched(long brokerEpoch, long fetchOffset, long leaderEndOffset, long nowMs)
    {
        // It may never ask for the very end while records keep coming: what the leader had when it asked before is enough.
        if (fetchOffset >= leaderEndOffset)
        {
            LastCaughtUpMs = nowMs;
        }
        else if (_leaderEndAtLastFetch != Unknown && fetchOffset >= _leaderEndAtLastFetch)
        {
            LastCaughtUpMs = Math.Max(LastCaughtUpMs, _lastFetchMs);
        }

        (LogEndOffset, BrokerEpoch, _leaderEndAtLastFetch, _lastFetchMs) = (fetchOffset, brokerEpoch, leaderEndOffset, nowMs);
    }

    public bool IsCaughtUp(long leaderEndOffset, long nowMs, long maxLagMs) => LogEndOffset == leaderEndOffset || nowMs - LastCaughtUpMs <= maxLagMs;
}
