using Milena.Model;

namespace Milena.Storage;

public sealed partial class Log
{
    /// <summary>Appends one validated batch as the partition's leader, stamping its base offset and leader epoch in place.</summary>
    /// <remarks>One write and a fixed amount of work, whatever the number of records; no fsync. The CRC is the caller's to check.</remarks>
    /// <returns><see cref="ErrorCode.None"/>, also for a batch that is here already; else why it was refused.</returns>
    public AppendResult Append(Span<byte> batch, int leaderEpoch, AppendOrigin origin = AppendOrigin.Client)
    {
        ThrowIfUnusable();
        if (RecordBatchHeader.TryRead(batch, out var header) != ErrorCode.None || header.SizeInBytes != batch.Length)
        {
            return AppendResult.Refuse(ErrorCode.CorruptMessage, "The bytes are not one batch.", LogStartOffset);
        }
        if (batch.Length > _settings.SegmentBytes)
        {
            var message = $"The batch of {batch.Length} bytes is larger than segment.bytes ({_settings.SegmentBytes}).";
            return AppendResult.Refuse(ErrorCode.RecordListTooLarge, message, LogStartOffset);
        }
        EndTransactionMarker? marker = header.IsControl && EndTransactionMarker.TryRead(batch, out var read) ? read : null;
        if (header.HasProducerId && CheckProducer(header, origin, marker) is { } answer) return answer;

        var baseOffset = _logEndOffset;
        RecordBatchHeader.SetBaseOffset(batch, baseOffset);
        RecordBatchHeader.SetLeaderEpoch(batch, leaderEpoch);
        header = header with { BaseOffset = baseOffset, LeaderEpoch = leaderEpoch };
        try
        {
            LeaderEpochs.Assign(leaderEpoch, baseOffset);
            RollIfNeeded(header, batch.Length);
            WriteRun(batch);
            Note(header, marker, Active.Size);
            Publish(header.NextOffset, Active.Size + batch.Length);
        }
        catch (Exception error) when (error.IsDiskError())
        {
            throw Fail(error);
        }
        var appendTime = header.TimestampType == TimestampType.LogAppendTime ? header.MaxTimestamp : RecordBatchHeader.None;
        return new AppendResult(ErrorCode.None, baseOffset, header.LastOffset, LogStartOffset, appendTime, IsDuplicate: false, null);
    }

    /// <summary>Appends whole batches as a leader sent them, offsets and epochs kept; a batch that is cut off at the end is left out.</summary>
    /// <remarks>Batches must ascend from the log end offset or above it (compaction leaves gaps), and their epochs must not descend.
    /// Nothing is appended with an error.</remarks>
    /// <param name="leaderEpoch">The epoch of the leader that sent them. A later batch, and what follows it, is left out: a leader that was
    /// deposed while its answer was on the way may by then have its successor's records in its files.</param>
    public AppendResult AppendAsFollower(ReadOnlySpan<byte> batches, int leaderEpoch = int.MaxValue)
    {
        ThrowIfUnusable();
        var whole = CheckFollowerBatches(batches, leaderEpoch, out var error, out var message);
        if (error != ErrorCode.None) return AppendResult.Refuse(error, message, LogStartOffset);
        if (whole == 0) return new AppendResult(ErrorCode.None, -1, -1, LogStartOffset, -1, IsDuplicate: false, null);
        RecordBatchHeader.TryRead(batches, out var first);
        try
        {
            AppendRuns(batches[..whole]);
        }
        catch (Exception failure) when (failure.IsDiskError())
        {
            throw Fail(failure);
        }
        return new AppendResult(ErrorCode.None, first.BaseOffset, _logEndOffset - 1, LogStartOffset, -1, IsDuplicate: false, null);
    }

    /// <summary>Seals the active segment, full or not, and starts a new one at the log end offset. Nothing happens when it is empty.</summary>
    public void Roll()
    {
        if (Active.Size > 0) Guarded(() => RollAt(_logEndOffset));
    }

