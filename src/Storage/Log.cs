using Milena.Model;

namespace Milena.Storage;

/// <summary>What an append did. With an error nothing was written.</summary>
/// <param name="BaseOffset">Of the earlier batch where this one is a duplicate.</param>
public readonly record struct AppendResult(ErrorCode Error, long BaseOffset, long LastOffset);

/// <summary>The log of one partition: a folder of segments, laid out as Kafka's.</summary>
/// <remarks>
/// One writer at a time calls what changes it; any number of readers read beside it without a lock. A failing disk throws
/// <see cref="LogIOException"/>, after which the log must not be used any more.
/// </remarks>
public sealed class Log : IDisposable
{
    /// <summary>The end of what may be read: an offset, and where it lies. Published as one, so that readers never see half a change.</summary>
    private sealed record End(long Offset, Segment Segment, int Position);

    private readonly LeaderEpochs _epochs;
    private readonly ProducerStates _producers = new();
    private readonly TimeProvider _time;
    private Segment[] _segments;
    private End _end;
    private long _logStartOffset;
    private long _flushedOffset;

    private Log(string folder, TopicPartition topicPartition, LogSettings settings, TimeProvider time, Segment[] segments)
    {
        (Folder, TopicPartition, Settings, _time, _segments) = (folder, topicPartition, settings, time, segments);
        _epochs = new LeaderEpochs(folder);
        _end = new End(segments[^1].BaseOffset, segments[^1], 0);
    }

    public string Folder { get; }
    public TopicPartition TopicPartition { get; }
    public LogSettings Settings { get; private set; }

    /// <summary>The first offset that is still here.</summary>
    public long LogStartOffset => Volatile.Read(ref _logStartOffset);

    /// <summary>The offset that the next record will have.</summary>
    public long LogEndOffset => Volatile.Read(ref _end).Offset;

    /// <summary>The first offset of the earliest open transaction, null while there is none. There is no transaction coordinator yet.</summary>
    public long? FirstUnstableOffset => null;

    public LeaderEpochs Epochs => _epochs;

    public long SizeInBytes => Volatile.Read(ref _segments).Sum(segment => (long)segment.Size);

    /// <summary>Bytes that were cut from the end at opening because they were no whole, valid batch.</summary>
    public int TruncatedBytes { get; private set; }

    /// <summary>Opens a partition's folder, makes it where it is not there, and recovers what a crash left.</summary>
    /// <param name="recoverFrom">Segments that hold this offset or later ones are verified batch by batch; pass the log's end after a clean stop.</param>
    public static Log Open(string folder, LogSettings settings, TimeProvider time, long recoverFrom = 0, long logStartOffset = 0)
    {
        try
        {
            Directory.CreateDirectory(folder);
            var name = Path.GetFileName(folder);
            var dash = name.LastIndexOf('-');
            var topicPartition = new TopicPartition(name[..dash], int.Parse(name.AsSpan(dash + 1), System.Globalization.CultureInfo.InvariantCulture));
            var bases = Directory.GetFiles(folder, "*.log").Select(file => long.Parse(Path.GetFileNameWithoutExtension(file), System.Globalization.CultureInfo.InvariantCulture)).Order().ToArray();
            var segments = (bases.Length == 0 ? [logStartOffset] : bases).Select(offset => Segment.Open(folder, offset)).ToArray();
            var log = new Log(folder, topicPartition, settings, time, segments);
            log.Recover(recoverFrom);
            log._logStartOffset = Math.Clamp(Math.Max(logStartOffset, log._segments[0].BaseOffset), 0, log.LogEndOffset);
            return log;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new LogIOException($"The log in {folder} cannot be opened: {e.Message}", e);
        }
    }

    public void UpdateSettings(LogSettings settings) => Settings = settings;

    /// <summary>Notes that a leader epoch begins at the log's end.</summary>
    public void AssignEpoch(int epoch, long startOffset) => Guarded(() => _epochs.Assign(epoch, startOffset));

    /// <summary>Appends one validated batch as the leader: gives it the next offset, and stamps that and the epoch into it.</summary>
    public AppendResult Append(Span<byte> batch, int leaderEpoch)
    {
        if (!RecordBatchHeader.TryRead(batch, out var header))
        {
            return new AppendResult(ErrorCode.CorruptMessage, -1, -1);
        }

        if (batch.Length > Settings.SegmentBytes)
        {
            return new AppendResult(ErrorCode.RecordListTooLarge, -1, -1);
        }

        if (_producers.Check(header, out var duplicate) is var error and not ErrorCode.None)
        {
            return new AppendResult(error, -1, -1);
        }

        if (duplicate is { } earlier)
        {
            return new AppendResult(ErrorCode.None, earlier.BaseOffset, earlier.LastOffset);
        }

        try
        {
            var offset = _end.Offset;
            RecordBatchHeader.Stamp(batch, offset, leaderEpoch);
            header = header with { BaseOffset = offset, LeaderEpoch = leaderEpoch };
            RollIfNeeded(batch.Length, header);
            var active = _segments[^1];
            active.Append(batch, header, Settings.IndexIntervalBytes);
            _producers.Appended(header);
            Volatile.Write(ref _end, new End(header.LastOffset + 1, active, active.Size));
            return new AppendResult(ErrorCode.None, offset, header.LastOffset);
        }
        catch (IOException e)
        {
            // What may have been written lies beyond the end that readers and the next opening know.
            throw new LogIOException($"{TopicPartition} cannot be appended to: {e.Message}", e);
        }
    }

