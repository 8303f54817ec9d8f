using System.Buffers;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging;
using Milena.Model;

namespace Milena.Storage;

internal sealed record LoadedLog(
    IReadOnlyList<Segment> Segments,
    ProducerStates Producers,
    LeaderEpochs LeaderEpochs,
    long LogStartOffset,
    long LogEndOffset,
    long RecoveryPoint,
    RecoveryReport Report);

/// <summary>Opens a partition's folder: tidies what an interrupted process left, checks what a crash may have torn, rebuilds the rest.</summary>
/// <remarks>
/// After a clean shutdown only the tail behind the last index entry is read. After any other, every batch from the segment of the recovery
/// point on is checked by its CRC; at the first bad one the log ends, and what follows is deleted and reported.
/// </remarks>
internal sealed class LogLoader(string folder, LogSettings settings, LogEnvironment environment, LogRecovery recovery)
{
    private readonly IDisk _disk = environment.Disk;
    private readonly List<Segment> _segments = [];
    private readonly List<Segment> _rebuilt = [];
    private readonly ProducerStates _producers = new();
    private LeaderEpochs _epochs = null!;
    private bool _epochsDamaged;
    private bool _epochsChanged;
    private bool _producersLoaded;
    private RecoveryReport _report = new();

    public LoadedLog Load()
    {
        _disk.CreateFolder(folder);
        FolderTidying.Run(_disk, folder);
        _epochs = LeaderEpochs.Open(_disk, folder, out _epochsDamaged);
        if (_epochsDamaged) StorageEvents.Unreadable(environment.Logger, Path.Combine(folder, LogFiles.LeaderEpochs));
        FindSegments();
        var logEndOffset = RecoverSegments();
        var logStartOffset = Math.Max(recovery.LogStartOffset, _segments.Count > 0 ? _segments[0].BaseOffset : 0);
        if (_segments.Count == 0 || logEndOffset < logStartOffset)
        {
            StartEmptyAt(logStartOffset);
            logEndOffset = logStartOffset;
        }
        if (_epochsDamaged || (_epochs.Latest is null && logEndOffset > logStartOffset)) RebuildEpochs();
        else if (_epochsChanged) _epochs.Write(sync: false);
        _epochs.TruncateFromEnd(logEndOffset);
        _epochs.TruncateFromStart(logStartOffset);
        var producersAreThere = _producersLoaded && _producers.EndOffset <= logEndOffset;
        new ProducerRebuild(environment, folder, _segments, _producers).Run(logEndOffset, force: !producersAreThere);
        _producers.OnLogStart(logStartOffset);
        _producers.Expire(environment.NowMs, settings.ProducerIdExpirationMs);
        DeleteSnapshotsAbove(logEndOffset);
        foreach (var segment in _segments[..^1]) segment.Seal(trim: false);
        _segments[^1].MakeWritable();
        SyncRebuilt();
        return new LoadedLog(_segments, _producers, _epochs, logStartOffset, logEndOffset, RecoveryPoint: logEndOffset, _report);
    }

    /// <summary>Closes what a failed <see cref="Load"/> had opened.</summary>
    public void Abandon()
    {
        foreach (var segment in _segments) segment.Release();
        _segments.Clear();
    }

    // Before anything is appended: the checkpointed recovery point vouches for files that were just replaced. All below it was durable,
    // and all above it was checked, so that afterwards the whole log is.
    private void SyncRebuilt()
    {
        if (_rebuilt.Count == 0) return;
        foreach (var segment in _rebuilt.Where(_segments.Contains)) segment.Sync();
        _epochs.Sync();
        _disk.SyncFolder(folder);
    }

    private void FindSegments()
    {
        var bases = new List<long>();
        foreach (var path in _disk.Files(folder))
        {
            if (LogFiles.TryParse(path, LogFiles.LogSuffix, out var baseOffset)) bases.Add(baseOffset);
        }
        bases.Sort();
        foreach (var baseOffset in bases)
        {
            var segment = new Segment(_disk, folder, baseOffset, environment.NowMs);
            // A file beyond 2 GiB is none that this or any broker writes; its excess is cut like a torn tail.
            segment.Publish((int)Math.Min(int.MaxValue, _disk.FileLength(segment.Path)));
            _segments.Add(segment);
        }
    }

