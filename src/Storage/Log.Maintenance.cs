using Milena.Model;

namespace Milena.Storage;

public sealed partial class Log
{
    /// <summary>Drops every record from <paramref name="offset"/> on, as a follower does that diverged from its leader.</summary>
    /// <returns>True when anything was dropped.</returns>
    public bool TruncateTo(long offset)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ThrowIfUnusable();
        if (offset >= _logEndOffset)
        {
            // An epoch that this replica led without writing anything would be told to its leader again and again.
            Guarded(() => LeaderEpochs.TruncateFromEnd(_logEndOffset));
            return false;
        }
        if (offset < _segments[0].BaseOffset)
        {
            TruncateFullyAndStartAt(offset);
            return true;
        }
        Guarded(() =>
        {
            var floor = FloorSegment(_segments, offset);
            foreach (var segment in _segments[(floor + 1)..]) Condemn(segment);
            Volatile.Write(ref _segments, _segments[..(floor + 1)]);
            Active.MakeWritable();
            Active.TruncateTo(offset);
            // The offset may have lain within a batch, which went as a whole.
            var end = Active.ReadTail() ?? offset;
            EndAt(Math.Min(offset, Math.Max(end, Active.BaseOffset)));
        });
        StorageEvents.Truncated(_environment.Logger, TopicPartition, _logEndOffset);
        return true;
    }

    /// <summary>Drops everything and goes on at <paramref name="offset"/>, as a follower does that lies outside its leader's log.</summary>
    public void TruncateFullyAndStartAt(long offset)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        Guarded(() =>
        {
            var old = _segments;
            foreach (var segment in old) Condemn(segment);
            Volatile.Write(ref _logStartOffset, offset);
            Volatile.Write(ref _segments, [NewSegment(offset)]);
            DeleteSnapshots(_ => true);
            LeaderEpochs.Clear();
            EndAt(offset);
        });
        StorageEvents.Truncated(_environment.Logger, TopicPartition, offset);
    }

    /// <summary>Moves the log's start up, for DeleteRecords or as the leader says, never back; whole segments below it are deleted.</summary>
    /// <returns><see cref="ErrorCode.OffsetOutOfRange"/> when <paramref name="offset"/> is above the log end offset.</returns>
    public ErrorCode AdvanceLogStartOffset(long offset)
    {
        ThrowIfUnusable();
        if (offset > _logEndOffset) return ErrorCode.OffsetOutOfRange;
        if (offset <= _logStartOffset) return ErrorCode.None;
        Guarded(() => MoveStartTo(offset));
        return ErrorCode.None;
    }

    /// <summary>Deletes the oldest segments that <c>retention.ms</c>, <c>retention.bytes</c> or the log's start have outlived, and files whose
    /// delay is over. With an empty <c>cleanup.policy</c> only the log's start counts.</summary>
    /// <param name="highWatermark">What is not committed is not deleted.</param>
    /// <returns>Segments deleted.</returns>
    public int DeleteExpiredSegments(long highWatermark) => Guarded(() =>
    {
        var now = _environment.NowMs;
        DeleteFilesDue(now);
        var count = ExpiredSegments(now, highWatermark);
        if (count == 0) return 0;
        // The last one goes too when it is as old; records then go on in an empty one.
        if (count == _segments.Length) RollAt(_logEndOffset);
        MoveStartTo(Math.Max(_logStartOffset, _segments[count].BaseOffset));
        return count;
    });

    /// <summary>Deletes the files of segments that went <c>file.delete.delay.ms</c> ago; what a reader holds is deleted when it lets go.</summary>
    public void DeleteFilesDue() => Guarded(() => DeleteFilesDue(_environment.NowMs));

    private int ExpiredSegments(long now, long highWatermark)
    {
        var excess = _settings.RetentionBytes >= 0 ? SizeInBytes - _settings.RetentionBytes : 0;
        var deletes = _settings.CleanupPolicy.HasFlag(CleanupPolicies.Delete);
        var count = 0;
        foreach (var segment in _segments)
        {
            var last = count == _segments.Length - 1;
            var end = last ? _logEndOffset : _segments[count + 1].BaseOffset;
            if (end > highWatermark || (last && segment.Size == 0)) break;
            var aged = deletes && _settings.RetentionMs >= 0
                && now - segment.RetentionTimestamp(segment.CreatedMs) > _settings.RetentionMs;
            var exceeds = deletes && _settings.RetentionBytes >= 0 && excess - segment.Size >= 0;
            var below = end <= _logStartOffset && !last;
            if (!aged && !exceeds && !below) break;
            excess -= segment.Size;
            count++;
        }
        return count;
    }

    private void MoveStartTo(long offset)
    {
        Volatile.Write(ref _logStartOffset, offset);
        var gone = 0;
        while (gone < _segments.Length - 1 && _segments[gone + 1].BaseOffset <= offset) gone++;
        var old = _segments[..gone];
        if (gone > 0) Volatile.Write(ref _segments, _segments[gone..]);
        foreach (var segment in old)
        {
            Condemn(segment);
            _environment.Disk.DeleteFile(LogFiles.Path(Folder, segment.BaseOffset, LogFiles.SnapshotSuffix));
        }
        LeaderEpochs.TruncateFromStart(offset);
        _producers.OnLogStart(offset);
        PublishFirstUnstableOffset();
        LogStartMoved(offset);
        StorageEvents.StartMoved(_environment.Logger, TopicPartition, offset, gone);
    }

    private void LogStartMoved(long offset)
    {
        lock (_recoveryPointLock) Volatile.Write(ref _recoveryPoint, Math.Max(_recoveryPoint, Math.Min(offset, _logEndOffset)));
    }

    private void Condemn(Segment segment)
    {
        segment.Condemn();
        _condemned.Add((segment, _environment.NowMs + _settings.FileDeleteDelayMs));
    }

    private void DeleteFilesDue(long now)
    {
        for (var i = _condemned.Count - 1; i >= 0; i--)
        {
            if (_condemned[i].DueMs > now) continue;
            var segment = _condemned[i].Segment;
            _condemned.RemoveAt(i);
            segment.Release();
        }
    }

    private void EndAt(long offset)
    {
        Volatile.Write(ref _logEndOffset, offset);
        LowerRecoveryPoint(offset);
        if (offset < _logStartOffset) Volatile.Write(ref _logStartOffset, offset);
        LeaderEpochs.TruncateFromEnd(offset);
        DeleteSnapshots(at => at > offset);
        new ProducerRebuild(_environment, Folder, _segments, _producers).Run(offset, force: true);
        PublishFirstUnstableOffset();
    }

    private void DeleteSnapshots(Func<long, bool> which)
    {
        foreach (var path in _environment.Disk.Files(Folder))
        {
            if (LogFiles.TryParse(path, LogFiles.SnapshotSuffix, out var at) && which(at)) _environment.Disk.DeleteFile(path);
        }
    }
}