    /// <summary>Finds whole batches from the one that holds <paramref name="offset"/> on, in one segment.</summary>
    /// <param name="endOffset">Exclusive: a batch that holds it, or a later one, is not returned.</param>
    /// <param name="atLeastOneBatch">The first batch is returned even when it alone exceeds <paramref name="maxBytes"/> (KIP-74).</param>
    /// <param name="slice">To be disposed by the caller; null when there is nothing to return.</param>
    public ErrorCode Read(long offset, long endOffset, int maxBytes, bool atLeastOneBatch, out LogSlice? slice)
    {
        slice = null;
        while (true)
        {
            var end = Volatile.Read(ref _end);
            var segments = Volatile.Read(ref _segments);
            if (offset < LogStartOffset || offset > end.Offset)
            {
                return ErrorCode.OffsetOutOfRange;
            }

            var index = IndexOf(segments, offset);
            if (index < 0 || !segments[index].TryAcquire())
            {
                // Retention took the segment away between the two reads.
                continue;
            }

            var (position, length) = Locate(segments, index, end, offset, endOffset, maxBytes, atLeastOneBatch);
            if (length > 0)
            {
                slice = new LogSlice(segments[index], position, length);
                return ErrorCode.None;
            }

            segments[index].Release();
            if (position < 0 && index + 1 < segments.Length && segments[index + 1].BaseOffset < endOffset)
            {
                offset = segments[index + 1].BaseOffset;
                continue;
            }

            return ErrorCode.None;
        }
    }

    /// <summary>The first record at or after a time, null when all are earlier.</summary>
    public (long Offset, long Timestamp)? FindByTimestamp(long timestamp)
    {
        foreach (var segment in Volatile.Read(ref _segments).Where(segment => segment.MaxTimestamp.Timestamp >= timestamp))
        {
            if (RecordSearch.FirstAtOrAfter(this, segment.BaseOffset, timestamp) is { } found)
            {
                return found;
            }
        }

        return null;
    }

    /// <summary>The record with the largest timestamp, the first of them where several share it; null in an empty log.</summary>
    public (long Offset, long Timestamp)? FindMaxTimestamp()
    {
        var largest = Volatile.Read(ref _segments).Max(segment => segment.MaxTimestamp.Timestamp);
        return largest < 0 ? null : FindByTimestamp(largest);
    }

    public int? EpochOf(long offset) => _epochs.EpochOf(offset);

    /// <inheritdoc cref="LeaderEpochs.EndOf"/>
    public (int Epoch, long EndOffset) EndOffsetForEpoch(int epoch) => _epochs.EndOf(epoch, LogEndOffset);

    /// <summary>Aborted transactions between two offsets: none while there is no transaction coordinator.</summary>
    public IReadOnlyList<(long ProducerId, long FirstOffset)> AbortedTransactions(long fromOffset, long endOffset) => [];

    /// <summary>Makes records below an offset unreadable, and drops the segments that hold nothing else.</summary>
    public void AdvanceLogStart(long offset) => Guarded(() =>
    {
        Volatile.Write(ref _logStartOffset, Math.Max(_logStartOffset, Math.Min(offset, LogEndOffset)));
        DropSegments(next => next.BaseOffset <= _logStartOffset);
    });

    /// <summary>Drops segments that are too old or too many bytes, never the active one and nothing at or above the high watermark.</summary>
    /// <returns>How many were dropped.</returns>
    public int DeleteExpiredSegments(long highWatermark)
    {
        if (!Settings.DeletesOldSegments)
        {
            return 0;
        }

        var now = _time.GetUtcNow().ToUnixTimeMilliseconds();
        var excess = Settings.RetentionBytes < 0 ? long.MinValue : SizeInBytes - Settings.RetentionBytes;
        var drop = 0;
        for (; drop < _segments.Length - 1 && _segments[drop + 1].BaseOffset <= highWatermark; drop++)
        {
            var tooOld = Settings.RetentionMs >= 0 && now - _segments[drop].MaxTimestamp.Timestamp > Settings.RetentionMs;
            if (!tooOld && excess < _segments[drop].Size)
            {
                break;
            }

            excess -= _segments[drop].Size;
        }

        if (drop > 0)
        {
            AdvanceLogStart(_segments[drop].BaseOffset);
        }

        _producers.Expire(now - (long)Settings.ProducerExpiry.TotalMilliseconds);
        return drop;
    }

