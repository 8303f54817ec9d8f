using System.Buffers.Binary;
using System.Text;

namespace Milena.Protocol;

/// <summary>Writes Kafka's primitive types, big-endian, into a <see cref="MessageBuffer"/>.</summary>
public readonly ref struct ProtocolWriter(MessageBuffer buffer)
{
    /// <summary>What a string may take, in compact form too: a peer refuses a longer one.</summary>
    public const int MaxStringBytes = short.MaxValue;

    private const int MaxVarintBytes = 5;

    public static InvalidOperationException CannotCarry(string field, short version) =>
        new($"{field} is set, but version {version} cannot carry it.");

    public void WriteBool(bool value) => buffer.Reserve(1)[0] = value ? (byte)1 : (byte)0;

    public void WriteInt8(sbyte value) => buffer.Reserve(1)[0] = (byte)value;

    public void WriteInt16(short value) => BinaryPrimitives.WriteInt16BigEndian(buffer.Reserve(sizeof(short)), value);

    public void WriteUInt16(ushort value) => BinaryPrimitives.WriteUInt16BigEndian(buffer.Reserve(sizeof(ushort)), value);

    public void WriteInt32(int value) => BinaryPrimitives.WriteInt32BigEndian(buffer.Reserve(sizeof(int)), value);

    public void WriteUInt32(uint value) => WriteInt32((int)value);

    public void WriteInt64(long value) => BinaryPrimitives.WriteInt64BigEndian(buffer.Reserve(sizeof(long)), value);

    public void WriteFloat64(double value) => BinaryPrimitives.WriteDoubleBigEndian(buffer.Reserve(sizeof(double)), value);

    public void WriteUuid(Guid value) => value.TryWriteBytes(buffer.Reserve(16), bigEndian: true, out _);

    public void WriteUnsignedVarint(uint value)
    {
        Span<byte> bytes = stackalloc byte[MaxVarintBytes];
        bytes[..EncodeVarint(value, bytes)].CopyTo(buffer.Reserve(VarintBytes(value)));
    }

    public void WriteString(bool compact, bool nullable, string? value)
    {
        if (value is null)
        {
            WriteNull(compact, nullable, sizeof(short));
            return;
        }

        var length = Encoding.UTF8.GetByteCount(value);
        if (length > MaxStringBytes)
        {
            throw new InvalidOperationException($"A string of {length} bytes is longer than {MaxStringBytes}.");
        }

        if (compact)
        {
            WriteUnsignedVarint((uint)length + 1);
        }
        else
        {
            WriteInt16((short)length);
        }

        Encoding.UTF8.GetBytes(value, buffer.Reserve(length));
    }

    public void WriteBytes(bool compact, bool nullable, ReadOnlyMemory<byte>? value)
    {
        if (value is not { } bytes)
        {
            WriteNull(compact, nullable, sizeof(int));
            return;
        }

        WriteLength(compact, bytes.Length);
        bytes.Span.CopyTo(buffer.Reserve(bytes.Length));
    }

    /// <summary>Bytes still in a file are not copied: the buffer remembers where they belong.</summary>
    public void WriteRecords(bool compact, bool nullable, Records value)
    {
        if (value.IsNull)
        {
            WriteNull(compact, nullable, sizeof(int));
            return;
        }

        WriteLength(compact, value.Length);
        if (value.Source is { } source)
        {
            buffer.Attach(source);
        }
        else
        {
            value.Memory.Span.CopyTo(buffer.Reserve(value.Length));
        }
    }

    public void WriteArrayLength(bool compact, bool nullable, int? length)
    {
        if (length is { } count)
        {
            WriteLength(compact, count);
        }
        else
        {
            WriteNull(compact, nullable, sizeof(int));
        }
    }

    public void WriteIsNull(bool isNull) => WriteInt8(isNull ? (sbyte)-1 : (sbyte)1);

    /// <returns>Where the tagged field's data begins; give it to <see cref="EndTag"/>.</returns>
    public int BeginTag(uint tag)
    {
        WriteUnsignedVarint(tag);
        return buffer.Position;
    }

    /// <summary>Puts the size, which is known only now, before the data.</summary>
    public void EndTag(int start)
    {
        var size = buffer.Position - start;
        var prefix = VarintBytes((uint)size);
        buffer.Reserve(prefix);
        var data = buffer.From(start);
        data[..size].CopyTo(data[prefix..]);
        EncodeVarint((uint)size, data);
    }

    private void WriteLength(bool compact, int length)
    {
        if (compact)
        {
            WriteUnsignedVarint((uint)length + 1);
        }
        else
        {
            WriteInt32(length);
        }
    }

    private void WriteNull(bool compact, bool nullable, int lengthBytes)
    {
        if (!nullable)
        {
            throw new InvalidOperationException("A field is null that may not be in this version.");
        }

        if (compact)
        {
            WriteUnsignedVarint(0);
        }
        else
        {
            buffer.Reserve(lengthBytes).Fill(0xFF);
        }
    }

    private static int VarintBytes(uint value)
    {
        var bytes = 1;
        while (value >= 0x80)
        {
            value >>= 7;
            bytes++;
        }

        return bytes;
    }

    private static int EncodeVarint(uint value, Span<byte> destination)
    {
        var position = 0;
        while (value >= 0x80)
        {
            destination[position++] = (byte)(value | 0x80);
            value >>= 7;
        }

        destination[position++] = (byte)value;
        return position;
    }
}
