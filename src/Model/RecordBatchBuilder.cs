using System.Buffers.Binary;
using System.Text;

namespace Milena.Model;

/// <summary>Builds one v2 record batch, for what the broker itself writes and for tests.</summary>
public sealed class RecordBatchBuilder(CompressionCodec codec = CompressionCodec.None, long producerId = -1, short producerEpoch = -1, int baseSequence = -1)
{
    private const int TransactionalBit = 0x10;
    private const int ControlBit = 0x20;

    private readonly MemoryStream _records = new();
    private long _baseTimestamp = -1;
    private long _maxTimestamp = -1;
    private int _count;

    public bool IsTransactional { get; init; }

    public bool IsControl { get; init; }

    /// <param name="timestampMs">UTC milliseconds since 1970.</param>
    public RecordBatchBuilder Add(
        ReadOnlyMemory<byte>? key, ReadOnlyMemory<byte>? value, long timestampMs, IReadOnlyList<KeyValuePair<string, byte[]?>>? headers = null)
    {
        if (_count == 0)
        {
            _baseTimestamp = timestampMs;
        }

        _maxTimestamp = Math.Max(_maxTimestamp, timestampMs);
        using var body = new MemoryStream();
        body.WriteByte(0);
        WriteVarint(body, timestampMs - _baseTimestamp);
        WriteVarint(body, _count++);
        WriteBytes(body, key);
        WriteBytes(body, value);
        WriteVarint(body, headers?.Count ?? 0);
        foreach (var (name, content) in headers ?? [])
        {
            WriteBytes(body, Encoding.UTF8.GetBytes(name));
            WriteBytes(body, content is null ? null : (ReadOnlyMemory<byte>)content);
        }

        WriteVarint(_records, body.Length);
        body.WriteTo(_records);
        return this;
    }

    public byte[] Build(long baseOffset = 0, int leaderEpoch = -1)
    {
        var records = Compression.Compress(codec, _records.ToArray());
        var batch = new byte[RecordBatchHeader.Bytes + records.Length];
        var span = batch.AsSpan();
        BinaryPrimitives.WriteInt32BigEndian(span[8..], batch.Length - RecordBatchHeader.LogOverhead);
        span[16] = RecordBatchHeader.Magic;
        BinaryPrimitives.WriteInt16BigEndian(span[21..], (short)((int)codec | (IsTransactional ? TransactionalBit : 0) | (IsControl ? ControlBit : 0)));
        BinaryPrimitives.WriteInt32BigEndian(span[23..], _count - 1);
        BinaryPrimitives.WriteInt64BigEndian(span[27..], _baseTimestamp);
        BinaryPrimitives.WriteInt64BigEndian(span[43..], producerId);
        BinaryPrimitives.WriteInt16BigEndian(span[51..], producerEpoch);
        BinaryPrimitives.WriteInt32BigEndian(span[53..], baseSequence);
        BinaryPrimitives.WriteInt32BigEndian(span[57..], _count);
        records.CopyTo(span[RecordBatchHeader.Bytes..]);
        RecordBatchHeader.Stamp(span, baseOffset, leaderEpoch);
        RecordBatchHeader.StampMaxTimestamp(span, _maxTimestamp);
        return batch;
    }

    private static void WriteBytes(MemoryStream to, ReadOnlyMemory<byte>? bytes)
    {
        WriteVarint(to, bytes?.Length ?? -1);
        to.Write(bytes.GetValueOrDefault().Span);
    }

    private static void WriteVarint(MemoryStream to, long value)
    {
        Span<byte> bytes = stackalloc byte[Varint.MaxBytes64];
        to.Write(bytes[..Varint.Write(bytes, value)]);
    }
}
