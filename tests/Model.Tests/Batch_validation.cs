using System.Buffers.Binary;

namespace Milena.Model.Tests;

public sealed class Batch_validation
{
    private const long Now = 1_700_000_000_000;

    public static TheoryData<CompressionCodec> Codecs() => new(Enum.GetValues<CompressionCodec>());

    [Theory]
    [MemberData(nameof(Codecs))]
    public void A_sound_batch_passes_untouched(CompressionCodec codec)
    {
        var batch = Batch(codec);
        var before = batch.ToArray();
        var result = BatchValidator.Validate(batch, Rules());
        Assert.True(result.IsValid, result.Message);
        Assert.Equal((Now + 20, 2, 4), (result.MaxTimestamp, result.OffsetDeltaOfMaxTimestamp, result.RecordCount));
        Assert.Null(result.RecordErrors);
        Assert.Null(result.Replacement);
        Assert.Equal(before, batch);
    }

    [Theory]
    [MemberData(nameof(Codecs))]
    public void A_wrong_maximum_timestamp_is_corrected(CompressionCodec codec)
    {
        var batch = Batch(codec);
        var sound = batch.ToArray();
        RecordBatchHeader.SetMaxTimestamp(batch, 77);
        Assert.True(BatchValidator.Validate(batch, Rules()).IsValid);
        Assert.Equal(sound, batch);
    }

    [Theory]
    [MemberData(nameof(Codecs))]
    public void Log_append_time_is_stamped(CompressionCodec codec)
    {
        var batch = Batch(codec);
        var result = BatchValidator.Validate(batch, Rules() with { TimestampType = TimestampType.LogAppendTime, NowMs = Now + 5000 });
        Assert.True(result.IsValid);
        Assert.Equal((Now + 5000, 3), (result.MaxTimestamp, result.OffsetDeltaOfMaxTimestamp));
        RecordBatchHeader.TryRead(batch, out var header);
        Assert.Equal((TimestampType.LogAppendTime, Now + 5000), (header.TimestampType, header.MaxTimestamp));
        Assert.Equal(RecordBatchHeader.ComputeCrc(batch), header.Crc);
        Assert.Equal(codec, header.Codec);
    }

    [Theory]
    [MemberData(nameof(Codecs))]
    public void A_topic_with_its_own_codec_gets_a_recompressed_batch(CompressionCodec codec)
    {
        foreach (var target in Enum.GetValues<CompressionCodec>())
        {
            var batch = Batch(codec);
            var result = BatchValidator.Validate(batch, Rules() with { TargetCodec = target });
            Assert.True(result.IsValid, result.Message);
            Assert.Equal(target == codec, result.Replacement is null);
            if (result.Replacement is not { } replacement) continue;
            var again = BatchValidator.Validate(replacement.Span, Rules());
            Assert.True(again.IsValid, again.Message);
            RecordBatchHeader.TryRead(replacement.Span, out var header);
            Assert.Equal((target, 4, Now + 20), (header.Codec, header.RecordCount, header.MaxTimestamp));
            replacement.Dispose();
        }
    }

    [Theory]
    [MemberData(nameof(Codecs))]
    public void Any_flipped_byte_after_the_crc_is_corrupt(CompressionCodec codec)
    {
        for (var at = RecordBatchHeader.CrcAt; at < Batch(codec).Length; at++)
        {
            var batch = Batch(codec);
            batch[at] ^= 0x40;
            Assert.Equal(ErrorCode.CorruptMessage, BatchValidator.Validate(batch, Rules()).Error);
        }
    }

    [Fact]
    public void Short_long_and_cut_batches_are_corrupt()
    {
        var batch = Batch(CompressionCodec.None);
        for (var length = 0; length < batch.Length; length++)
        {
            Assert.Equal(ErrorCode.CorruptMessage, BatchValidator.Validate(batch.AsSpan(0, length), Rules()).Error);
        }
        Assert.Equal(ErrorCode.CorruptMessage, BatchValidator.Validate([.. batch, 0], Rules()).Error);
    }

    [Theory]
    [InlineData(0, ErrorCode.InvalidRecord)]
    [InlineData(1, ErrorCode.InvalidRecord)]
    [InlineData(3, ErrorCode.CorruptMessage)]
    [InlineData(255, ErrorCode.CorruptMessage)]
    public void Other_magics_are_refused(byte magic, ErrorCode expected)
    {
        var batch = Batch(CompressionCodec.None);
        batch[RecordBatchHeader.MagicAt] = magic;
        Assert.Equal(expected, BatchValidator.Validate(batch, Rules()).Error);
    }

    [Fact]
    public void The_size_limit_counts_the_header()
    {
        var batch = Batch(CompressionCodec.None);
        Assert.True(BatchValidator.Validate(batch, Rules() with { MaxMessageBytes = batch.Length }).IsValid);
        Assert.Equal(ErrorCode.MessageTooLarge, BatchValidator.Validate(batch, Rules() with { MaxMessageBytes = batch.Length - 1 }).Error);
    }

    [Theory]
    [InlineData(RecordBatchHeader.RecordCountAt, 3)]
    [InlineData(RecordBatchHeader.RecordCountAt, 5)]
    [InlineData(RecordBatchHeader.RecordCountAt, 0)]
    [InlineData(RecordBatchHeader.RecordCountAt, -1)]
    [InlineData(RecordBatchHeader.LastOffsetDeltaAt, -1)]
    [InlineData(RecordBatchHeader.LastOffsetDeltaAt, int.MaxValue)]
    [InlineData(RecordBatchHeader.LastOffsetDeltaAt, int.MinValue)]
    public void Counts_that_disagree_are_invalid_records(int at, int value) =>
        Assert.Equal(ErrorCode.InvalidRecord, Changed(batch => BinaryPrimitives.WriteInt32BigEndian(batch.AsSpan(at), value)));

