namespace Milena.Replication;

/// <summary>The leader's arithmetic for one partition: the log end offsets of its ISR, and the high watermark that follows. No I/O.</summary>
public sealed class PartitionLeader
{
    private readonly int _self;
    private readonly Dictionary<int, long> _logEndOffsets;

    /// <param name="logEndOffset">The leader's own log end offset when it took over.</param>
    /// <param name="highWatermark">The high watermark it knew then: what is below it was committed under an earlier leader.</param>
    public PartitionLeader(int self, IEnumerable<int> isr, long logEndOffset, long highWatermark)
    {
        _self = self;
        _logEndOffsets = isr.Append(self).Distinct().ToDictionary(replica => replica, replica => replica == self ? logEndOffset : highWatermark);
        HighWatermark = highWatermark;
        Advance();
    }

    /// <summary>Everything below it is on every in-sync replica. Never moves back.</summary>
    public long HighWatermark { get; private set; }

    public int InSyncReplicas => _logEndOffsets.Count;

    /// <returns>The high watermark that follows.</returns>
    public long Appended(long logEndOffset) => Moved(_self, logEndOffset);

    /// <summary>A fetch from offset N says "I hold everything below N".</summary>
    /// <returns>The high watermark that follows.</returns>
    public long Fetched(int follower, long fetchOffset) => Moved(follower, fetchOffset);

    private long Moved(int replica, long logEndOffset)
    {
        if (_logEndOffsets.ContainsKey(replica))
        {
            _logEndOffsets[replica] = logEndOffset;
            Advance();
        }

        return HighWatermark;
    }

    // The smallest log end offset in the ISR bounds what every in-sync replica holds. It never moves back: consumers may already
    // have read up to it.
    private void Advance()
    {
        var smallest = long.MaxValue;
        foreach (var logEndOffset in _logEndOffsets.Values)
        {
            smallest = Math.Min(smallest, logEndOffset);
        }

        HighWatermark = Math.Max(HighWatermark, smallest);
    }
}