    private AppendResult? CheckProducer(in RecordBatchHeader header, AppendOrigin origin, in EndTransactionMarker? marker)
    {
        var error = _producers.Check(header, origin, marker, out var duplicate, out var message);
        return error switch
        {
            ErrorCode.None => null,
            ErrorCode.DuplicateSequenceNumber => new AppendResult(
                ErrorCode.None, duplicate.FirstOffset, duplicate.LastOffset, LogStartOffset, duplicate.Timestamp, IsDuplicate: true, null),
            _ => AppendResult.Refuse(error, message, LogStartOffset),
        };
    }

    private void WriteRun(ReadOnlySpan<byte> batches)
    {
        try
        {
            Active.Write(batches);
        }
        catch (Exception error) when (error.IsDiskError())
        {
            CutFailedWrite();
            throw;
        }
    }

    // A full disk lets a file shrink. Where even that fails, the next recovery finds the torn batch and cuts it.
    private void CutFailedWrite()
    {
        try
        {
            Active.CutToSize();
        }
        catch (Exception error) when (error.IsDiskError())
        {
            StorageEvents.Failed(_environment.Logger, TopicPartition, Folder, error);
        }
    }

    private void Note(in RecordBatchHeader header, in EndTransactionMarker? marker, int position)
    {
        Active.Index(header, position, _settings.IndexIntervalBytes);
        if (!header.HasProducerId)
        {
            _producers.EndOffset = header.NextOffset;
            return;
        }
        var completed = _producers.Apply(header, marker);
        if (completed is { Aborted: true } aborted)
        {
            Active.Transactions.Append(
                new AbortedTransaction(aborted.ProducerId, aborted.FirstOffset, aborted.LastOffset, _producers.LastStableOffset(aborted)));
        }
        if (header.IsTransactional) PublishFirstUnstableOffset();
    }

    // The end offset first: a reader that takes the size and then finds the end offset unchanged below its limit knows that
    // every byte of that size lies below the limit too.
    private void Publish(long logEndOffset, int size)
    {
        Volatile.Write(ref _logEndOffset, logEndOffset);
        Active.Publish(size);
    }

    private static int CheckedSize(long logEndOffset, in RecordBatchHeader header, ReadOnlySpan<byte> batch, out string? fault)
    {
        fault = null;
        if (header.LastOffsetDelta < 0 || header.BaseOffset < logEndOffset)
        {
            fault = $"The batch at offset {header.BaseOffset} does not follow the log end offset {logEndOffset}.";
        }
        else if (RecordBatchHeader.ComputeCrc(batch) != header.Crc)
        {
            fault = $"The batch at offset {header.BaseOffset} is corrupt: its CRC does not match.";
        }
        return header.SizeInBytes;
    }

    private int CheckFollowerBatches(ReadOnlySpan<byte> batches, int leaderEpoch, out ErrorCode error, out string? message)
    {
        error = ErrorCode.None;
        message = null;
        var at = 0;
        var next = _logEndOffset;
        var epoch = LeaderEpochs.Latest ?? int.MinValue;
        while (batches.Length - at >= RecordBatchHeader.Size)
        {
            if (RecordBatchHeader.TryRead(batches[at..], out var header) != ErrorCode.None)
            {
                error = ErrorCode.CorruptMessage;
                message = $"There is no batch at byte {at}.";
                return 0;
            }
            if (header.SizeInBytes > batches.Length - at) break;
            if (header.LeaderEpoch > leaderEpoch)
            {
                if (at > 0) break;
                error = ErrorCode.UnknownLeaderEpoch;
                message = $"The batch at offset {header.BaseOffset} has epoch {header.LeaderEpoch}, and came from the leader of epoch {leaderEpoch}.";
                return 0;
            }
            var size = CheckedSize(next, header, batches.Slice(at, header.SizeInBytes), out message);
            if (message is null && header.LeaderEpoch < epoch)
            {
                message = $"The batch at offset {header.BaseOffset} has epoch {header.LeaderEpoch}, after epoch {epoch}.";
            }
            at += size;
            if (message is not null)
            {
                error = ErrorCode.CorruptMessage;
                return 0;
            }
            next = header.NextOffset;
            epoch = header.LeaderEpoch;
        }
        return at;
    }

