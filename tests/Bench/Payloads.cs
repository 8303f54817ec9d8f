using System.Buffers.Binary;
using System.Text;

namespace Milena.Bench;

/// <summary>Record values that pack as events do: words of a small vocabulary between random numbers.</summary>
/// <remarks>Seeded, so that every run and every broker gets the same bytes. lz4 packs them to 0.6 of their size, zstd to 0.4.</remarks>
public static class Payloads
{
    /// <summary>Bytes at a value's start that can carry a time.</summary>
    public const int StampBytes = sizeof(long);

    // More than any batch holds, so that no codec finds one value twice; less than would push the broker's pages out of memory.
    private const int PoolBytes = 8 << 20;
    private const int MaxValues = 65_536;
    private const int MinValues = 4;

    private static readonly byte[][] Words =
    [
        .. "orderId customer amount currency createdAt status shipped pending region europe warehouse product quantity discount"
            .Split(' ').Select(Encoding.ASCII.GetBytes),
    ];

    /// <summary>Distinct values of <paramref name="bytes"/> bytes, to be sent in turn.</summary>
    public static byte[][] Make(int bytes, int seed = 1)
    {
        var random = new Random(seed);
        var values = new byte[Math.Clamp(PoolBytes / bytes, MinValues, MaxValues)][];
        for (var i = 0; i < values.Length; i++) values[i] = Value(bytes, random);
        return values;
    }

    public static void Stamp(Span<byte> value, long ticks) => BinaryPrimitives.WriteInt64LittleEndian(value, ticks);

    public static long ReadStamp(ReadOnlySpan<byte> value) => BinaryPrimitives.ReadInt64LittleEndian(value);

    private static byte[] Value(int bytes, Random random)
    {
        var value = new byte[bytes];
        for (var at = 0; at < bytes;)
        {
            at += Copy(Words[random.Next(Words.Length)], value, at);
            for (var digit = random.Next(4, 12); digit > 0 && at < bytes; digit--) value[at++] = (byte)('0' + random.Next(10));
        }
        return value;
    }

    private static int Copy(ReadOnlySpan<byte> word, Span<byte> value, int at)
    {
        var length = Math.Min(word.Length, value.Length - at);
        word[..length].CopyTo(value[at..]);
        return length;
    }
}
