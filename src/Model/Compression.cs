using System.IO.Compression;
using ZstdSharp;

namespace Milena.Model;

/// <summary>Bits 0-2 of a batch's attributes.</summary>
public enum CompressionCodec
{
    None = 0,
    Gzip = 1,
    Snappy = 2,
    Lz4 = 3,
    Zstd = 4,
}

/// <summary>The records section of a batch in and out of its codec, in pooled buffers and never beyond a named bound.</summary>
public static class Compression
{
    /// <summary>What any compressed batch may unpack to, however small it is.</summary>
    public const int MinDecompressedBound = 16 << 20;

    /// <summary>Unpacked bytes allowed for each packed one above that.</summary>
    public const int MaxExpansion = 64;

    /// <summary>What no batch may unpack beyond.</summary>
    public const int MaxDecompressedBound = 256 << 20;

    public const int DefaultGzipLevel = -1;
    public const int DefaultLz4Level = 9;
    public const int DefaultZstdLevel = 3;

    [ThreadStatic]
    private static Decompressor? _zstdDecompressor;

    public static bool IsKnown(CompressionCodec codec) => codec is >= CompressionCodec.None and <= CompressionCodec.Zstd;

    public static int DefaultLevel(CompressionCodec codec) => codec switch
    {
        CompressionCodec.Gzip => DefaultGzipLevel,
        CompressionCodec.Lz4 => DefaultLz4Level,
        CompressionCodec.Zstd => DefaultZstdLevel,
        _ => 0,
    };

    /// <summary>The default bound: <see cref="MaxExpansion"/> times the packed size, between the smallest and the largest bound.</summary>
    public static int DecompressedBound(int compressedBytes) =>
        (int)Math.Clamp((long)compressedBytes * MaxExpansion, MinDecompressedBound, MaxDecompressedBound);

    /// <summary>Unpacks <paramref name="input"/> into a pooled buffer that the caller disposes.</summary>
    /// <returns>False with a reason when the payload is no valid stream of the codec or unpacks to more than
    /// <paramref name="maxOutputBytes"/>; nothing is then held.</returns>
    public static bool TryDecompress(
        CompressionCodec codec, ReadOnlySpan<byte> input, int maxOutputBytes, out PooledBytes? output, out string reason)
    {
        var buffer = new PooledBytes((int)Math.Min(maxOutputBytes, Math.Max(4096L, (long)input.Length * 3)));
        try
        {
            reason = codec switch
            {
                CompressionCodec.None => CopyPlain(input, buffer, maxOutputBytes),
                CompressionCodec.Gzip => Gunzip(input, buffer, maxOutputBytes),
                CompressionCodec.Snappy => SnappyFraming.Decompress(input, buffer, maxOutputBytes),
                CompressionCodec.Lz4 => Lz4Framing.Decompress(input, buffer, maxOutputBytes),
                CompressionCodec.Zstd => Unzstd(input, buffer, maxOutputBytes),
                _ => $"Unknown compression codec {(int)codec}.",
            };
        }
        // The codecs' own exceptions are how they say that a client's bytes are bad.
        catch (Exception bad) when (bad is InvalidDataException or ZstdException or ArgumentException or IOException or InvalidOperationException)
        {
            reason = $"Undecodable {codec} payload: {bad.Message}";
        }
        output = reason.Length == 0 ? buffer : null;
        if (output is null) buffer.Dispose();
        return output is not null;
    }

    /// <summary>Appends <paramref name="input"/> packed by <paramref name="codec"/> to <paramref name="output"/>.</summary>
    /// <param name="level">As Kafka's <c>compression.*.level</c>; gzip -1 or 1..9, lz4 1..17 (9 is the fast coder), zstd up to 22.</param>
    public static void Compress(CompressionCodec codec, int level, ReadOnlySpan<byte> input, PooledBytes output)
    {
        switch (codec)
        {
            case CompressionCodec.None:
                output.Append(input);
                break;
            case CompressionCodec.Gzip:
                Gzip(level, input, output);
                break;
            case CompressionCodec.Snappy:
                SnappyFraming.Compress(input, output);
                break;
            case CompressionCodec.Lz4:
                Lz4Framing.Compress(level, input, output);
                break;
            case CompressionCodec.Zstd:
                using (var compressor = new Compressor(level))
                {
                    output.Advance(compressor.Wrap(input, output.Free(Compressor.GetCompressBound(input.Length))));
                }
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(codec));
        }
    }

    internal static string TooLarge(int maxOutputBytes) => $"The payload unpacks to more than {maxOutputBytes} bytes.";

    private static string CopyPlain(ReadOnlySpan<byte> input, PooledBytes output, int maxOutputBytes)
    {
        if (input.Length > maxOutputBytes) return TooLarge(maxOutputBytes);
        output.Append(input);
        return "";
    }

    private static unsafe string Gunzip(ReadOnlySpan<byte> input, PooledBytes output, int maxOutputBytes)
    {
        if (input.IsEmpty) return "The gzip payload is empty.";
        fixed (byte* start = input)
        {
            using var source = new UnmanagedMemoryStream(start, input.Length);
            using var gzip = new GZipStream(source, CompressionMode.Decompress);
            while (true)
            {
                var free = output.Free(1);
                // One byte more than the bound is asked for, to tell "exactly full" from "too large".
                var room = Math.Min(free.Length, maxOutputBytes - output.Length + 1);
                var read = gzip.Read(free[..room]);
                if (read == 0) return "";
                output.Advance(read);
                if (output.Length > maxOutputBytes) return TooLarge(maxOutputBytes);
            }
        }
    }

    private static void Gzip(int level, ReadOnlySpan<byte> input, PooledBytes output)
    {
        using var packed = new MemoryStream(input.Length / 2);
        using (var gzip = new GZipStream(packed, new ZLibCompressionOptions { CompressionLevel = level }, leaveOpen: true))
        {
            gzip.Write(input);
        }
        output.Append(packed.GetBuffer().AsSpan(0, (int)packed.Length));
    }

    // In one go, with the output as the window: a streaming decoder would allocate the window that a hostile frame header asks for.
    // Frames written as a stream do not say their content's size, so a too small output is retried larger.
    private static string Unzstd(ReadOnlySpan<byte> input, PooledBytes output, int maxOutputBytes)
    {
        var decompressor = _zstdDecompressor ??= new Decompressor();
        var room = Math.Min(output.Capacity, maxOutputBytes);
        while (true)
        {
            if (decompressor.TryUnwrap(input, output.Free(room)[..room], out var written))
            {
                output.Advance(written);
                return "";
            }
            if (room >= maxOutputBytes) return TooLarge(maxOutputBytes);
            room = (int)Math.Min((long)room * 4, maxOutputBytes);
        }
    }
}
