using System.Buffers.Binary;
using System.IO.Compression;
using K4os.Compression.LZ4.Streams;

namespace Milena.Model;

public enum CompressionCodec
{
    None = 0,
    Gzip = 1,
    Snappy = 2,
    Lz4 = 3,
    Zstd = 4,
}

/// <summary>Kafka's four codecs over the records section of a batch.</summary>
public static class Compression
{
    /// <summary>What a batch may unpack to: far above what any client sends, far below what would hurt. A bomb stops here.</summary>
    public const int MaxDecompressedBytes = 256 * 1024 * 1024;

    private static readonly byte[] XerialMagic = [0x82, (byte)'S', (byte)'N', (byte)'A', (byte)'P', (byte)'P', (byte)'Y', 0];
    private const int XerialHeaderBytes = 16;

    /// <summary>Unpacks; false for bytes that are not of the codec, or that unpack to more than <see cref="MaxDecompressedBytes"/>.</summary>
    public static bool TryDecompress(CompressionCodec codec, ReadOnlyMemory<byte> compressed, out MemoryStream decompressed)
    {
        decompressed = new MemoryStream(Math.Min(4 * compressed.Length, MaxDecompressedBytes));
        try
        {
            if (codec == CompressionCodec.Snappy)
            {
                return DecompressSnappy(compressed.Span, decompressed);
            }

            using var input = new MemoryStream(compressed.ToArray(), writable: false);
            using Stream unpacking = codec switch
            {
                CompressionCodec.Gzip => new GZipStream(input, CompressionMode.Decompress),
                CompressionCodec.Lz4 => LZ4Stream.Decode(input),
                CompressionCodec.Zstd => new ZstdSharp.DecompressionStream(input),
                _ => throw new ArgumentOutOfRangeException(nameof(codec)),
            };
            return CopyBounded(unpacking, decompressed);
        }
        catch (Exception e) when (e is InvalidDataException or IOException or ZstdSharp.ZstdException or ArgumentException or InvalidOperationException or NotImplementedException or IndexOutOfRangeException)
        {
            // Each library says "these bytes are not mine" in its own way.
            return false;
        }
    }

    public static byte[] Compress(CompressionCodec codec, ReadOnlySpan<byte> bytes, int? level = null)
    {
        using var output = new MemoryStream();
        switch (codec)
        {
            case CompressionCodec.Snappy:
                CompressSnappy(bytes, output);
                break;
            case CompressionCodec.Gzip:
                using (var gzip = new GZipStream(output, level is >= 7 ? CompressionLevel.SmallestSize : level is 1 or 2 ? CompressionLevel.Fastest : CompressionLevel.Optimal, leaveOpen: true))
                {
                    gzip.Write(bytes);
                }

                break;
            case CompressionCodec.Lz4:
                using (var lz4 = LZ4Stream.Encode(output, LevelOf(level), leaveOpen: true))
                {
                    lz4.Write(bytes);
                }

                break;
            case CompressionCodec.Zstd:
                using (var zstd = new ZstdSharp.CompressionStream(output, level ?? 3, leaveOpen: true))
                {
                    zstd.Write(bytes);
                }

                break;
            default:
                return bytes.ToArray();
        }

        return output.ToArray();
    }

    private static K4os.Compression.LZ4.LZ4Level LevelOf(int? level) =>
        level is null or < 3 ? K4os.Compression.LZ4.LZ4Level.L00_FAST : (K4os.Compression.LZ4.LZ4Level)Math.Min(level.Value, 12);

    private static bool CopyBounded(Stream from, MemoryStream to)
    {
        var buffer = new byte[64 * 1024];
        for (int read; (read = from.Read(buffer)) > 0;)
        {
            if (to.Length + read > MaxDecompressedBytes)
            {
                return false;
            }

            to.Write(buffer, 0, read);
        }

        return true;
    }

    /// <summary>The Java client frames its blocks as xerial's library does; all others send one raw block.</summary>
    private static bool DecompressSnappy(ReadOnlySpan<byte> compressed, MemoryStream to)
    {
        if (!compressed.StartsWith(XerialMagic))
        {
            return AppendSnappyBlock(compressed, to);
        }

        if (compressed.Length < XerialHeaderBytes)
        {
            return false;
        }

        for (var rest = compressed[XerialHeaderBytes..]; rest.Length > 0;)
        {
            if (rest.Length < sizeof(int) || BinaryPrimitives.ReadInt32BigEndian(rest) is var length && (length < 0 || length > rest.Length - sizeof(int)))
            {
                return false;
            }

            if (!AppendSnappyBlock(rest.Slice(sizeof(int), length), to))
            {
                return false;
            }

            rest = rest[(sizeof(int) + length)..];
        }

        return true;
    }

    private static bool AppendSnappyBlock(ReadOnlySpan<byte> block, MemoryStream to)
    {
        var length = Snappier.Snappy.GetUncompressedLength(block);
        if (length < 0 || to.Length + length > MaxDecompressedBytes)
        {
            return false;
        }

        var unpacked = new byte[length];
        to.Write(unpacked, 0, Snappier.Snappy.Decompress(block, unpacked));
        return true;
    }

    private static void CompressSnappy(ReadOnlySpan<byte> bytes, MemoryStream to)
    {
        const int blockBytes = 32 * 1024;
        Span<byte> number = stackalloc byte[sizeof(int)];
        to.Write(XerialMagic);
        BinaryPrimitives.WriteInt32BigEndian(number, 1);
        to.Write(number);
        to.Write(number);
        for (; bytes.Length > 0; bytes = bytes[Math.Min(blockBytes, bytes.Length)..])
        {
            var block = Snappier.Snappy.CompressToArray(bytes[..Math.Min(blockBytes, bytes.Length)]);
            BinaryPrimitives.WriteInt32BigEndian(number, block.Length);
            to.Write(number);
            to.Write(block);
        }
    }
}
