using System.Buffers.Binary;
using System.Text;

namespace Milena.Protocol;

/// <summary>Reads Kafka's primitive types from bytes that anybody may have sent. Never throws and never reads past the end.</summary>
/// <remarks>The first thing that is wrong sets <see cref="Failed"/>, after which every read gives a default; callers look once, at the end.</remarks>
public ref struct ProtocolReader(ReadOnlyMemory<byte> memory)
{
    /// <summary>Kafka 4.4's caps on what one array and one set of tagged fields may announce.</summary>
    public const int MaxElements = 1_000_000;

    public const int MaxTags = 10_000;

    private const int BytesOfReplacement = 3;

    private readonly ReadOnlySpan<byte> _span = memory.Span;

    public int Position { get; private set; }

    public bool Failed { get; private set; }

    public readonly bool IsAtEnd => !Failed && Position == _span.Length;

    private readonly int Remaining => _span.Length - Position;

    public bool ReadBool() => Take(1) is { Length: 1 } bytes && bytes[0] != 0;

    public sbyte ReadInt8() => Take(1) is { Length: 1 } bytes ? (sbyte)bytes[0] : (sbyte)0;

    public short ReadInt16() => Take(sizeof(short)) is { Length: > 0 } bytes ? BinaryPrimitives.ReadInt16BigEndian(bytes) : (short)0;

    public ushort ReadUInt16() => Take(sizeof(ushort)) is { Length: > 0 } bytes ? BinaryPrimitives.ReadUInt16BigEndian(bytes) : (ushort)0;

    public int ReadInt32() => Take(sizeof(int)) is { Length: > 0 } bytes ? BinaryPrimitives.ReadInt32BigEndian(bytes) : 0;

    public uint ReadUInt32() => (uint)ReadInt32();

    public long ReadInt64() => Take(sizeof(long)) is { Length: > 0 } bytes ? BinaryPrimitives.ReadInt64BigEndian(bytes) : 0;

    public double ReadFloat64() => Take(sizeof(double)) is { Length: > 0 } bytes ? BinaryPrimitives.ReadDoubleBigEndian(bytes) : 0;

    public Guid ReadUuid() => Take(16) is { Length: > 0 } bytes ? new Guid(bytes, bigEndian: true) : Guid.Empty;

    public uint ReadUnsignedVarint()
    {
        var value = 0u;
        for (var shift = 0; shift < 35; shift += 7)
        {
            var bytes = Take(1);
            if (bytes.Length == 0)
            {
                return 0;
            }

            value |= (uint)(bytes[0] & 0x7F) << shift;
            if (bytes[0] < 0x80)
            {
                // The fifth byte has room for four bits only.
                return shift == 28 && bytes[0] > 0x0F ? (uint)Fail() : value;
            }
        }

        return (uint)Fail();
    }

    public string ReadString(bool compact) => ReadNullableString(compact, nullable: false) ?? "";

    public string? ReadNullableString(bool compact, bool nullable)
    {
        var length = compact ? ReadCompactLength() : ReadInt16();
        if (length < 0)
        {
            return NullOr<string>(length, nullable);
        }

        var bytes = Take(length);
        if (length > ProtocolWriter.MaxStringBytes)
        {
            Fail();
        }

        return Failed ? null : Decode(bytes);
    }

    /// <summary>As Java does, what is no UTF-8 becomes U+FFFD. That makes it longer, and what has been read must also be writable.</summary>
    private string? Decode(ReadOnlySpan<byte> bytes)
    {
        var text = Encoding.UTF8.GetString(bytes);
        if (bytes.Length > ProtocolWriter.MaxStringBytes / BytesOfReplacement && Encoding.UTF8.GetByteCount(text) > ProtocolWriter.MaxStringBytes)
        {
            Fail();
            return null;
        }

        return text;
    }

    public ReadOnlyMemory<byte> ReadBytes(bool compact) => ReadNullableBytes(compact, nullable: false) ?? ReadOnlyMemory<byte>.Empty;

    public ReadOnlyMemory<byte>? ReadNullableBytes(bool compact, bool nullable)
    {
        var length = compact ? ReadCompactLength() : ReadInt32();
        if (length < 0)
        {
            if (length != -1 || !nullable)
            {
                Fail();
            }

            return null;
        }

        var start = Position;
        Take(length);
        return Failed ? null : memory.Slice(start, length);
    }

    public Records ReadRecords(bool compact, bool nullable) => ReadNullableBytes(compact, nullable) is { } bytes ? new Records(bytes) : default;

    /// <param name="minElementBytes">What one element takes at least: more elements than fit into what is left are refused before anything is allocated.</param>
    /// <returns>-1 for null.</returns>
    public int ReadArrayLength(bool compact, bool nullable, int minElementBytes)
    {
        var length = compact ? ReadCompactLength() : ReadInt32();
        if (length < 0)
        {
            return length == -1 && nullable ? -1 : Fail() - 1;
        }

        return length <= MaxElements && (long)length * minElementBytes <= Remaining ? length : Fail();
    }

    public bool ReadIsNull() => ReadInt8() switch
    {
        1 => false,
        -1 => true,
        _ => Fail() == 0,
    };

    public int ReadTagCount()
    {
        var count = ReadUnsignedVarint();
        return count <= MaxTags ? (int)count : Fail();
    }

    /// <summary>Reads the tag and size of a tagged field; tags come in ascending order.</summary>
    public int ReadTag(ref int previous, out int end)
    {
        var tag = ReadUnsignedVarint();
        var size = ReadUnsignedVarint();
        end = Position;
        if (Failed || tag > int.MaxValue || (int)tag <= previous || size > Remaining)
        {
            Fail();
            return -1;
        }

        previous = (int)tag;
        end = Position + (int)size;
        return previous;
    }

    /// <summary>A known tag's data must end where its size said.</summary>
    public void EndTag(int end)
    {
        if (Position != end)
        {
            Fail();
        }
    }

    public void SkipTo(int end)
    {
        if (!Failed)
        {
            Position = end;
        }
    }

    public void SkipTaggedFields()
    {
        var count = ReadTagCount();
        var previous = -1;
        for (var index = 0; index < count && !Failed; index++)
        {
            ReadTag(ref previous, out var end);
            SkipTo(end);
        }
    }

    /// <summary>-1 for null, -2 for a length that no array can have.</summary>
    private int ReadCompactLength()
    {
        var length = ReadUnsignedVarint();
        return Failed || length > int.MaxValue ? -2 : (int)length - 1;
    }

    private T? NullOr<T>(int length, bool nullable)
        where T : class
    {
        if (length != -1 || !nullable)
        {
            Fail();
        }

        return null;
    }

    private ReadOnlySpan<byte> Take(int bytes)
    {
        if (Failed || bytes > Remaining)
        {
            Fail();
            return default;
        }

        var taken = _span.Slice(Position, bytes);
        Position += bytes;
        return taken;
    }

    private int Fail()
    {
        Failed = true;
        return 0;
    }
}