    /// <returns>The log end offset.</returns>
    private long RecoverSegments()
    {
        var firstUnchecked = recovery.CleanShutdown ? _segments.Count : FirstSegmentToCheck();
        var logEndOffset = _segments.Count > 0 ? _segments[0].BaseOffset : 0;
        for (var i = 0; i < _segments.Count; i++)
        {
            var segment = _segments[i];
            var last = i == _segments.Count - 1;
            var lastUnchecked = i == firstUnchecked - 1;
            if (i < firstUnchecked && TryOpen(segment, readTail: lastUnchecked, out logEndOffset))
            {
                if (lastUnchecked && !last) CloseTimes(segment);
                continue;
            }
            var checkBatches = i >= firstUnchecked || last;
            if (i == firstUnchecked) StartCheckingAt(segment);
            var limit = last ? long.MaxValue : _segments[i + 1].BaseOffset;
            var intact = Rebuild(segment, checkBatches, replay: i >= firstUnchecked, limit, out logEndOffset);
            if (intact && !EndsTooEarly(i, checkBatches, logEndOffset)) continue;
            // What follows a cut was appended after what is gone: none of it may stay.
            DeleteSegmentsAfter(i);
            break;
        }
        return logEndOffset;
    }

    // Snapshots and epochs from here on were noted of records that a crash may have taken away, or replaced by those that a truncation
    // had taken away before: only the batches tell.
    private void StartCheckingAt(Segment segment)
    {
        _epochsChanged |= _epochs.TruncateFromEnd(segment.BaseOffset, write: false);
        DeleteSnapshotsAbove(segment.BaseOffset);
        new ProducerRebuild(environment, folder, _segments, _producers).Run(segment.BaseOffset, force: true);
        _producersLoaded = true;
    }

    private void Replay(Segment segment, in RecordBatchHeader header, int position)
    {
        if (ProducerRebuild.Apply(_producers, segment, header, position) is not { Aborted: true } aborted) return;
        segment.Transactions.Append(
            new AbortedTransaction(aborted.ProducerId, aborted.FirstOffset, aborted.LastOffset, _producers.LastStableOffset(aborted)));
    }

    private int FirstSegmentToCheck()
    {
        var index = _segments.Count - 1;
        while (index > 0 && _segments[index].BaseOffset > recovery.RecoveryPoint) index--;
        // A truncation to just where the next segment then began may be missing on the disk, in any of the files; their tails tell.
        if (index > 0 && !EndsBefore(_segments[index - 1], _segments[index].BaseOffset)) index--;
        return Math.Max(index, 0);
    }

    private static bool EndsBefore(Segment segment, long offset) =>
        TryOpen(segment, readTail: true, out var end) && end <= offset
        && (segment.Times.Count == 0 || segment.Times.Last.Offset < offset)
        && (segment.Transactions.Entries.IsEmpty || segment.Transactions.Entries[^1].LastOffset < offset);

    // A segment that was sealed at the recovery point was synced before that: the crash may have taken the closing entry of its time index.
    private void CloseTimes(Segment segment)
    {
        if (segment.LargestTimestamp <= segment.Times.Last.Timestamp) return;
        segment.MakeWritable();
        _rebuilt.Add(segment);
    }

    private static bool TryOpen(Segment segment, bool readTail, out long endOffset)
    {
        endOffset = segment.BaseOffset;
        if (!segment.Offsets.TryOpen(segment.Size) || !segment.Times.TryOpen() || !segment.Transactions.TryOpen()) return false;
        if (!readTail)
        {
            segment.ReadLargestTimestamp();
            return true;
        }
        if (segment.ReadTail() is not { } next) return false;
        endOffset = next;
        return true;
    }

    /// <summary>Builds both indexes from the batches; with <paramref name="replay"/> the transaction index and the producers too.</summary>
    /// <returns>False when the segment was cut.</returns>
    [SkipLocalsInit]
    private bool Rebuild(Segment segment, bool checkBatches, bool replay, long limit, out long endOffset)
    {
        _report = checkBatches
            ? _report with { SegmentsChecked = _report.SegmentsChecked + 1 }
            : _report with { IndexesRebuilt = _report.IndexesRebuilt + 1 };
        _rebuilt.Add(segment);
        segment.ResetIndexes();
        if (replay) segment.Transactions.TruncateTo(0);
        else if (!segment.Transactions.TryOpen()) segment.Transactions.TruncateTo(0);

        Span<byte> buffer = stackalloc byte[BatchScanner.BufferBytes];
        var scanner = new BatchScanner(segment.File, 0, segment.Size, buffer);
        endOffset = segment.BaseOffset;
        var valid = 0;
        var epoch = replay ? _epochs.Latest ?? int.MinValue : int.MinValue;
        string? fault = null;
        while (fault is null && scanner.MoveNext())
        {
            var header = scanner.Header;
            if (header.NextOffset > limit) return CutOverlap(segment, valid, endOffset);
            fault = FaultOf(segment, header, scanner.Position, endOffset, epoch, checkBatches);
            if (fault is not null) break;
            segment.Index(header, scanner.Position, settings.IndexIntervalBytes);
            _epochsChanged |= _epochs.Assign(header.LeaderEpoch, header.BaseOffset, write: false);
            if (replay) Replay(segment, header, scanner.Position);
            endOffset = header.NextOffset;
            epoch = header.LeaderEpoch;
            valid = scanner.Next;
        }
        if (scanner.Damaged) fault = "bytes that are no whole batch";
        if (fault is null) return true;
        Cut(segment, valid, endOffset, fault);
        return false;
    }

