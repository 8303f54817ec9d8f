using System.Buffers.Binary;
using Snappier;

namespace Milena.Model;

/// <summary>Snappy as Kafka's clients write it: xerial blocks from Java, one raw block from the others.</summary>
internal static class SnappyFraming
{
    private const int HeaderBytes = 16;
    private const int BlockBytes = 32 * 1024;

    private static ReadOnlySpan<byte> XerialMagic => [0x82, 0x53, 0x4E, 0x41, 0x50, 0x50, 0x59, 0x00];

    public static string Decompress(ReadOnlySpan<byte> input, PooledBytes output, int maxOutputBytes)
    {
        if (!input.StartsWith(XerialMagic)) return Block(input, output, maxOutputBytes);
        if (input.Length < HeaderBytes) return "The snappy stream header is cut off.";
        var at = HeaderBytes;
        while (at < input.Length)
        {
            if (input.Length - at < sizeof(int)) return "A snappy block length is cut off.";
            var length = BinaryPrimitives.ReadInt32BigEndian(input[at..]);
            at += sizeof(int);
            if (length < 0 || length > input.Length - at) return "A snappy block is longer than its stream.";
            var reason = Block(input.Slice(at, length), output, maxOutputBytes);
            if (reason.Length > 0) return reason;
            at += length;
        }
        return "";
    }

    public static void Compress(ReadOnlySpan<byte> input, PooledBytes output)
    {
        var header = output.Free(HeaderBytes);
        XerialMagic.CopyTo(header);
        BinaryPrimitives.WriteInt32BigEndian(header[8..], 1);
        BinaryPrimitives.WriteInt32BigEndian(header[12..], 1);
        output.Advance(HeaderBytes);
        while (!input.IsEmpty)
        {
            var block = input[..Math.Min(BlockBytes, input.Length)];
            var free = output.Free(sizeof(int) + Snappy.GetMaxCompressedLength(block.Length));
            var written = Snappy.Compress(block, free[sizeof(int)..]);
            BinaryPrimitives.WriteInt32BigEndian(free, written);
            output.Advance(sizeof(int) + written);
            input = input[block.Length..];
        }
    }

    private static string Block(ReadOnlySpan<byte> block, PooledBytes output, int maxOutputBytes)
    {
        var length = Snappy.GetUncompressedLength(block);
        if (length < 0) return "A snappy block has a negative length.";
        if (length > maxOutputBytes - output.Length) return Compression.TooLarge(maxOutputBytes);
        output.Advance(Snappy.Decompress(block, output.Free(length)[..length]));
        return "";
    }
}
