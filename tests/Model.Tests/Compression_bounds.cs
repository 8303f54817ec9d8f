namespace Milena.Model.Tests;

public sealed class Compression_bounds
{
    public static TheoryData<CompressionCodec> Codecs() =>
        new(CompressionCodec.Gzip, CompressionCodec.Snappy, CompressionCodec.Lz4, CompressionCodec.Zstd);

    [Theory]
    [MemberData(nameof(Codecs))]
    public void Every_size_reads_back_at_every_level(CompressionCodec codec)
    {
        var random = new Random(11);
        foreach (var size in new[] { 1, 100, 32 * 1024, (32 * 1024) + 1, 65536, 300_000 })
        {
            var plain = new byte[size];
            random.NextBytes(plain.AsSpan(0, size / 2));
            foreach (var level in Levels(codec))
            {
                using var packed = new PooledBytes(16);
                Compression.Compress(codec, level, plain, packed);
                Assert.True(Compression.TryDecompress(codec, packed.Span, Math.Max(size, 1), out var output, out var reason), reason);
                using var unpacked = output!;
                Assert.Equal(plain, unpacked.Span.ToArray());
            }
        }
    }

    [Theory]
    [MemberData(nameof(Codecs))]
    public void A_bomb_stops_at_the_bound(CompressionCodec codec)
    {
        using var packed = new PooledBytes(16);
        Compression.Compress(codec, Compression.DefaultLevel(codec), new byte[8 << 20], packed);
        Assert.False(Compression.TryDecompress(codec, packed.Span, (8 << 20) - 1, out var output, out var reason));
        Assert.Null(output);
        Assert.Contains("unpacks to more than", reason);
    }

    [Theory]
    [MemberData(nameof(Codecs))]
    public void Cut_and_damaged_payloads_never_throw(CompressionCodec codec)
    {
        var random = new Random(5);
        var plain = new byte[2000];
        random.NextBytes(plain.AsSpan(0, 1000));
        using var packed = new PooledBytes(16);
        Compression.Compress(codec, Compression.DefaultLevel(codec), plain, packed);
        for (var round = 0; round < 2000; round++)
        {
            var bytes = packed.Span.ToArray();
            bytes[random.Next(bytes.Length)] ^= (byte)random.Next(1, 256);
            Decode(codec, bytes.AsSpan(0, random.Next(bytes.Length + 1)));
        }
        Decode(codec, new byte[100]);
        Decode(codec, Enumerable.Repeat((byte)0xFF, 100).ToArray());
    }

    [Fact]
    public void Raw_snappy_is_accepted_too()
    {
        var plain = Enumerable.Range(0, 5000).Select(i => (byte)(i % 17)).ToArray();
        var raw = Snappier.Snappy.CompressToArray(plain);
        Assert.True(Compression.TryDecompress(CompressionCodec.Snappy, raw, 5000, out var output, out _));
        using var unpacked = output!;
        Assert.Equal(plain, unpacked.Span.ToArray());
    }

    [Fact]
    public void Lz4_frames_with_linked_blocks_and_checksums_are_accepted()
    {
        var random = new Random(3);
        var plain = Enumerable.Range(0, 400_000).Select(i => (byte)(i % 251 ^ (random.Next(100) == 0 ? 1 : 0))).ToArray();
        var settings = new K4os.Compression.LZ4.Streams.LZ4EncoderSettings
        {
            ChainBlocks = true,
            BlockSize = 65536,
            ContentChecksum = true,
        };
        using var target = new MemoryStream();
        using (var encoder = K4os.Compression.LZ4.Streams.LZ4Stream.Encode(target, settings, leaveOpen: true)) encoder.Write(plain);
        Assert.True(Compression.TryDecompress(CompressionCodec.Lz4, target.ToArray(), plain.Length, out var output, out var reason), reason);
        using var unpacked = output!;
        Assert.Equal(plain, unpacked.Span.ToArray());
    }

    private static void Decode(CompressionCodec codec, ReadOnlySpan<byte> bytes)
    {
        if (Compression.TryDecompress(codec, bytes, 1 << 20, out var output, out var reason)) output!.Dispose();
        else Assert.NotEmpty(reason);
    }

    private static int[] Levels(CompressionCodec codec) => codec switch
    {
        CompressionCodec.Gzip => [-1, 1, 9],
        CompressionCodec.Lz4 => [1, 9, 17],
        CompressionCodec.Zstd => [-5, 3, 12],
        _ => [0],
    };
}
