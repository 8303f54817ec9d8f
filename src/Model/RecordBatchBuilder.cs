using System.Text;

namespace Milena.Model;

/// <summary>Collects records and writes them as one v2 batch; for coordinators, the metadata log, clients and tests.</summary>
/// <remarks>Not for the produce path, which stores the client's own bytes.</remarks>
public sealed class RecordBatchBuilder : IDisposable
{
    private const int InitialRecordBytes = 512;
    private readonly PooledBytes _records = new(InitialRecordBytes);
    private long _baseTimestamp = RecordBatchHeader.None;

    public long BaseOffset { get; init; }
    public int LeaderEpoch { get; init; } = RecordBatchHeader.None;
    public CompressionCodec Codec { get; init; }

    /// <summary>Null is the codec's default.</summary>
    public int? CompressionLevel { get; init; }
    public TimestampType TimestampType { get; init; }

    /// <summary>The maximum timestamp to write when <see cref="TimestampType"/> is LogAppendTime.</summary>
    public long LogAppendTimeMs { get; init; } = RecordBatchHeader.None;
    public long ProducerId { get; init; } = RecordBatchHeader.None;
    public short ProducerEpoch { get; init; } = RecordBatchHeader.None;
    public int BaseSequence { get; init; } = RecordBatchHeader.None;
    public bool IsTransactional { get; init; }
    public bool IsControl { get; init; }

    public int RecordCount { get; private set; }
    public long MaxTimestamp { get; private set; } = RecordBatchHeader.None;

    /// <summary>Bytes that <see cref="Build"/> would return without compression.</summary>
    public int UncompressedBytes => RecordBatchHeader.Size + _records.Length;

    /// <summary>One record of a single control batch that ends a producer's transaction.</summary>
    public static byte[] BuildMarker(EndTransactionMarker marker, long timestampMs, long producerId, short producerEpoch, long baseOffset = 0)
    {
        using var builder = new RecordBatchBuilder
        {
            BaseOffset = baseOffset,
            ProducerId = producerId,
            ProducerEpoch = producerEpoch,
            IsTransactional = true,
            IsControl = true,
        };
        return builder.Add(timestampMs, marker.Key(), marker.Value()).Build();
    }

    /// <param name="timestampMs">UTC milliseconds since 1970. The first record's becomes the batch's base timestamp.</param>
    /// <param name="key">Null and empty differ.</param>
    public RecordBatchBuilder Add(
        long timestampMs, byte[]? key, byte[]? value, IReadOnlyList<KeyValuePair<string, byte[]?>>? headers = null)
    {
        if (RecordCount == 0) _baseTimestamp = timestampMs;
        var timestampDelta = timestampMs - _baseTimestamp;
        var size = 1 + Varint.SizeOfInt64(timestampDelta) + Varint.SizeOfInt32(RecordCount)
            + SizeOf(key) + SizeOf(value) + Varint.SizeOfInt32(headers?.Count ?? 0);
        foreach (var header in headers ?? [])
        {
            var keyBytes = Encoding.UTF8.GetByteCount(header.Key);
            size += Varint.SizeOfInt32(keyBytes) + keyBytes + SizeOf(header.Value);
        }
        var destination = _records.Free(Varint.MaxBytes32 + size);
        var at = Varint.WriteInt32(destination, size);
        destination[at++] = 0;
        at += Varint.WriteInt64(destination[at..], timestampDelta);
        at += Varint.WriteInt32(destination[at..], RecordCount);
        at += WriteBytes(destination[at..], key);
        at += WriteBytes(destination[at..], value);
        at += Varint.WriteInt32(destination[at..], headers?.Count ?? 0);
        foreach (var header in headers ?? [])
        {
            at += WriteBytes(destination[at..], Encoding.UTF8.GetBytes(header.Key));
            at += WriteBytes(destination[at..], header.Value);
        }
        _records.Advance(at);
        RecordCount++;
        MaxTimestamp = Math.Max(MaxTimestamp, timestampMs);
        return this;
    }

    public byte[] Build()
    {
        if (RecordCount == 0) throw new InvalidOperationException("A batch needs at least one record.");
        using var batch = new PooledBytes(UncompressedBytes);
        batch.Advance(RecordBatchHeader.Size);
        Compression.Compress(Codec, CompressionLevel ?? Compression.DefaultLevel(Codec), _records.Span, batch);
        Header(batch.Length).Write(batch.Span);
        RecordBatchHeader.SetCrc(batch.Span);
        return batch.Span.ToArray();
    }

    public void Dispose() => _records.Dispose();

    private RecordBatchHeader Header(int batchBytes) => new(
        BaseOffset,
        batchBytes - RecordBatchHeader.LogOverhead,
        LeaderEpoch,
        Crc: 0,
        Attributes(),
        LastOffsetDelta: RecordCount - 1,
        _baseTimestamp,
        TimestampType == TimestampType.LogAppendTime ? LogAppendTimeMs : MaxTimestamp,
        ProducerId,
        ProducerEpoch,
        BaseSequence,
        RecordCount);

    private short Attributes() => (short)((int)Codec
        | (TimestampType == TimestampType.LogAppendTime ? RecordBatchHeader.TimestampTypeBit : 0)
        | (IsTransactional ? RecordBatchHeader.TransactionalBit : 0)
        | (IsControl ? RecordBatchHeader.ControlBit : 0));

    private static int SizeOf(byte[]? bytes) => bytes is null ? 1 : Varint.SizeOfInt32(bytes.Length) + bytes.Length;

    private static int WriteBytes(Span<byte> destination, byte[]? bytes)
    {
        var at = Varint.WriteInt32(destination, bytes?.Length ?? -1);
        bytes.CopyTo(destination[at..]);
        return at + (bytes?.Length ?? 0);
    }
}
