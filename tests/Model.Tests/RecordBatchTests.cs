using System.Text;
using System.Text.Json;

namespace Milena.Model.Tests;

public sealed class RecordBatchTests
{
    private const long Now = 1_700_000_005_000;
    private static readonly BatchRules Rules = new(1024 * 1024, LogAppendTime: false, long.MaxValue, 3_600_000, Compacted: false, null, null);

    public static TheoryData<string> GoldenBatches() =>
        [.. File.ReadLines(Path.Combine(AppContext.BaseDirectory, "Reference", "batches.jsonl"))];

    [Theory]
    [MemberData(nameof(GoldenBatches))]
    public void A_batch_of_the_java_library_is_read_as_it_was_written(string line)
    {
        using var golden = JsonDocument.Parse(line);
        var expected = golden.RootElement;
        var batch = Convert.FromHexString(expected.GetProperty("hex").GetString()!);
        Assert.True(RecordBatchHeader.TryRead(batch, out var header));
        Assert.True(RecordBatchHeader.HasValidCrc(batch));
        Assert.Equal(batch.Length, header.Size);
        Assert.Equal(expected.GetProperty("baseOffset").GetInt64(), header.BaseOffset);
        Assert.Equal(expected.GetProperty("lastOffset").GetInt64(), header.LastOffset);
        Assert.Equal(expected.GetProperty("crc").GetUInt32(), header.Crc);
        Assert.Equal(expected.GetProperty("producerId").GetInt64(), header.ProducerId);
        Assert.Equal(expected.GetProperty("maxTimestamp").GetInt64(), header.MaxTimestamp);
        Assert.Equal(expected.GetProperty("control").GetBoolean(), header.IsControl);
        Assert.Equal(expected.GetProperty("transactional").GetBoolean(), header.IsTransactional);
        ReadOnlyMemory<byte> records = batch.AsMemory(RecordBatchHeader.Bytes);
        if (header.Codec != CompressionCodec.None)
        {
            Assert.True(Compression.TryDecompress(header.Codec, records, out var unpacked));
            records = unpacked.ToArray();
        }

        var reader = new RecordReader(records.Span);
        foreach (var record in expected.GetProperty("records").EnumerateArray())
        {
            Assert.True(reader.TryRead(out var actual));
            Assert.Equal(record.GetProperty("offset").GetInt64(), header.BaseOffset + actual.OffsetDelta);
            AssertBytes(record.GetProperty("key"), actual.Key.ToArray(), actual.KeyIsNull);
            AssertBytes(record.GetProperty("value"), actual.Value.ToArray(), actual.ValueIsNull);
        }

        Assert.True(reader.IsAtEnd);
    }

    [Theory]
    [InlineData(CompressionCodec.None)]
    [InlineData(CompressionCodec.Gzip)]
    [InlineData(CompressionCodec.Snappy)]
    [InlineData(CompressionCodec.Lz4)]
    [InlineData(CompressionCodec.Zstd)]
    public void A_built_batch_passes_validation_unchanged_in_every_codec(CompressionCodec codec)
    {
        var batch = Batch(codec);
        var before = batch.ToArray();
        var validated = BatchValidator.Validate(batch, Rules, Now);
        Assert.Equal((ErrorCode.None, (string?)null), (validated.Error, validated.Message));
        Assert.Equal(before, validated.Batch.ToArray());
    }

    [Fact]
    public void A_flipped_bit_anywhere_behind_the_checksum_is_corrupt()
    {
        for (var position = 21; position < Batch().Length; position++)
        {
            var batch = Batch();
            batch[position] ^= 1;
            Assert.Equal(ErrorCode.CorruptMessage, BatchValidator.Validate(batch, Rules, Now).Error);
        }
    }

    [Fact]
    public void A_batch_cut_short_is_refused_at_every_length()
    {
        var batch = Batch();
        for (var length = 0; length < batch.Length; length++)
        {
            Assert.NotEqual(ErrorCode.None, BatchValidator.Validate(batch.AsMemory(0, length).ToArray(), Rules, Now).Error);
        }
    }