    /// <summary>Whether <c>flush.messages</c> asks for a flush now.</summary>
    public bool FlushDue => LogEndOffset - Volatile.Read(ref _flushedOffset) >= Settings.FlushMessages;

    /// <summary>Forces what is appended to the disk. Blocks; safe beside the writer, on any thread.</summary>
    /// <returns>The offset below which everything is on the disk.</returns>
    public long Flush()
    {
        var end = Volatile.Read(ref _end);
        Guarded(() =>
        {
            foreach (var segment in Volatile.Read(ref _segments).Where(segment => segment.BaseOffset + segment.Size > _flushedOffset && segment.TryAcquire()))
            {
                segment.Flush();
                segment.Release();
            }
        });
        Volatile.Write(ref _flushedOffset, Math.Max(_flushedOffset, end.Offset));
        return end.Offset;
    }

    /// <summary>Saves the indexes and lets go of the files; the log stays as it is on the disk.</summary>
    public void Dispose()
    {
        foreach (var segment in _segments)
        {
            segment.SaveIndexes();
            segment.Flush();
            segment.Release();
        }

        _segments = [];
    }

    private static int IndexOf(Segment[] segments, long offset)
    {
        var index = segments.Length - 1;
        while (index >= 0 && segments[index].BaseOffset > offset)
        {
            index--;
        }

        return index;
    }

    /// <returns>Position -1 when the offset is behind the last batch of the segment.</returns>
    private static (int Position, int Length) Locate(
        Segment[] segments, int index, End end, long offset, long endOffset, int maxBytes, bool atLeastOneBatch)
    {
        var segment = segments[index];
        var readable = segment == end.Segment ? end.Position : segment.Size;
        var position = segment.PositionOf(offset, readable);
        if (position >= readable)
        {
            return (-1, 0);
        }

        var endsHere = endOffset < end.Offset && (index + 1 == segments.Length || endOffset < segments[index + 1].BaseOffset);
        var limit = endsHere ? segment.PositionOf(endOffset, readable) : readable;
        var first = segment.ReadHeader(position, readable)?.Size ?? 0;
        if (first > limit - position || (first > maxBytes && !atLeastOneBatch))
        {
            return (position, 0);
        }

        return (position, Math.Max(first, Math.Min(maxBytes, limit - position)));
    }

    private void RollIfNeeded(int bytes, in RecordBatchHeader header)
    {
        var active = _segments[^1];
        var age = _time.GetUtcNow().UtcDateTime - active.CreatedUtc;
        if (active.Size == 0
            || (active.Size + (long)bytes <= Settings.SegmentBytes
                && age < Settings.SegmentAge
                && active.Offsets.SizeInBytes < Settings.IndexMaxBytes
                && header.LastOffset - active.BaseOffset <= int.MaxValue))
        {
            return;
        }

        active.SaveIndexes();
        Volatile.Write(ref _segments, [.. _segments, Segment.Open(Folder, header.BaseOffset)]);
    }

    private void DropSegments(Func<Segment, bool> nextMakesItUseless)
    {
        var drop = 0;
        while (drop < _segments.Length - 1 && nextMakesItUseless(_segments[drop + 1]))
        {
            drop++;
        }

        var dropped = _segments[..drop];
        Volatile.Write(ref _segments, _segments[drop..]);
        foreach (var segment in dropped)
        {
            segment.Delete();
        }
    }

    private void Recover(long recoverFrom)
    {
        for (var index = 0; index < _segments.Length; index++)
        {
            var segment = _segments[index];
            var isActive = index == _segments.Length - 1;
            var needsCheck = isActive || _segments[index + 1].BaseOffset > recoverFrom;
            var loaded = segment.TryLoadIndexes();
            if (loaded && !needsCheck)
            {
                continue;
            }

            var verify = segment.Size > 0 && needsCheck && (!isActive || recoverFrom < long.MaxValue);
            var valid = SegmentScan.Run(segment, rebuildIndexes: !loaded || verify, verify, Settings.IndexIntervalBytes, _producers, out var nextOffset, out var epoch);
            if (valid < segment.Size)
            {
                TruncatedBytes += segment.Size - valid;
                segment.Truncate(valid);
                RemoveAfter(index);
                isActive = true;
            }

            if (epoch > _epochs.Latest && segment.Size > 0)
            {
                _epochs.Assign(epoch, segment.BaseOffset);
            }

            if (isActive)
            {
                _end = new End(nextOffset, segment, segment.Size);
                _epochs.TruncateFrom(nextOffset + 1);
                break;
            }
        }

        _flushedOffset = _end.Offset;
    }

    /// <summary>Segments behind a torn one hold nothing that anybody was promised after the tear.</summary>
    private void RemoveAfter(int index)
    {
        foreach (var later in _segments[(index + 1)..])
        {
            TruncatedBytes += later.Size;
            later.Delete();
        }

        _segments = _segments[..(index + 1)];
    }

    private void Guarded(Action action)
    {
        try
        {
            action();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new LogIOException($"{TopicPartition}: {e.Message}", e);
        }
    }
}