    // A truncation that did not reach the disk: what it took away stands again below the segment that was begun after it.
    private bool CutOverlap(Segment segment, int valid, long endOffset)
    {
        Cut(segment, valid, endOffset, "records that the next segment replaces");
        return true;
    }

    // Writes reach the disk in any order: the segment's tail may be missing where the next segment is there. Compaction leaves such gaps too.
    private bool EndsTooEarly(int index, bool checkedBatches, long endOffset)
    {
        if (!checkedBatches || index == _segments.Count - 1 || settings.CleanupPolicy.HasFlag(CleanupPolicies.Compact)) return false;
        if (_segments[index + 1].BaseOffset == endOffset) return false;
        Cut(_segments[index], _segments[index].Size, endOffset, "a gap before the next segment");
        return true;
    }

    private void Cut(Segment segment, int valid, long endOffset, string reason)
    {
        _report = _report with
        {
            BytesCut = _report.BytesCut + segment.Size - valid,
            CutAtOffset = endOffset,
            CutReason = $"{reason} at position {valid} of {Path.GetFileName(segment.Path)}",
        };
        segment.Publish(valid);
        segment.CutToSize();
        segment.Transactions.TruncateTo(endOffset);
        segment.File.Sync();
    }

    private static string? FaultOf(Segment segment, in RecordBatchHeader header, int position, long expected, int epoch, bool checkCrc)
    {
        if (header.BaseOffset < expected || !segment.CanHold(header.LastOffset)) return $"a batch with the offset {header.BaseOffset}";
        if (!checkCrc) return null;
        // Epochs only ascend. Where they do not, a truncation did not reach the disk, and the old leader's records show up again behind the new's.
        if (header.LeaderEpoch < epoch) return $"a batch of the earlier leader epoch {header.LeaderEpoch}";
        var bytes = ArrayPool<byte>.Shared.Rent(header.SizeInBytes);
        try
        {
            var batch = bytes.AsSpan(0, header.SizeInBytes);
            if (segment.File.Read(position, batch) != batch.Length) return "a batch that ends too early";
            return RecordBatchHeader.ComputeCrc(batch) == header.Crc ? null : "a batch with a wrong CRC";
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(bytes);
        }
    }

    private void DeleteSegmentsAfter(int index)
    {
        foreach (var segment in _segments[(index + 1)..])
        {
            _report = _report with { BytesCut = _report.BytesCut + segment.Size, SegmentsDeleted = _report.SegmentsDeleted + 1 };
            segment.Condemn();
            segment.Release();
        }
        _segments.RemoveRange(index + 1, _segments.Count - index - 1);
    }

    private void StartEmptyAt(long offset)
    {
        DeleteSegmentsAfter(-1);
        var segment = new Segment(_disk, folder, offset, environment.NowMs);
        segment.ResetIndexes();
        segment.Transactions.TruncateTo(0);
        segment.File.SetLength(settings.Preallocate ? settings.SegmentBytes : 0);
        _segments.Add(segment);
        DeleteSnapshotsAbove(-1);
        _epochs.Clear();
        _epochsDamaged = false;
        _producers.Clear(offset);
        _producersLoaded = true;
    }

    [SkipLocalsInit]
    private void RebuildEpochs()
    {
        Span<byte> buffer = stackalloc byte[BatchScanner.BufferBytes];
        _epochs.Clear();
        foreach (var segment in _segments)
        {
            var scanner = new BatchScanner(segment.File, 0, segment.Size, buffer);
            while (scanner.MoveNext()) _epochs.Assign(scanner.Header.LeaderEpoch, scanner.Header.BaseOffset, write: false);
        }
        _epochs.Write(sync: false);
    }

    private void DeleteSnapshotsAbove(long offset)
    {
        foreach (var path in _disk.Files(folder))
        {
            if (LogFiles.TryParse(path, LogFiles.SnapshotSuffix, out var at) && at > offset) _disk.DeleteFile(path);
        }
    }
}