    [Fact]
    public void A_compacted_topic_refuses_records_without_a_key_and_says_which()
    {
        var batch = new RecordBatchBuilder().Add("k"u8.ToArray(), null, Now).Add(null, "v"u8.ToArray(), Now).Build();
        var validated = BatchValidator.Validate(batch, Rules with { Compacted = true }, Now);
        Assert.Equal(ErrorCode.InvalidRecord, validated.Error);
        Assert.Equal(1, Assert.Single(validated.RecordErrors!).BatchIndex);
    }

    [Fact]
    public void A_timestamp_too_far_ahead_is_refused_and_says_which()
    {
        var batch = new RecordBatchBuilder().Add(null, null, Now).Add(null, null, Now + 3_600_001).Build();
        var validated = BatchValidator.Validate(batch, Rules, Now);
        Assert.Equal(ErrorCode.InvalidTimestamp, validated.Error);
        Assert.Equal(1, Assert.Single(validated.RecordErrors!).BatchIndex);
    }

    [Fact]
    public void Log_append_time_is_stamped_and_the_checksum_follows()
    {
        var validated = BatchValidator.Validate(Batch(), Rules with { LogAppendTime = true }, Now + 7);
        Assert.Equal(Now + 7, validated.LogAppendTimeMs);
        Assert.True(RecordBatchHeader.TryRead(validated.Batch.Span, out var header) && header.IsLogAppendTime);
        Assert.Equal(Now + 7, header.MaxTimestamp);
        Assert.True(RecordBatchHeader.HasValidCrc(validated.Batch.Span));
    }

    [Fact]
    public void A_batch_is_recompressed_where_the_topic_asks_for_another_codec()
    {
        var validated = BatchValidator.Validate(Batch(CompressionCodec.Gzip), Rules with { TargetCodec = CompressionCodec.Zstd }, Now);
        Assert.True(RecordBatchHeader.TryRead(validated.Batch.Span, out var header));
        Assert.Equal(CompressionCodec.Zstd, header.Codec);
        Assert.Equal(ErrorCode.None, BatchValidator.Validate(validated.Batch, Rules, Now).Error);
    }

    [Fact]
    public void Random_bytes_never_throw()
    {
        var random = new Random(20261124);
        for (var round = 0; round < 20_000; round++)
        {
            var bytes = new byte[random.Next(200)];
            random.NextBytes(bytes);
            if (bytes.Length > 16)
            {
                bytes[16] = 2;
            }

            Assert.NotEqual(ErrorCode.None, BatchValidator.Validate(bytes, Rules, Now).Error);
        }
    }

    [Theory]
    [InlineData(CompressionCodec.Gzip)]
    [InlineData(CompressionCodec.Snappy)]
    [InlineData(CompressionCodec.Lz4)]
    [InlineData(CompressionCodec.Zstd)]
    public void Random_bytes_are_not_decompressed_and_never_throw(CompressionCodec codec)
    {
        var random = new Random(4711);
        for (var round = 0; round < 500; round++)
        {
            var bytes = Compression.Compress(codec, new byte[300]);
            bytes[random.Next(bytes.Length)] ^= (byte)(1 << random.Next(8));
            Compression.TryDecompress(codec, bytes, out var unpacked);
            Assert.True(unpacked.Length <= Compression.MaxDecompressedBytes);
        }
    }

    [Fact]
    public void Crc32c_has_its_check_value() => Assert.Equal(0xE3069283u, Crc32C.Compute("123456789"u8));

    private static byte[] Batch(CompressionCodec codec = CompressionCodec.None)
    {
        var builder = new RecordBatchBuilder(codec);
        for (var record = 0; record < 20; record++)
        {
            builder.Add(Encoding.UTF8.GetBytes($"key-{record}"), Encoding.UTF8.GetBytes($"value-{record}"), Now + record, [new("h", null), new("h", [1, 2])]);
        }

        return builder.Build();
    }

    private static void AssertBytes(JsonElement expected, byte[] actual, bool isNull)
    {
        Assert.Equal(expected.ValueKind == JsonValueKind.Null, isNull);
        if (!isNull)
        {
            Assert.Equal(expected.GetBytesFromBase64(), actual);
        }
    }
}