    [Theory]
    [InlineData(5)]
    [InlineData(3)]
    public void A_count_and_offset_range_that_only_agree_with_each_other_are_invalid(int count) =>
        Assert.Equal(ErrorCode.InvalidRecord, Changed(batch =>
        {
            BinaryPrimitives.WriteInt32BigEndian(batch.AsSpan(RecordBatchHeader.RecordCountAt), count);
            BinaryPrimitives.WriteInt32BigEndian(batch.AsSpan(RecordBatchHeader.LastOffsetDeltaAt), count - 1);
        }));

    [Fact]
    public void Clients_may_not_send_control_batches_nor_base_offsets_nor_half_a_producer()
    {
        Assert.Equal(ErrorCode.InvalidRecord, Changed(batch => batch[RecordBatchHeader.AttributesAt + 1] |= 0x20));
        Assert.Equal(ErrorCode.InvalidRecord, Changed(batch => RecordBatchHeader.SetBaseOffset(batch, 1)));
        Assert.Equal(ErrorCode.InvalidRecord, Changed(batch => batch.AsSpan(RecordBatchHeader.ProducerIdAt, 8).Clear()));
        Assert.Equal(ErrorCode.InvalidRecord, Changed(batch => batch[RecordBatchHeader.AttributesAt + 1] |= 0x07));
    }

    [Fact]
    public void An_undecodable_payload_is_corrupt() =>
        Assert.Equal(ErrorCode.CorruptMessage, Changed(batch => batch[RecordBatchHeader.AttributesAt + 1] |= (byte)CompressionCodec.Gzip));

    [Fact]
    public void A_gap_in_the_offset_deltas_is_invalid()
    {
        var batch = Batch(CompressionCodec.None);
        var first = batch[RecordBatchHeader.Size] >> 1;
        // length, attributes, timestamp delta (0), offset delta: the second record's stands after two one-byte varints of its body
        var second = RecordBatchHeader.Size + 1 + first;
        batch[second + 3] = 4;
        RecordBatchHeader.SetCrc(batch);
        Assert.Equal(ErrorCode.InvalidRecord, BatchValidator.Validate(batch, Rules()).Error);
    }

    [Fact]
    public void Null_keys_are_named_one_by_one_on_compacted_topics()
    {
        var batch = Batch(CompressionCodec.Zstd);
        var result = BatchValidator.Validate(batch, Rules() with { Compacted = true });
        Assert.Equal(ErrorCode.InvalidRecord, result.Error);
        Assert.Equal([1, 3], result.RecordErrors!.Select(error => error.BatchIndex));
    }

    [Fact]
    public void Timestamps_too_far_from_now_are_named_one_by_one()
    {
        var result = BatchValidator.Validate(Batch(CompressionCodec.None), Rules() with { TimestampAfterMaxMs = 9, TimestampBeforeMaxMs = 4 });
        Assert.Equal(ErrorCode.InvalidTimestamp, result.Error);
        Assert.Equal([1, 2, 3], result.RecordErrors!.Select(error => error.BatchIndex));
        var wider = Rules() with { TimestampAfterMaxMs = 20, TimestampBeforeMaxMs = 5 };
        Assert.True(BatchValidator.Validate(Batch(CompressionCodec.None), wider).IsValid);
    }

    [Fact]
    public void A_producer_may_not_claim_log_append_time_without_timestamps()
    {
        using var builder = new RecordBatchBuilder { TimestampType = TimestampType.LogAppendTime };
        var batch = builder.Add(-1, null, null).Build();
        Assert.Equal(ErrorCode.InvalidTimestamp, BatchValidator.Validate(batch, Rules()).Error);
    }

    [Fact]
    public void Random_damage_with_a_right_crc_never_throws()
    {
        var random = new Random(1);
        var accepted = 0;
        for (var round = 0; round < 20_000; round++)
        {
            var batch = Batch((CompressionCodec)random.Next(5));
            for (var flips = random.Next(1, 4); flips > 0; flips--)
            {
                batch[random.Next(RecordBatchHeader.AttributesAt, batch.Length)] = (byte)random.Next(256);
            }
            RecordBatchHeader.SetCrc(batch);
            var result = BatchValidator.Validate(batch, Rules() with { MaxDecompressedBytes = 1 << 20 });
            if (result.IsValid) accepted++;
            else Assert.NotEmpty(result.Message!);
        }
        Assert.InRange(accepted, 1, 19_999);
    }

    private static BatchRules Rules() => new() { NowMs = Now };

    private static ErrorCode Changed(Action<byte[]> change)
    {
        var batch = Batch(CompressionCodec.None);
        change(batch);
        RecordBatchHeader.SetCrc(batch);
        return BatchValidator.Validate(batch, Rules()).Error;
    }

    private static byte[] Batch(CompressionCodec codec)
    {
        using var builder = new RecordBatchBuilder { Codec = codec };
        return builder
            .Add(Now, "a"u8.ToArray(), "value"u8.ToArray())
            .Add(Now + 10, null, "value"u8.ToArray(), [KeyValuePair.Create<string, byte[]?>("h", null)])
            .Add(Now + 20, "c"u8.ToArray(), null)
            .Add(Now - 5, null, [])
            .Build();
    }
}
