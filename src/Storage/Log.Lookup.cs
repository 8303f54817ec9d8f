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

    /// <summary>The first record that has the largest timestamp of the log (ListOffsets -3, KIP-734); none in an empty log.</summary>
    public TimestampOffset FindMaxTimestamp() => Guarded(() =>
    {
        Segment? latest = null;
        foreach (var segment in Segments)
        {
            if (segment.LargestTimestamp > (latest?.LargestTimestamp ?? RecordBatchHeader.None)) latest = segment;
        }
        if (latest is null || !latest.TryAcquire()) return TimestampOffset.None;
        try
        {
            // The batch in which the timestamp stands may hold the record before its last one.
            return FindIn(latest, LogStartOffset, latest.LargestTimestamp, latest.OffsetOfLargestTimestamp);
        }
        finally
        {
            Release(latest);
        }
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
            if (FirstRecordAt(segment, scanner.Header, scanner.Position, fromOffset, timestampMs) is { IsFound: true } found) return found;
        }
        return TimestampOffset.None;
    }

    private static TimestampOffset FirstRecordAt(Segment segment, in RecordBatchHeader header, int position, long fromOffset, long timestampMs)
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
            if (header.Codec == CompressionCodec.None) return FirstRecordAt(records, header, fromOffset, timestampMs);
            var bound = Compression.DecompressedBound(records.Length);
            if (!Compression.TryDecompress(header.Codec, records, bound, out var unpacked, out _)) return TimestampOffset.None;
            using (unpacked) return FirstRecordAt(unpacked!.Span, header, fromOffset, timestampMs);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(bytes);
        }
    }

    private static TimestampOffset FirstRecordAt(ReadOnlySpan<byte> records, in RecordBatchHeader header, long fromOffset, long timestampMs)
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
}
