using System.Buffers.Binary;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Coordinators.Runtime;

/// <summary>Coordinators' records as they lie in their topic: an int16 of the key's type or the value's version, then the message.</summary>
public static class CoordinatorRecords
{
    private const int PrefixBytes = 2;

    /// <summary>One batch: replayed as a whole or not at all.</summary>
    public static byte[] ToBatch(IReadOnlyList<CoordinatorRecord> records, long nowMs, CompressionCodec codec)
    {
        using var builder = new RecordBatchBuilder { Codec = codec };
        foreach (var record in records)
        {
            // Keys of coordinator topics are never evolved: each has one version, 0, and its type tells them apart.
            builder.Add(nowMs, Encode(record.KeyType, record.Key, 0), record.Value is { } value ? Encode(record.ValueVersion, value, record.ValueVersion) : null);
        }

        return builder.Build();
    }

    private static byte[] Encode(short prefix, IMessage message, short version)
    {
        using var buffer = new MessageBuffer();
        var writer = new ProtocolWriter(buffer);
        message.Write(ref writer, version);
        var bytes = new byte[PrefixBytes + buffer.Written.Length];
        BinaryPrimitives.WriteInt16BigEndian(bytes, prefix);
        buffer.Written.Span.CopyTo(bytes.AsSpan(PrefixBytes));
        return bytes;
    }
}
