using System.Buffers.Binary;

namespace Milena.Model;

public enum TimestampType
{
    CreateTime = 0,
    LogAppendTime = 1,
}

/// <summary>The fixed 61-byte header of a v2 record batch.</summary>
/// <remarks>
/// Big-endian, at byte: 0 baseOffset i64, 8 batchLength i32 (counted from byte 12), 12 partitionLeaderEpoch i32, 16 magic i8,
/// 17 crc u32 (CRC-32C of byte 21 to the end), 21 attributes i16, 23 lastOffsetDelta i32, 27 baseTimestamp and 35 maxTimestamp i64
/// (UTC milliseconds since 1970), 43 producerId i64, 51 producerEpoch i16, 53 baseSequence i32, 57 recordCount i32. Source: KIP-98.
/// Base offset and leader epoch lie before the CRC's range, so a broker stamps them without touching it.
/// </remarks>
public readonly record struct RecordBatchHeader(
    long BaseOffset,
    int BatchLength,
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
    public const int Size = 61;
    public const byte CurrentMagic = 2;

    public const int BaseOffsetAt = 0;
    public const int BatchLengthAt = 8;
    public const int LeaderEpochAt = 12;
    public const int MagicAt = 16;
    public const int CrcAt = 17;
    public const int AttributesAt = 21;
    public const int LastOffsetDeltaAt = 23;
    public const int BaseTimestampAt = 27;
    public const int MaxTimestampAt = 35;
    public const int ProducerIdAt = 43;
    public const int ProducerEpochAt = 51;
    public const int BaseSequenceAt = 53;
    public const int RecordCountAt = 57;

    /// <summary>Base offset and batch length, which <see cref="BatchLength"/> does not count.</summary>
    public const int LogOverhead = 12;
    public const int MinBatchLength = Size - LogOverhead;

    /// <summary>No producer, no timestamp, no sequence: -1 in the field.</summary>
    public const int None = -1;

    public const short CodecMask = 0x07;
    public const short TimestampTypeBit = 0x08;
    public const short TransactionalBit = 0x10;
    public const short ControlBit = 0x20;
    public const short DeleteHorizonBit = 0x40;

    /// <summary>Bytes of the whole batch, header included.</summary>
    public int SizeInBytes => BatchLength + LogOverhead;
    public long LastOffset => BaseOffset + LastOffsetDelta;
    public long NextOffset => LastOffset + 1;
    public CompressionCodec Codec => (CompressionCodec)(Attributes & CodecMask);
    public TimestampType TimestampType => (Attributes & TimestampTypeBit) != 0 ? TimestampType.LogAppendTime : TimestampType.CreateTime;
    public bool IsTransactional => (Attributes & TransactionalBit) != 0;
    public bool IsControl => (Attributes & ControlBit) != 0;
    public bool HasDeleteHorizon => (Attributes & DeleteHorizonBit) != 0;
    public bool HasProducerId => ProducerId != None;

    /// <summary>The sequence of the last record; sequences wrap from 2147483647 to 0.</summary>
    public int LastSequence => BaseSequence == None ? None : AddSequence(BaseSequence, LastOffsetDelta);

    public static int AddSequence(int sequence, int increment) => (int)(((long)sequence + increment) & int.MaxValue);

    /// <returns><see cref="ErrorCode.CorruptMessage"/> when the bytes are short, magic is not 2 or the length cannot hold a header.</returns>
    public static ErrorCode TryRead(ReadOnlySpan<byte> bytes, out RecordBatchHeader header)
    {
        header = default;
        if (bytes.Length < Size || bytes[MagicAt] != CurrentMagic) return ErrorCode.CorruptMessage;
        header = new RecordBatchHeader(
            BinaryPrimitives.ReadInt64BigEndian(bytes),
            BinaryPrimitives.ReadInt32BigEndian(bytes[BatchLengthAt..]),
            BinaryPrimitives.ReadInt32BigEndian(bytes[LeaderEpochAt..]),
            BinaryPrimitives.ReadUInt32BigEndian(bytes[CrcAt..]),
            BinaryPrimitives.ReadInt16BigEndian(bytes[AttributesAt..]),
            BinaryPrimitives.ReadInt32BigEndian(bytes[LastOffsetDeltaAt..]),
            BinaryPrimitives.ReadInt64BigEndian(bytes[BaseTimestampAt..]),
            BinaryPrimitives.ReadInt64BigEndian(bytes[MaxTimestampAt..]),
            BinaryPrimitives.ReadInt64BigEndian(bytes[ProducerIdAt..]),
            BinaryPrimitives.ReadInt16BigEndian(bytes[ProducerEpochAt..]),
            BinaryPrimitives.ReadInt32BigEndian(bytes[BaseSequenceAt..]),
            BinaryPrimitives.ReadInt32BigEndian(bytes[RecordCountAt..]));
        // The upper bound keeps SizeInBytes from overflowing.
        return header.BatchLength is < MinBatchLength or > int.MaxValue - LogOverhead ? ErrorCode.CorruptMessage : ErrorCode.None;
    }

    /// <summary>Writes all 61 bytes, the CRC as it stands in the header.</summary>
    public void Write(Span<byte> bytes)
    {
        BinaryPrimitives.WriteInt64BigEndian(bytes, BaseOffset);
        BinaryPrimitives.WriteInt32BigEndian(bytes[BatchLengthAt..], BatchLength);
        BinaryPrimitives.WriteInt32BigEndian(bytes[LeaderEpochAt..], LeaderEpoch);
        bytes[MagicAt] = CurrentMagic;
        BinaryPrimitives.WriteUInt32BigEndian(bytes[CrcAt..], Crc);
        BinaryPrimitives.WriteInt16BigEndian(bytes[AttributesAt..], Attributes);
        BinaryPrimitives.WriteInt32BigEndian(bytes[LastOffsetDeltaAt..], LastOffsetDelta);
        BinaryPrimitives.WriteInt64BigEndian(bytes[BaseTimestampAt..], BaseTimestamp);
        BinaryPrimitives.WriteInt64BigEndian(bytes[MaxTimestampAt..], MaxTimestamp);
        BinaryPrimitives.WriteInt64BigEndian(bytes[ProducerIdAt..], ProducerId);
        BinaryPrimitives.WriteInt16BigEndian(bytes[ProducerEpochAt..], ProducerEpoch);
        BinaryPrimitives.WriteInt32BigEndian(bytes[BaseSequenceAt..], BaseSequence);
        BinaryPrimitives.WriteInt32BigEndian(bytes[RecordCountAt..], RecordCount);
    }

    /// <summary>The CRC-32C of a whole batch, to compare with or write into its CRC field.</summary>
    public static uint ComputeCrc(ReadOnlySpan<byte> batch) => Crc32C.Compute(batch[AttributesAt..]);

    public static void SetBaseOffset(Span<byte> batch, long baseOffset) => BinaryPrimitives.WriteInt64BigEndian(batch, baseOffset);

    public static void SetLeaderEpoch(Span<byte> batch, int leaderEpoch) =>
        BinaryPrimitives.WriteInt32BigEndian(batch[LeaderEpochAt..], leaderEpoch);

    public static void SetCrc(Span<byte> batch) => BinaryPrimitives.WriteUInt32BigEndian(batch[CrcAt..], ComputeCrc(batch));

    /// <summary>Rewrites the maximum timestamp and the CRC of one whole batch.</summary>
    public static void SetMaxTimestamp(Span<byte> batch, long maxTimestamp)
    {
        BinaryPrimitives.WriteInt64BigEndian(batch[MaxTimestampAt..], maxTimestamp);
        SetCrc(batch);
    }

    /// <summary>Marks one whole batch as LogAppendTime at <paramref name="timestampMs"/>: attributes, maximum timestamp and CRC.</summary>
    public static void StampLogAppendTime(Span<byte> batch, long timestampMs)
    {
        var attributes = BinaryPrimitives.ReadInt16BigEndian(batch[AttributesAt..]);
        BinaryPrimitives.WriteInt16BigEndian(batch[AttributesAt..], (short)(attributes | TimestampTypeBit));
        SetMaxTimestamp(batch, timestampMs);
    }
}
