using System.Buffers.Binary;

namespace Milena.Fuzz.Tests;

/// <summary>What may happen to bytes on their way, and what somebody may do to them on purpose.</summary>
internal static class Damage
{
    private const int FloodBytes = 1 << 14;

    private static readonly long[] AbsurdLengths =
    [
        -1, -2, 0, 1, 2, 127, 128, 10_000, 10_001, 10_002, short.MaxValue, short.MaxValue + 1, 65_536,
        1_000_000, 1_000_001, 1_000_002, 1 << 24, int.MaxValue - 1, int.MaxValue, int.MinValue, uint.MaxValue,
    ];

    private static readonly byte[] Fillers = [0, 1, 2, 0x41, 0x7F, 0x80, 0xFF];

    public static byte[] Apply(byte[] bytes, IReadOnlyList<LengthMark> lengths, Random random) => random.Next(8) switch
    {
        0 => Random(random, random.Next(64)),
        1 => FlipBits(bytes, random),
        2 => bytes[..random.Next(bytes.Length + 1)],
        3 or 4 when lengths.Count > 0 => SetLength(bytes, lengths[random.Next(lengths.Count)], random),
        5 when lengths.Count > 0 => Flood(bytes, lengths[random.Next(lengths.Count)], random),
        6 => Splice(bytes, random),
        _ => FlipBits(FlipBits(bytes, random), random),
    };

    private static byte[] Random(Random random, int length)
    {
        var bytes = new byte[length];
        random.NextBytes(bytes);
        return bytes;
    }

    private static byte[] FlipBits(byte[] bytes, Random random)
    {
        var damaged = (byte[])bytes.Clone();
        for (var flips = random.Next(1, 9); flips > 0 && damaged.Length > 0; flips--)
        {
            damaged[random.Next(damaged.Length)] ^= (byte)(1 << random.Next(8));
        }

        return damaged;
    }

    private static byte[] SetLength(byte[] bytes, LengthMark mark, Random random) =>
        [.. bytes[..mark.Position], .. Encode(AbsurdLengths[random.Next(AbsurdLengths.Length)], mark.Form), .. bytes[(mark.Position + mark.Bytes)..]];

    /// <summary>A count of as many elements as bytes follow, and bytes that look like the smallest elements there are.</summary>
    private static byte[] Flood(byte[] bytes, LengthMark mark, Random random)
    {
        var flood = Enumerable.Repeat(Fillers[random.Next(Fillers.Length)], FloodBytes);
        return [.. bytes[..mark.Position], .. Encode(FloodBytes / random.Next(1, 40), mark.Form), .. flood];
    }

    private static byte[] Splice(byte[] bytes, Random random)
    {
        var at = random.Next(bytes.Length + 1);
        return [.. bytes[..at], .. Random(random, random.Next(8)), .. bytes[Math.Min(bytes.Length, at + random.Next(8))..]];
    }

    private static byte[] Encode(long length, LengthForm form)
    {
        var bytes = new byte[8];
        BinaryPrimitives.WriteInt64BigEndian(bytes, length);
        return form switch
        {
            LengthForm.Int16 => bytes[^2..],
            LengthForm.Int32 => bytes[^4..],
            _ => Varint((uint)(length + 1)),
        };
    }

    private static byte[] Varint(uint value)
    {
        var bytes = new List<byte>();
        for (; value >= 0x80; value >>= 7)
        {
            bytes.Add((byte)(value | 0x80));
        }

        return [.. bytes, (byte)value];
    }
}
