namespace Milena.Model;

/// <summary>Base-128 integers: unsigned, and zigzag as records use them. Readers advance the position only when they succeed.</summary>
public static class Varint
{
    public const int MaxBytes32 = 5;
    public const int MaxBytes64 = 10;

    public static bool TryReadUnsigned(ReadOnlySpan<byte> bytes, scoped ref int position, out uint value)
    {
        if ((uint)position < (uint)bytes.Length && bytes[position] < 0x80)
        {
            value = bytes[position++];
            return true;
        }
        return TryReadLongUnsigned32(bytes, ref position, out value);
    }

    public static bool TryReadUnsigned64(ReadOnlySpan<byte> bytes, scoped ref int position, out ulong value)
    {
        value = 0;
        var at = position;
        for (var shift = 0; shift < 70; shift += 7)
        {
            if ((uint)at >= (uint)bytes.Length) return false;
            var current = bytes[at++];
            if (shift == 63 && current > 1) return false;
            value |= (ulong)(current & 0x7F) << shift;
            if (current >= 0x80) continue;
            position = at;
            return true;
        }
        return false;
    }

    public static bool TryReadInt32(ReadOnlySpan<byte> bytes, scoped ref int position, out int value)
    {
        var read = TryReadUnsigned(bytes, ref position, out var raw);
        value = (int)(raw >> 1) ^ -(int)(raw & 1);
        return read;
    }

    public static bool TryReadInt64(ReadOnlySpan<byte> bytes, scoped ref int position, out long value)
    {
        var read = TryReadUnsigned64(bytes, ref position, out var raw);
        value = (long)(raw >> 1) ^ -(long)(raw & 1);
        return read;
    }

    /// <returns>Bytes written; <paramref name="destination"/> needs at most <see cref="MaxBytes32"/>.</returns>
    public static int WriteUnsigned(Span<byte> destination, uint value) => WriteUnsigned64(destination, value);

    /// <returns>Bytes written; <paramref name="destination"/> needs at most <see cref="MaxBytes64"/>.</returns>
    public static int WriteUnsigned64(Span<byte> destination, ulong value)
    {
        var at = 0;
        while (value >= 0x80)
        {
            destination[at++] = (byte)(value | 0x80);
            value >>= 7;
        }
        destination[at++] = (byte)value;
        return at;
    }

    public static int WriteInt32(Span<byte> destination, int value) => WriteUnsigned64(destination, ZigZag(value));

    public static int WriteInt64(Span<byte> destination, long value) => WriteUnsigned64(destination, ZigZag(value));

    public static int SizeOfInt32(int value) => SizeOfUnsigned64(ZigZag(value));

    public static int SizeOfInt64(long value) => SizeOfUnsigned64(ZigZag(value));

    public static int SizeOfUnsigned64(ulong value) => (Math.Max(1, 64 - System.Numerics.BitOperations.LeadingZeroCount(value)) + 6) / 7;

    private static uint ZigZag(int value) => (uint)((value << 1) ^ (value >> 31));

    private static ulong ZigZag(long value) => (ulong)((value << 1) ^ (value >> 63));

    private static bool TryReadLongUnsigned32(ReadOnlySpan<byte> bytes, scoped ref int position, out uint value)
    {
        value = 0;
        var at = position;
        for (var shift = 0; shift < 35; shift += 7)
        {
            if ((uint)at >= (uint)bytes.Length) return false;
            var current = bytes[at++];
            if (shift == 28 && current > 0x0F) return false;
            value |= (uint)(current & 0x7F) << shift;
            if (current >= 0x80) continue;
            position = at;
            return true;
        }
        return false;
    }
}
