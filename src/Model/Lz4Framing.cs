using System.Buffers.Binary;
using K4os.Compression.LZ4;
using K4os.Hash.xxHash;

namespace Milena.Model;

/// <summary>The LZ4 frame format, decoded straight into the output: blocks are small and the bound is known before each.</summary>
internal static class Lz4Framing
{
    private const uint Magic = 0x184D2204;
    private const byte VersionMask = 0xC0;
    private const byte Version1 = 0x40;
    private const byte BlockIndependence = 0x20;
    private const byte BlockChecksum = 0x10;
    private const byte ContentSize = 0x08;
    private const byte ContentChecksum = 0x04;
    private const byte DictionaryId = 0x01;
    private const uint StoredBlock = 0x80000000;
    private const byte BlockSize64Kib = 0x40;
    private const int BlockBytes = 64 * 1024;
    private const int DictionaryBytes = 64 * 1024;
    private const string CutOff = "The lz4 frame is cut off.";

    public static string Decompress(ReadOnlySpan<byte> input, PooledBytes output, int maxOutputBytes)
    {
        while (!input.IsEmpty)
        {
            var reason = Frame(ref input, output, maxOutputBytes);
            if (reason.Length > 0) return reason;
        }
        return "";
    }

    public static void Compress(int level, ReadOnlySpan<byte> input, PooledBytes output)
    {
        var header = output.Free(7);
        BinaryPrimitives.WriteUInt32LittleEndian(header, Magic);
        header[4] = Version1 | BlockIndependence;
        header[5] = BlockSize64Kib;
        header[6] = HeaderChecksum(header.Slice(4, 2));
        output.Advance(7);
        while (!input.IsEmpty)
        {
            var block = input[..Math.Min(BlockBytes, input.Length)];
            var free = output.Free(sizeof(uint) + LZ4Codec.MaximumOutputSize(block.Length));
            var written = LZ4Codec.Encode(block, free[sizeof(uint)..], CoderLevel(level));
            if (written <= 0 || written >= block.Length)
            {
                block.CopyTo(free[sizeof(uint)..]);
                BinaryPrimitives.WriteUInt32LittleEndian(free, (uint)block.Length | StoredBlock);
                written = block.Length;
            }
            else
            {
                BinaryPrimitives.WriteUInt32LittleEndian(free, (uint)written);
            }
            output.Advance(sizeof(uint) + written);
            input = input[block.Length..];
        }
        output.Append([0, 0, 0, 0]);
    }

    // Level 9 is Kafka's default and stands for the fast coder there; every other level is the high-compression coder's own.
    private static LZ4Level CoderLevel(int level) =>
        level == Compression.DefaultLz4Level ? LZ4Level.L00_FAST : (LZ4Level)Math.Clamp(level, (int)LZ4Level.L03_HC, (int)LZ4Level.L12_MAX);

    private static byte HeaderChecksum(ReadOnlySpan<byte> descriptor) => (byte)(XXH32.DigestOf(descriptor) >> 8);

    private static string Frame(ref ReadOnlySpan<byte> input, PooledBytes output, int maxOutputBytes)
    {
        if (input.Length < 7) return CutOff;
        if (BinaryPrimitives.ReadUInt32LittleEndian(input) != Magic) return "The payload is no lz4 frame.";
        var flags = input[4];
        if ((flags & VersionMask) != Version1) return "The lz4 frame has an unknown version.";
        var sizeCode = (input[5] >> 4) & 7;
        if (sizeCode < 4) return "The lz4 frame has an invalid block size.";
        var maxBlock = 1 << (8 + (2 * sizeCode));
        var descriptor = 2 + ((flags & ContentSize) != 0 ? 8 : 0) + ((flags & DictionaryId) != 0 ? 4 : 0);
        if (input.Length < 5 + descriptor) return CutOff;
        if (input[4 + descriptor] != HeaderChecksum(input.Slice(4, descriptor))) return "The lz4 frame header's checksum is wrong.";
        input = input[(5 + descriptor)..];

        var frameStart = output.Length;
        while (true)
        {
            if (input.Length < sizeof(uint)) return CutOff;
            var size = BinaryPrimitives.ReadUInt32LittleEndian(input);
            input = input[sizeof(uint)..];
            if (size == 0) break;
            var reason = Block(ref input, size, flags, maxBlock, frameStart, output, maxOutputBytes);
            if (reason.Length > 0) return reason;
        }
        if ((flags & ContentChecksum) == 0) return "";
        if (input.Length < sizeof(uint)) return CutOff;
        var expected = BinaryPrimitives.ReadUInt32LittleEndian(input);
        input = input[sizeof(uint)..];
        return XXH32.DigestOf(output.Span[frameStart..]) == expected ? "" : "The lz4 content's checksum is wrong.";
    }

    private static string Block(
        ref ReadOnlySpan<byte> input, uint size, byte flags, int maxBlock, int frameStart, PooledBytes output, int maxOutputBytes)
    {
        var length = (int)(size & ~StoredBlock);
        var trailer = (flags & BlockChecksum) != 0 ? sizeof(uint) : 0;
        if (length > maxBlock || length > input.Length - trailer) return "An lz4 block is longer than its frame.";
        var block = input[..length];
        if (trailer > 0 && XXH32.DigestOf(block) != BinaryPrimitives.ReadUInt32LittleEndian(input[length..]))
        {
            return "An lz4 block's checksum is wrong.";
        }
        input = input[(length + trailer)..];
        var room = Math.Min(maxBlock, maxOutputBytes - output.Length);
        if ((size & StoredBlock) != 0)
        {
            if (length > room) return Compression.TooLarge(maxOutputBytes);
            output.Append(block);
            return "";
        }
        var target = output.Free(room)[..room];
        var history = (flags & BlockIndependence) != 0 ? default : output.Span[Math.Max(frameStart, output.Length - DictionaryBytes)..];
        var written = history.IsEmpty ? LZ4Codec.Decode(block, target) : LZ4Codec.Decode(block, target, history);
        if (written < 0) return room < maxBlock ? Compression.TooLarge(maxOutputBytes) : "An lz4 block is undecodable.";
        output.Advance(written);
        return "";
    }
}