    // Batches go out in as few writes as segment boundaries allow.
    private void AppendRuns(ReadOnlySpan<byte> batches)
    {
        int runStart = 0, at = 0;
        while (at < batches.Length)
        {
            RecordBatchHeader.TryRead(batches[at..], out var header);
            if (ShouldRoll(header, header.SizeInBytes, pendingBytes: at - runStart))
            {
                AppendRun(batches[runStart..at]);
                runStart = at;
                RollAt(header.BaseOffset);
            }
            at += header.SizeInBytes;
        }
        AppendRun(batches[runStart..]);
    }

    private void AppendRun(ReadOnlySpan<byte> run)
    {
        if (run.IsEmpty) return;
        WriteRun(run);
        var start = Active.Size;
        for (var at = 0; at < run.Length;)
        {
            RecordBatchHeader.TryRead(run[at..], out var header);
            var batch = run.Slice(at, header.SizeInBytes);
            EndTransactionMarker? marker = header.IsControl && EndTransactionMarker.TryRead(batch, out var read) ? read : null;
            LeaderEpochs.Assign(header.LeaderEpoch, header.BaseOffset);
            Note(header, marker, start + at);
            at += header.SizeInBytes;
            if (at == run.Length) Publish(header.NextOffset, start + run.Length);
        }
    }

    private void RollIfNeeded(in RecordBatchHeader header, int bytes)
    {
        if (ShouldRoll(header, bytes, pendingBytes: 0)) RollAt(header.BaseOffset);
    }

    private bool ShouldRoll(in RecordBatchHeader header, int bytes, int pendingBytes)
    {
        var active = Active;
        if (!active.CanHold(header.LastOffset)) return true;
        var size = (long)active.Size + pendingBytes;
        if (size == 0) return false;
        if (size + bytes > _settings.SegmentBytes) return true;
        if (active.Offsets.Count >= _settings.SegmentIndexBytes / OffsetIndex.EntryBytes) return true;
        // One entry is kept free for the closing one.
        if (active.Times.Count >= (_settings.SegmentIndexBytes / TimeIndex.EntryBytes) - 1) return true;
        var waited = active.FirstTimestamp is { } first && header.MaxTimestamp >= 0
            ? header.MaxTimestamp - first
            : _environment.NowMs - active.CreatedMs;
        return waited > _settings.SegmentMs - _rollJitterMs;
    }

    private void RollAt(long baseOffset)
    {
        var previous = Active;
        if (previous.Size == 0 && previous.BaseOffset == baseOffset) return;
        previous.Seal(trim: _settings.Preallocate);
        _producers.EndOffset = baseOffset;
        WriteProducerSnapshot(sync: false);
        var segment = NewSegment(baseOffset);
        // An empty segment that cannot hold the next offset is replaced rather than kept.
        Segment[] kept = previous.Size == 0 ? _segments[..^1] : _segments;
        Volatile.Write(ref _segments, [.. kept, segment]);
        if (previous.Size == 0) Condemn(previous);
        _rollJitterMs = NextRollJitter();
        StorageEvents.Rolled(_environment.Logger, TopicPartition, baseOffset);
    }

    private Segment NewSegment(long baseOffset)
    {
        var segment = new Segment(_environment.Disk, Folder, baseOffset, _environment.NowMs);
        // Whatever lies there under its name is no part of the log any more.
        segment.ResetIndexes();
        segment.Transactions.TruncateTo(0);
        segment.File.SetLength(0);
        if (_settings.Preallocate) segment.Preallocate(_settings.SegmentBytes);
        return segment;
    }
}
