using System.Buffers.Binary;

namespace Milena.Model;

/// <summary>The fixed 61-byte header of a v2 record batch.</summary>
/// <remarks>
/// Big-endian, at byte: 0 baseOffset i64, 8 batchLength i32 (counted from byte 12), 12 partitionLeaderEpoch i32, 16 magic i8, 17 crc u32
/// (CRC-32C of byte 21 to the end), 21 attributes i16, 23 lastOffsetDelta i32, 27 baseTimestamp and 35 maxTimestamp i64 (UTC milliseconds
/// since 1970), 43 producerId i64, 51 producerEpoch i16, 53 baseSequence i32, 57 recordCount i32. Source: KIP-98.
/// </remarks>
public readonly record struct RecordBatchHeader(
    long BaseOffset,
    int Size,
    int LeaderEpoch,
    uint Crc,
    short Attributes,
    int LastOffsetDelta,
    long BaseTimestamp,
    long MaxTimestamp,
    long ProducerId,
    short ProducerEpoch,
    int BaseSequence,
    int RecordCount)
{
    public const int Bytes = 61;

    /// <summary>Base offset and length: enough to find the next batch.</summary>
    public const int LogOverhead = 12;

    public const byte Magic = 2;

    private const int LengthAt = 8;
    private const int LeaderEpochAt = 12;
    private const int MagicAt = 16;
    private const int CrcAt = 17;
    private const int AttributesAt = 21;
    private const int LastOffsetDeltaAt = 23;
    private const int MaxTimestampAt = 35;
    private const short TimestampTypeBit = 0x08;

    public long LastOffset => BaseOffset + LastOffsetDelta;

    public CompressionCodec Codec => (CompressionCodec)(Attributes & 0x07);

    public bool IsLogAppendTime => (Attributes & TimestampTypeBit) != 0;

    public bool IsTransactional => (Attributes & 0x10) != 0;

    public bool IsControl => (Attributes & 0x20) != 0;

    /// <summary>Reads a header in place. <see cref="Size"/> is the whole batch's, in bytes.</summary>
    /// <returns>False when the bytes are too few, magic is not 2, or the length cannot be.</returns>
    public static bool TryRead(ReadOnlySpan<byte> bytes, out RecordBatchHeader header)
    {
        header = default;
        if (bytes.Length < Bytes || bytes[MagicAt] != Magic)
        {
            return false;
        }

        var length = BinaryPrimitives.ReadInt32BigEndian(bytes[LengthAt..]);
        if (length < Bytes - LogOverhead || length > int.MaxValue - LogOverhead)
        {
            return false;
        }

        header = new RecordBatchHeader(
            BinaryPrimitives.ReadInt64BigEndian(bytes),
            length + LogOverhead,
            BinaryPrimitives.ReadInt32BigEndian(bytes[LeaderEpochAt..]),
            BinaryPrimitives.ReadUInt32BigEndian(bytes[CrcAt..]),
            BinaryPrimitives.ReadInt16BigEndian(bytes[AttributesAt..]),
            BinaryPrimitives.ReadInt32BigEndian(bytes[LastOffsetDeltaAt..]),
            BinaryPrimitives.ReadInt64BigEndian(bytes[27..]),
            BinaryPrimitives.ReadInt64BigEndian(bytes[MaxTimestampAt..]),
            BinaryPrimitives.ReadInt64BigEndian(bytes[43..]),
            BinaryPrimitives.ReadInt16BigEndian(bytes[51..]),
            BinaryPrimitives.ReadInt32BigEndian(bytes[53..]),
            BinaryPrimitives.ReadInt32BigEndian(bytes[57..]));
        return true;
    }

    /// <summary>Whether the bytes of a whole batch are those that its checksum was made of.</summary>
    public static bool HasValidCrc(ReadOnlySpan<byte> batch) =>
        BinaryPrimitives.ReadUInt32BigEndian(batch[CrcAt..]) == Crc32C.Compute(batch[AttributesAt..]);

    /// <summary>Both fields lie outside the checksum, so that the leader can stamp them without reading the records.</summary>
    public static void Stamp(Span<byte> batch, long baseOffset, int leaderEpoch)
    {
        BinaryPrimitives.WriteInt64BigEndian(batch, baseOffset);
        BinaryPrimitives.WriteInt32BigEndian(batch[LeaderEpochAt..], leaderEpoch);
    }

    /// <summary>Makes the time of the append the time of all records; the checksum follows.</summary>
    public static void StampLogAppendTime(Span<byte> batch, long nowMs)
    {
        var attributes = BinaryPrimitives.ReadInt16BigEndian(batch[AttributesAt..]);
        BinaryPrimitives.WriteInt16BigEndian(batch[AttributesAt..], (short)(attributes | TimestampTypeBit));
        StampMaxTimestamp(batch, nowMs);
    }

    public static void StampMaxTimestamp(Span<byte> batch, long maxTimestampMs)
    {
        BinaryPrimitives.WriteInt64BigEndian(batch[MaxTimestampAt..], maxTimestampMs);
        BinaryPrimitives.WriteUInt32BigEndian(batch[CrcAt..], Crc32C.Compute(batch[AttributesAt..]));
    }
}
