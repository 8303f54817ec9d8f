using System.Buffers;
using Milena.Model;

namespace Milena.Storage;

/// <summary>Walks a segment's batches at opening: finds where the valid ones end, and what the indexes and producers must know.</summary>
internal static class SegmentScan
{
    /// <param name="verify">Read every batch and check its checksum; else only the headers are looked at.</param>
    /// <returns>The size of the valid part, in bytes.</returns>
    public static int Run(
        Segment segment, bool rebuildIndexes, bool verify, int indexIntervalBytes, ProducerStates producers, out long nextOffset, out int lastEpoch)
    {
        (nextOffset, lastEpoch) = (segment.BaseOffset, -1);
        if (rebuildIndexes)
        {
            segment.Offsets.Clear();
            segment.Times.Clear();
        }

        var position = 0;
        while (segment.ReadHeader(position, segment.Size) is { } header && header.BaseOffset >= nextOffset && (!verify || IsValid(segment, position, header.Size)))
        {
            if (rebuildIndexes)
            {
                segment.Indexed(header, position, indexIntervalBytes);
            }

            producers.Appended(header);
            (nextOffset, lastEpoch) = (header.LastOffset + 1, header.LeaderEpoch);
            position += header.Size;
        }

        return position;
    }

    private static bool IsValid(Segment segment, int position, int size)
    {
        var bytes = ArrayPool<byte>.Shared.Rent(size);
        try
        {
            return segment.Read(position, bytes.AsSpan(0, size)) == size && RecordBatchHeader.HasValidCrc(bytes.AsSpan(0, size));
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(bytes);
        }
    }
}

/// <summary>Reads batches back as records, for look-ups by time and for those who replay a log.</summary>
public static class RecordSearch
{
    private const int ChunkBytes = 1024 * 1024;

    /// <summary>The whole batches from an offset on, a chunk at a time, each batch as its own bytes.</summary>
    public static IEnumerable<ReadOnlyMemory<byte>> Batches(Log log, long offset, long endOffset)
    {
        while (offset < endOffset && log.Read(offset, endOffset, ChunkBytes, atLeastOneBatch: true, out var slice) == ErrorCode.None && slice is not null)
        {
            byte[] bytes;
            using (slice)
            {
                bytes = new byte[slice.Length];
                slice.Read(0, bytes);
            }

            for (var position = 0; RecordBatchHeader.TryRead(bytes.AsSpan(position), out var header) && header.Size <= bytes.Length - position; position += header.Size)
            {
                offset = header.LastOffset + 1;
                yield return bytes.AsMemory(position, header.Size);
            }
        }
    }

    internal static (long Offset, long Timestamp)? FirstAtOrAfter(Log log, long fromOffset, long timestamp)
    {
        foreach (var batch in Batches(log, Math.Max(fromOffset, log.LogStartOffset), log.LogEndOffset))
        {
            if (RecordBatchHeader.TryRead(batch.Span, out var header) && header.MaxTimestamp >= timestamp && FirstIn(batch, header, timestamp, log.LogStartOffset) is { } found)
            {
                return found;
            }
        }

        return null;
    }

    private static (long Offset, long Timestamp)? FirstIn(ReadOnlyMemory<byte> batch, in RecordBatchHeader header, long timestamp, long logStartOffset)
    {
        if (!TryUnpack(batch, header, out var records))
        {
            return null;
        }

        var reader = new RecordReader(records.Span);
        while (!reader.IsAtEnd && reader.TryRead(out var record))
        {
            var time = header.IsLogAppendTime ? header.MaxTimestamp : header.BaseTimestamp + record.TimestampDelta;
            if (time >= timestamp && header.BaseOffset + record.OffsetDelta >= logStartOffset)
            {
                return (header.BaseOffset + record.OffsetDelta, time);
            }
        }

        return null;
    }

    /// <summary>The records section of a batch, uncompressed; false when it is corrupt.</summary>
    public static bool TryUnpack(ReadOnlyMemory<byte> batch, in RecordBatchHeader header, out ReadOnlyMemory<byte> records)
    {
        records = batch[RecordBatchHeader.Bytes..];
        if (header.Codec == CompressionCodec.None)
        {
            return true;
        }

        if (!Compression.TryDecompress(header.Codec, records, out var unpacked))
        {
            return false;
        }

        records = unpacked.GetBuffer().AsMemory(0, (int)unpacked.Length);
        return true;
    }
}
