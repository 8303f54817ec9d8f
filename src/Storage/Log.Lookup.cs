using System.Buffers;
using System.Runtime.CompilerServices;
using Milena.Model;

namespace Milena.Storage;

public sealed partial class Log
{
    /// <summary>The first record whose timestamp is at least <paramref name="timestampMs"/>, and that is below the limit.</summary>
    /// <param name="maxOffsetExclusive">The high watermark, or the last stable offset for a READ_COMMITTED client.</param>
    public TimestampOffset FindByTimestamp(long timestampMs, long maxOffsetExclusive) => Guarded(() =>
    {
        var startOffset = LogStartOffset;
        foreach (var segment in Segments)
        {
            if (segment.BaseOffset >= maxOffsetExclusive) break;
            if (segment.LargestTimestamp < timestampMs || !segment.TryAcquire()) continue;
            try
            {
                var found = FindIn(segment, startOffset, timestampMs, segment.Times.FloorOffset(timestampMs));
                if (found.IsFound) return found.Offset < maxOffsetExclusive ? found : TimestampOffset.None;
            }
            finally
            {
                Release(segment);
            }
        }
        return TimestampOffset.None;
    });

    /// <summary>The latest record from the log's start on, the first of several (ListOffsets -3, KIP-734); none in an empty log.</summary>
    /// <remarks>Kafka answers a record below the log's start when that one is the latest of its segment: an offset that nobody can read.</remarks>
    public TimestampOffset FindMaxTimestamp() => Guarded(() =>
    {
        var startOffset = LogStartOffset;
        var latest = TimestampOffset.None;
        // The first one has it, unless that record lies below the log's start: then each bounds what those after it can hold.
        foreach (var segment in Segments.OrderByDescending(segment => segment.LargestTimestamp))
        {
            if (segment.LargestTimestamp <= latest.TimestampMs) break;
            if (!segment.TryAcquire()) continue;
            try
            {
                var found = FindLatestIn(segment, startOffset);
                if (found.TimestampMs > latest.TimestampMs) latest = found;
            }
            finally
            {
                Release(segment);
            }
        }
        return latest;
    });

    /// <summary>Where <paramref name="epoch"/>, or the largest known below it, ends in this log (OffsetForLeaderEpoch).</summary>
    public EpochEnd EndOffsetForEpoch(int epoch) => LeaderEpochs.EndOf(epoch, LogEndOffset);

    // Batches are told apart by their header's maximum; only one that may hold the record is read and unpacked.
    [SkipLocalsInit]
    private static TimestampOffset FindIn(Segment segment, long fromOffset, long timestampMs, long startAt)
    {
        var end = segment.Size;
        Span<byte> buffer = stackalloc byte[BatchScanner.BufferBytes];
        var position = segment.Offsets.Floor(Math.Max(startAt, segment.BaseOffset)).Position;
        var scanner = new BatchScanner(segment.File, Math.Min(position, end), end, buffer);
        while (scanner.MoveNext())
        {
            if (scanner.Header.MaxTimestamp < timestampMs || scanner.Header.LastOffset < fromOffset) continue;
            if (Choose(FirstAt, segment, scanner.Header, scanner.Position, fromOffset, timestampMs) is { IsFound: true } found) return found;
        }
        return TimestampOffset.None;
    }

    private static TimestampOffset FindLatestIn(Segment segment, long fromOffset)
    {
        if (segment.OffsetOfLargestTimestamp < fromOffset) return SearchLatestIn(segment, fromOffset);
        // The batch in which the timestamp stands may hold the record before its last one, and so below the log's start. A batch of which
        // the indexes know and that readers do not see yet is not found either.
        var found = FindIn(segment, fromOffset, segment.LargestTimestamp, segment.OffsetOfLargestTimestamp);
        return found.IsFound ? found : SearchLatestIn(segment, fromOffset);
    }

    // The time index knows only of timestamps that are later than all before them, so every batch header behind the log's start is looked at.
    [SkipLocalsInit]
    private static TimestampOffset SearchLatestIn(Segment segment, long fromOffset)
    {
        var end = segment.Size;
        Span<byte> buffer = stackalloc byte[BatchScanner.BufferBytes];
        var position = segment.Offsets.Floor(Math.Max(fromOffset, segment.BaseOffset)).Position;
        var scanner = new BatchScanner(segment.File, Math.Min(position, end), end, buffer);
        var latest = TimestampOffset.None;
        (RecordBatchHeader Header, int Position)? batch = null;
        while (scanner.MoveNext())
        {
            if (scanner.Header.LastOffset < fromOffset) continue;
            if (scanner.Header.MaxTimestamp <= (batch?.Header.MaxTimestamp ?? latest.TimestampMs)) continue;
            // Where the log starts within a batch, its header may speak of a record below.
            if (scanner.Header.BaseOffset >= fromOffset) batch = (scanner.Header, scanner.Position);
            else latest = Choose(Latest, segment, scanner.Header, scanner.Position, fromOffset, scanner.Header.MaxTimestamp);
        }
        return batch is { } found ? Choose(FirstAt, segment, found.Header, found.Position, fromOffset, found.Header.MaxTimestamp) : latest;
    }

    private delegate TimestampOffset RecordChoice(ReadOnlySpan<byte> records, in RecordBatchHeader header, long fromOffset, long timestampMs);

    private static TimestampOffset Choose(
        RecordChoice choice, Segment segment, in RecordBatchHeader header, int position, long fromOffset, long timestampMs)
    {
        if (header.TimestampType == TimestampType.LogAppendTime)
        {
            // All records of the batch have the append time.
            return new TimestampOffset(header.MaxTimestamp, Math.Max(fromOffset, header.BaseOffset), header.LeaderEpoch);
        }
        var bytes = ArrayPool<byte>.Shared.Rent(header.SizeInBytes);
        try
        {
            var batch = bytes.AsSpan(0, header.SizeInBytes);
            if (segment.File.Read(position, batch) != batch.Length) return TimestampOffset.None;
            var records = batch[RecordBatchHeader.Size..];
            if (header.Codec == CompressionCodec.None) return choice(records, header, fromOffset, timestampMs);
            var bound = Compression.DecompressedBound(records.Length);
            if (!Compression.TryDecompress(header.Codec, records, bound, out var unpacked, out _)) return TimestampOffset.None;
            using (unpacked) return choice(unpacked!.Span, header, fromOffset, timestampMs);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(bytes);
        }
    }

    private static TimestampOffset FirstAt(ReadOnlySpan<byte> records, in RecordBatchHeader header, long fromOffset, long timestampMs)
    {
        var reader = new RecordReader(records);
        while (reader.TryRead(out var record))
        {
            var timestamp = header.BaseTimestamp + record.TimestampDelta;
            var offset = header.BaseOffset + record.OffsetDelta;
            if (timestamp >= timestampMs && offset >= fromOffset) return new TimestampOffset(timestamp, offset, header.LeaderEpoch);
        }
        return TimestampOffset.None;
    }

    private static TimestampOffset Latest(ReadOnlySpan<byte> records, in RecordBatchHeader header, long fromOffset, long maxTimestampMs)
    {
        var latest = TimestampOffset.None;
        var reader = new RecordReader(records);
        while (latest.TimestampMs < maxTimestampMs && reader.TryRead(out var record))
        {
            var timestamp = header.BaseTimestamp + record.TimestampDelta;
            var offset = header.BaseOffset + record.OffsetDelta;
            if (timestamp > latest.TimestampMs && offset >= fromOffset) latest = new TimestampOffset(timestamp, offset, header.LeaderEpoch);
        }
        return latest;
    }
}
