using System.Buffers.Binary;
using Milena.Model;

namespace Milena.Storage;

/// <summary>The file <c>{offset}.snapshot</c>: every producer's state as of that offset.</summary>
/// <remarks>
/// int16 version 1, uint32 CRC-32C of what follows, int32 count, then per producer: int64 id, int16 epoch, int32 last sequence, int64 last
/// offset, int32 offset delta, int64 timestamp, int32 coordinator epoch, int64 first offset of the open transaction or -1.
/// </remarks>
internal static class ProducerSnapshot
{
    public const short Version = 1;
    private const int CrcAt = 2;
    private const int CountAt = 6;
    private const int EntriesAt = 10;
    private const int EntryBytes = 46;

    public static byte[] Write(IEnumerable<ProducerState> producers)
    {
        var entries = producers.OrderBy(producer => producer.ProducerId).ToList();
        var bytes = new byte[EntriesAt + (entries.Count * EntryBytes)];
        BinaryPrimitives.WriteInt16BigEndian(bytes, Version);
        BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(CountAt), entries.Count);
        for (var i = 0; i < entries.Count; i++)
        {
            WriteEntry(bytes.AsSpan(EntriesAt + (i * EntryBytes)), entries[i]);
        }
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(CrcAt), Crc32C.Compute(bytes.AsSpan(CountAt)));
        return bytes;
    }

    /// <summary>Null when the bytes are no intact snapshot.</summary>
    public static List<ProducerState>? TryRead(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length < EntriesAt || BinaryPrimitives.ReadInt16BigEndian(bytes) != Version) return null;
        if (BinaryPrimitives.ReadUInt32BigEndian(bytes[CrcAt..]) != Crc32C.Compute(bytes[CountAt..])) return null;
        var count = BinaryPrimitives.ReadInt32BigEndian(bytes[CountAt..]);
        if (count < 0 || bytes.Length != EntriesAt + ((long)count * EntryBytes)) return null;
        var producers = new List<ProducerState>(count);
        for (var i = 0; i < count; i++) producers.Add(ReadEntry(bytes.Slice(EntriesAt + (i * EntryBytes), EntryBytes)));
        return producers;
    }

    private static void WriteEntry(Span<byte> entry, ProducerState producer)
    {
        var last = producer.LastBatch ?? new ProducerBatch(RecordBatchHeader.None, RecordBatchHeader.None, 0, RecordBatchHeader.None);
        BinaryPrimitives.WriteInt64BigEndian(entry, producer.ProducerId);
        BinaryPrimitives.WriteInt16BigEndian(entry[8..], producer.Epoch);
        BinaryPrimitives.WriteInt32BigEndian(entry[10..], last.LastSequence);
        BinaryPrimitives.WriteInt64BigEndian(entry[14..], last.LastOffset);
        BinaryPrimitives.WriteInt32BigEndian(entry[22..], last.OffsetDelta);
        BinaryPrimitives.WriteInt64BigEndian(entry[26..], producer.LastTimestamp);
        BinaryPrimitives.WriteInt32BigEndian(entry[34..], producer.CoordinatorEpoch);
        BinaryPrimitives.WriteInt64BigEndian(entry[38..], producer.TransactionFirstOffset);
    }

    private static ProducerState ReadEntry(ReadOnlySpan<byte> entry)
    {
        var timestamp = BinaryPrimitives.ReadInt64BigEndian(entry[26..]);
        var producer = new ProducerState(BinaryPrimitives.ReadInt64BigEndian(entry))
        {
            CoordinatorEpoch = BinaryPrimitives.ReadInt32BigEndian(entry[34..]),
            LastTimestamp = timestamp,
            TransactionFirstOffset = BinaryPrimitives.ReadInt64BigEndian(entry[38..]),
        };
        producer.MoveTo(BinaryPrimitives.ReadInt16BigEndian(entry[8..]));
        var lastOffset = BinaryPrimitives.ReadInt64BigEndian(entry[14..]);
        if (lastOffset >= 0)
        {
            producer.Add(new ProducerBatch(
                BinaryPrimitives.ReadInt32BigEndian(entry[10..]), lastOffset, BinaryPrimitives.ReadInt32BigEndian(entry[22..]), timestamp));
        }
        return producer;
    }
}
