namespace Milena.Model;

/// <summary>Kafka's variable-length integers inside records: base 128, zigzag.</summary>
public static class Varint
{
    public const int MaxBytes32 = 5;
    public const int MaxBytes64 = 10;

    /// <summary>Reads at <paramref name="position"/> and moves it on; false when the bytes end first or are too many.</summary>
    public static bool TryRead(ReadOnlySpan<byte> bytes, ref int position, out int value)
    {
        var raw = 0u;
        for (var shift = 0; shift < 35 && (uint)position < (uint)bytes.Length; shift += 7)
        {
            var one = bytes[position++];
            raw |= (uint)(one & 0x7F) << shift;
            if (one < 0x80)
            {
                value = (int)(raw >> 1) ^ -(int)(raw & 1);
                return true;
            }
        }

        value = 0;
        return false;
    }

    /// <inheritdoc cref="TryRead(ReadOnlySpan{byte}, ref int, out int)"/>
    public static bool TryRead(ReadOnlySpan<byte> bytes, ref int position, out long value)
    {
        var raw = 0ul;
        for (var shift = 0; shift < 70 && (uint)position < (uint)bytes.Length; shift += 7)
        {
            var one = bytes[position++];
            raw |= (ulong)(one & 0x7F) << shift;
            if (one < 0x80)
            {
                value = (long)(raw >> 1) ^ -(long)(raw & 1);
                return true;
            }
        }

        value = 0;
        return false;
    }

    /// <returns>The number of bytes written.</returns>
    public static int Write(Span<byte> destination, long value)
    {
        var raw = (ulong)((value << 1) ^ (value >> 63));
        var position = 0;
        while (raw >= 0x80)
        {
            destination[position++] = (byte)(raw | 0x80);
            raw >>= 7;
        }

        destination[position++] = (byte)raw;
        return position;
    }
}
