using System.Buffers.Binary;
using System.Text;
using Milena.Model;

namespace Milena.Differential.Tests;

/// <summary>Batches with one thing wrong each. The CRC is right unless it is what is wrong.</summary>
public static class Wrong
{
    private const long Now = 1_700_000_000_000;

    public static readonly (string What, Func<byte[]> Make)[] All =
    [
        ("crc", () => Edit(batch => batch[RecordBatchHeader.CrcAt] ^= 1, fixCrc: false)),
        ("magic 1", () => Edit(batch => batch[RecordBatchHeader.MagicAt] = 1)),
        ("magic 3", () => Edit(batch => batch[RecordBatchHeader.MagicAt] = 3)),
        ("length too long", () => Edit(batch => Length(batch, batch.Length))),
        ("length too short", () => Edit(batch => Length(batch, 20))),
        ("length negative", () => Edit(batch => Length(batch, -1))),
        ("base offset", () => Edit(batch => RecordBatchHeader.SetBaseOffset(batch, 7))),
        ("record count too high", () => Edit(batch => Count(batch, 9))),
        ("record count too low", () => Edit(batch => Count(batch, 1))),
        ("record count zero", () => Edit(batch => Count(batch, 0))),
        ("record count negative", () => Edit(batch => Count(batch, -1))),
        ("last offset delta", () => Edit(batch => BinaryPrimitives.WriteInt32BigEndian(batch.AsSpan(RecordBatchHeader.LastOffsetDeltaAt), 9))),
        ("control batch", () => Edit(batch => batch[RecordBatchHeader.AttributesAt + 1] |= (byte)RecordBatchHeader.ControlBit)),
        ("log append time", () => Edit(batch => batch[RecordBatchHeader.AttributesAt + 1] |= (byte)RecordBatchHeader.TimestampTypeBit)),
        ("unknown codec", () => Edit(batch => batch[RecordBatchHeader.AttributesAt + 1] |= 7)),
        ("codec without its bytes", () => Edit(batch => batch[RecordBatchHeader.AttributesAt + 1] |= (byte)CompressionCodec.Gzip)),
        ("sequence without producer", () => Edit(batch => BinaryPrimitives.WriteInt32BigEndian(batch.AsSpan(RecordBatchHeader.BaseSequenceAt), 5))),
        ("producer without sequence", () => Edit(batch => BinaryPrimitives.WriteInt64BigEndian(batch.AsSpan(RecordBatchHeader.ProducerIdAt), 5))),
        ("record length", () => Edit(batch => batch[RecordBatchHeader.Size] = 0x7e)),
        ("record length negative", () => Edit(batch => batch[RecordBatchHeader.Size] = 0x01)),
        ("key length beyond the record", () => Edit(batch => batch[RecordBatchHeader.Size + 4] = 0x7e)),
        ("far future", () => Batch(CompressionCodec.None, 4_000_000_000_000)),
        ("max timestamp", () => Edit(batch => BinaryPrimitives.WriteInt64BigEndian(batch.AsSpan(RecordBatchHeader.MaxTimestampAt), 5))),
        ("two batches", () => [.. Batch(), .. Batch()]),
        ("a batch and half of another", () => [.. Batch(), .. Batch().AsSpan(0, 40)]),
        ("half a batch", () => Batch()[..40]),
        ("a header alone", () => Batch()[..RecordBatchHeader.Size]),
        ("eleven bytes", () => Batch()[..11]),
    ];

    public static byte[] Batch(CompressionCodec codec = CompressionCodec.None, long timestamp = Now)
    {
        using var builder = new RecordBatchBuilder { Codec = codec };
        for (var i = 0; i < 3; i++)
        {
            builder.Add(timestamp + i, null, Encoding.ASCII.GetBytes($"value {i}"));
        }

        return builder.Build();
    }

    private static byte[] Edit(Action<byte[]> change, bool fixCrc = true)
    {
        var batch = Batch();
        change(batch);
        if (fixCrc)
        {
            RecordBatchHeader.SetCrc(batch);
        }

        return batch;
    }

    private static void Length(byte[] batch, int length) => BinaryPrimitives.WriteInt32BigEndian(batch.AsSpan(RecordBatchHeader.BatchLengthAt), length);

    private static void Count(byte[] batch, int count) => BinaryPrimitives.WriteInt32BigEndian(batch.AsSpan(RecordBatchHeader.RecordCountAt), count);
}
