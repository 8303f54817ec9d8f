using System.Collections.Immutable;
using Milena.Model;

namespace Milena.Storage;

public sealed partial class Log
{
    /// <summary>Bytes of the log from the batch that holds <paramref name="offset"/>, out of one segment; lock-free, safe on any thread.</summary>
    /// <param name="maxOffsetExclusive">No batch from this offset on is returned: the high watermark, the last stable or the log end offset.</param>
    /// <param name="maxBytes">The last batch may be cut to fit; clients expect it.</param>
    /// <param name="atLeastOneBatch">Return the first batch whole, though it is larger than <paramref name="maxBytes"/> (KIP-74).</param>
    /// <returns>Null without bytes; <see cref="LogReadInfo.Error"/> then is <see cref="ErrorCode.OffsetOutOfRange"/>, none,
    /// or <see cref="ErrorCode.NotLeaderOrFollower"/> when the log was closed meanwhile.</returns>
    public LogSlice? Read(long offset, long maxOffsetExclusive, int maxBytes, bool atLeastOneBatch, out LogReadInfo info)
    {
        if (Volatile.Read(ref _closed))
        {
            info = new LogReadInfo(ErrorCode.NotLeaderOrFollower, new LogPosition(offset, -1, -1), 0, LogStartOffset, LogEndOffset);
            return null;
        }
        if (Failure is LogIOException failure) throw failure;
        try
        {
            return ReadUnguarded(offset, maxOffsetExclusive, maxBytes, atLeastOneBatch, out info);
        }
        catch (Exception error) when (error.IsDiskError())
        {
            throw Fail(error);
        }
    }

    /// <summary>Bytes between two offsets, counted up to <paramref name="limit"/>: for a fetch that waits for <c>min.bytes</c>.</summary>
    public long BytesBetween(long offset, long maxOffsetExclusive, long limit = long.MaxValue)
    {
        long bytes = 0;
        while (offset < maxOffsetExclusive && bytes < limit)
        {
            using var slice = Read(offset, maxOffsetExclusive, int.MaxValue, atLeastOneBatch: true, out var info);
            if (slice is null) break;
            bytes += slice.Length;
            offset = NextSegmentBase(info.Start.SegmentBaseOffset) ?? maxOffsetExclusive;
        }
        return bytes;
    }

    /// <summary>The aborted transactions that a READ_COMMITTED reader of these offsets has to skip.</summary>
    public ImmutableArray<AbortedTransaction> AbortedTransactions(long fromOffset, long toExclusive)
    {
        var found = ImmutableArray.CreateBuilder<AbortedTransaction>();
        var segments = Segments;
        for (var i = FloorSegment(segments, fromOffset); i < segments.Length; i++)
        {
            foreach (var aborted in segments[i].Transactions.Entries)
            {
                if (aborted.LastOffset >= fromOffset && aborted.FirstOffset < toExclusive) found.Add(aborted);
                // Below its last stable offset nothing was open, so later markers begin above the range.
                if (aborted.LastStableOffset >= toExclusive) return found.ToImmutable();
            }
        }
        return found.ToImmutable();
    }

    private LogSlice? ReadUnguarded(long offset, long maxOffsetExclusive, int maxBytes, bool atLeastOneBatch, out LogReadInfo info)
    {
        while (true)
        {
            var segments = Segments;
            var startOffset = LogStartOffset;
            // Sizes before the end offset; see Publish.
            var activeSize = segments[^1].Size;
            var endOffset = LogEndOffset;
            var inRange = offset >= startOffset && offset <= endOffset;
            info = new LogReadInfo(
                inRange ? ErrorCode.None : ErrorCode.OffsetOutOfRange, new LogPosition(offset, -1, -1), 0, startOffset, endOffset);
            var max = Math.Min(maxOffsetExclusive, endOffset);
            if (!inRange || offset >= max) return null;
            var retry = false;
            for (var i = FloorSegment(segments, offset); i < segments.Length; i++)
            {
                var segment = segments[i];
                if (segment.BaseOffset >= max) return null;
                if (!segment.TryAcquire())
                {
                    // Retention took it between the two steps: the list, and perhaps the log's start, have changed.
                    retry = true;
                    break;
                }
                var limit = i < segments.Length - 1 ? segments[i + 1].BaseOffset : endOffset;
                var end = i < segments.Length - 1 ? segment.Size : activeSize;
                LogSlice? slice = null;
                try
                {
                    slice = SliceOf(segment, offset, max, max >= limit, end, maxBytes, atLeastOneBatch, ref info);
                    if (slice is not null) return slice;
                }
                finally
                {
                    if (slice is null) Release(segment);
                }
            }
            if (!retry || ReferenceEquals(segments, Segments)) return null;
        }
    }

    // The segment is held; a slice takes that hold over.
    private LogSlice? SliceOf(
        Segment segment, long offset, long max, bool all, int end, int maxBytes, bool atLeastOneBatch, ref LogReadInfo info)
    {
        if (!segment.TryLocate(offset, end, out var position, out var header) || header.BaseOffset >= max) return null;
        if (!all) segment.TryLocate(max, end, out end, out _);
        info = info with
        {
            Start = new LogPosition(header.BaseOffset, segment.BaseOffset, position),
            FirstBatchBytes = header.SizeInBytes,
        };
        var wanted = Math.Min(end - position, atLeastOneBatch ? Math.Max(maxBytes, header.SizeInBytes) : maxBytes);
        return wanted > 0 ? new LogSlice(this, segment, position, wanted) : null;
    }

    private long? NextSegmentBase(long baseOffset)
    {
        foreach (var segment in Segments)
        {
            if (segment.BaseOffset > baseOffset) return segment.BaseOffset;
        }
        return null;
    }

    private static int FloorSegment(Segment[] segments, long offset)
    {
        int low = 0, high = segments.Length - 1;
        while (low <= high)
        {
            var middle = (low + high) >>> 1;
            if (segments[middle].BaseOffset <= offset) low = middle + 1;
            else high = middle - 1;
        }
        return Math.Max(high, 0);
    }
}
