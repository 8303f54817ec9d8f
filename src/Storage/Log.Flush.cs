namespace Milena.Storage;

public sealed partial class Log
{
    /// <summary><c>flush.messages</c> or <c>flush.ms</c> say that it is time, or a sealed segment is not durable yet.</summary>
    public bool FlushDue
    {
        get
        {
            var settings = Settings;
            var recoveryPoint = RecoveryPoint;
            var unflushed = LogEndOffset - recoveryPoint;
            if (unflushed <= 0) return false;
            return unflushed >= settings.FlushMessages
                || _environment.NowMs - Volatile.Read(ref _lastFlushMs) >= settings.FlushMs
                || recoveryPoint < Segments[^1].BaseOffset;
        }
    }

    /// <summary>Makes everything below <paramref name="upToOffset"/> durable and moves the recovery point there. Blocks for the disk: call it on
    /// a thread of your own, beside the writer if you like.</summary>
    /// <returns>The recovery point.</returns>
    public long Flush(long upToOffset = long.MaxValue)
    {
        ThrowIfUnusable();
        try
        {
            FlushNow(upToOffset);
            return RecoveryPoint;
        }
        catch (Exception error) when (error.IsDiskError())
        {
            throw Fail(error);
        }
    }

    /// <returns>False when there was nothing to flush.</returns>
    private bool FlushNow(long upToOffset)
    {
        var truncations = Volatile.Read(ref _truncations);
        var target = Math.Min(upToOffset, LogEndOffset);
        var from = RecoveryPoint;
        // A truncation has to reach the disk too, though it leaves nothing above the recovery point.
        if (target <= from && truncations == Volatile.Read(ref _syncedTruncations)) return false;
        SyncSegments(from, target);
        LeaderEpochs.Sync();
        _environment.Disk.SyncFolder(Folder);
        Volatile.Write(ref _lastFlushMs, _environment.NowMs);
        lock (_recoveryPointLock)
        {
            Volatile.Write(ref _syncedTruncations, truncations);
            // A truncation meanwhile may have replaced what was synced.
            if (truncations == _truncations) Volatile.Write(ref _recoveryPoint, Math.Max(_recoveryPoint, target));
        }
        return true;
    }

    private void SyncSegments(long from, long to)
    {
        var segments = Segments;
        // From the segment before, whose end a truncation may have moved.
        for (var i = FloorSegment(segments, from - 1); i < segments.Length && segments[i].BaseOffset <= to; i++)
        {
            if (!segments[i].TryAcquire()) continue;
            try
            {
                segments[i].Sync();
                SyncSnapshot(segments[i].BaseOffset);
            }
            finally
            {
                Release(segments[i]);
            }
        }
    }

    private void SyncSnapshot(long offset)
    {
        var path = LogFiles.Path(Folder, offset, LogFiles.SnapshotSuffix);
        if (!_environment.Disk.FileExists(path)) return;
        try
        {
            using var file = _environment.Disk.Open(path, FileOpening.Existing);
            file.Sync();
        }
        catch (FileNotFoundException)
        {
            // Retention deleted it meanwhile, with the records that it stood for.
        }
    }

    private void LowerRecoveryPoint(long offset)
    {
        lock (_recoveryPointLock)
        {
            _truncations++;
            Volatile.Write(ref _recoveryPoint, Math.Min(_recoveryPoint, offset));
        }
    }
}
