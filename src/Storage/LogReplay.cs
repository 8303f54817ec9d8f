using Milena.Model;

namespace Milena.Storage;

/// <summary>One record of a replayed log; the header is that of its batch.</summary>
public delegate void ReplayedRecord(in RecordBatchHeader header, in RecordView record);

/// <summary>Walks the records of a stretch of a log, unpacked: to rebuild a state that was written down in one.</summary>
/// <remarks>Control batches are passed over. Memory is bounded by the chunk, or by one batch where that is larger.</remarks>
public static class LogReplay
{
    private const int ChunkBytes = 1 << 20;

    /// <param name="from">The first offset wanted; records before it in the same batch are passed over.</param>
    /// <param name="toExclusive">A batch boundary, such as the log's end or its high watermark.</param>
    /// <returns>The offset after the last record seen.</returns>
    /// <exception cref="LogIOException">The disk failed.</exception>
    /// <exception cref="InvalidDataException">A batch cannot be unpacked or holds no valid records.</exception>
    public static long Run(Log log, long from, long toExclusive, ReplayedRecord onRecord)
    {
        var next = from;
        while (next < toExclusive)
        {
            using var slice = log.Read(next, toExclusive, ChunkBytes, atLeastOneBatch: true, out _);
            if (slice is null) break;
            var chunk = slice.ToArray();
            var before = next;
            next = Chunk(chunk, next, toExclusive, onRecord);
            if (next == before) break;
        }
        return next;
    }

    private static long Chunk(Span<byte> chunk, long from, long toExclusive, ReplayedRecord onRecord)
    {
        var next = from;
        while (RecordBatchHeader.TryRead(chunk, out var header) == ErrorCode.None && header.SizeInBytes <= chunk.Length)
        {
            if (header.BaseOffset >= toExclusive) break;
            if (header.LastOffset >= from)
            {
                if (!header.IsControl) Batch(chunk[..header.SizeInBytes], header, from, onRecord);
                next = header.NextOffset;
            }
            chunk = chunk[header.SizeInBytes..];
        }
        return next;
    }

    private static void Batch(ReadOnlySpan<byte> batch, in RecordBatchHeader header, long from, ReplayedRecord onRecord)
    {
        var section = batch[RecordBatchHeader.Size..];
        if (header.Codec == CompressionCodec.None)
        {
            Records(section, header, from, onRecord);
            return;
        }
        if (!Compression.TryDecompress(header.Codec, section, Compression.MaxDecompressedBound, out var unpacked, out var reason))
        {
            throw new InvalidDataException($"The batch at offset {header.BaseOffset} cannot be unpacked: {reason}");
        }
        using (unpacked) Records(unpacked!.Span, header, from, onRecord);
    }

    private static void Records(ReadOnlySpan<byte> section, in RecordBatchHeader header, long from, ReplayedRecord onRecord)
    {
        var reader = new RecordReader(section);
        while (reader.TryRead(out var record))
        {
            if (header.BaseOffset + record.OffsetDelta >= from) onRecord(header, record);
        }
        if (reader.Failed) throw new InvalidDataException($"The batch at offset {header.BaseOffset} holds a malformed record.");
    }
}
