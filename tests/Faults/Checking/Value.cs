using System.Buffers.Binary;

namespace Milena.Faults.Checking;

/// <summary>What a record says: who wrote it, and as which of the writer's records in its partition. Numbers ascend from 0.</summary>
public readonly record struct Value(int Writer, long Number)
{
    /// <summary>Its bytes: writer i32, number i64, big-endian; what follows them in a record fills it up.</summary>
    public const int Size = sizeof(int) + sizeof(long);

    public byte[] ToBytes(int size)
    {
        var bytes = new byte[Math.Max(size, Size)];
        BinaryPrimitives.WriteInt32BigEndian(bytes, Writer);
        BinaryPrimitives.WriteInt64BigEndian(bytes.AsSpan(sizeof(int)), Number);
        return bytes;
    }

    /// <returns>A writer that there is not (-1) where the bytes are too few.</returns>
    public static Value From(ReadOnlySpan<byte> bytes) => bytes.Length < Size
        ? new(-1, 0)
        : new(BinaryPrimitives.ReadInt32BigEndian(bytes), BinaryPrimitives.ReadInt64BigEndian(bytes[sizeof(int)..]));

    public override string ToString() => $"{Writer}:{Number}";
}
