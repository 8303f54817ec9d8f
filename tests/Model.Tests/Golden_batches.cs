namespace Milena.Model.Tests;

public sealed class Golden_batches
{
    public static TheoryData<string> Names() => GoldenBatch.Names();

    [Fact]
    public void All_37_are_there() => Assert.Equal(37, GoldenBatch.All.Count);

    [Theory]
    [MemberData(nameof(Names))]
    public void Header_and_crc_read_back(string name)
    {
        var golden = GoldenBatch.Named(name);
        var bytes = golden.Bytes;
        Assert.Equal(ErrorCode.None, RecordBatchHeader.TryRead(bytes, out var header));
        Assert.Equal(golden.BaseOffset, header.BaseOffset);
        Assert.Equal(golden.LastOffset, header.LastOffset);
        Assert.Equal(golden.LeaderEpoch, header.LeaderEpoch);
        Assert.Equal(golden.Crc, header.Crc);
        Assert.Equal(golden.Crc, RecordBatchHeader.ComputeCrc(bytes));
        Assert.Equal(golden.ProducerId, header.ProducerId);
        Assert.Equal(golden.ProducerEpoch, header.ProducerEpoch);
        Assert.Equal(golden.BaseSequence, header.BaseSequence);
        Assert.Equal(golden.MaxTimestamp, header.MaxTimestamp);
        Assert.Equal(golden.TimestampType, header.TimestampType.ToString());
        Assert.Equal(golden.Transactional, header.IsTransactional);
        Assert.Equal(golden.Control, header.IsControl);
        Assert.Equal(golden.Records.Count, header.RecordCount);
        Assert.Equal(bytes.Length, header.SizeInBytes);
        var rewritten = new byte[RecordBatchHeader.Size];
        header.Write(rewritten);
        Assert.Equal(bytes[..RecordBatchHeader.Size], rewritten);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Records_read_back(string name)
    {
        var golden = GoldenBatch.Named(name);
        AssertHolds(golden, golden.Bytes);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void The_builder_writes_them_again(string name)
    {
        var golden = GoldenBatch.Named(name);
        RecordBatchHeader.TryRead(golden.Bytes, out var header);
        using var builder = new RecordBatchBuilder
        {
            BaseOffset = header.BaseOffset,
            LeaderEpoch = header.LeaderEpoch,
            Codec = header.Codec,
            TimestampType = header.TimestampType,
            LogAppendTimeMs = header.MaxTimestamp,
            ProducerId = header.ProducerId,
            ProducerEpoch = header.ProducerEpoch,
            BaseSequence = header.BaseSequence,
            IsTransactional = header.IsTransactional,
            IsControl = header.IsControl,
        };
        foreach (var (record, view) in golden.Records.Zip(OwnTimestamps(golden.Bytes)))
        {
            builder.Add(view, record.Key, record.Value, record.ReadHeaders());
        }
        var built = builder.Build();
        // Compressors of different makers choose different bytes for the same records.
        if (header.Codec == CompressionCodec.None) Assert.Equal(golden.Hex, Convert.ToHexStringLower(built));
        AssertHolds(golden, built);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void The_validator_accepts_them_from_a_coordinator_and_leaves_them_as_they_are(string name)
    {
        var golden = GoldenBatch.Named(name);
        var bytes = golden.Bytes;
        // Only a broker may say LogAppendTime, and it does so after this check.
        if (golden.TimestampType == "LogAppendTime")
        {
            var appendTime = new BatchRules { NowMs = golden.MaxTimestamp, TimestampType = TimestampType.LogAppendTime, FromCoordinator = true };
            Assert.Equal(ErrorCode.InvalidTimestamp, BatchValidator.Validate(bytes, appendTime).Error);
            return;
        }
        var result = BatchValidator.Validate(bytes, new BatchRules { NowMs = golden.MaxTimestamp, FromCoordinator = true });
        Assert.Equal((ErrorCode.None, null), (result.Error, result.Message));
        Assert.Equal((golden.MaxTimestamp, golden.Records.Count), (result.MaxTimestamp, result.RecordCount));
        Assert.Equal(golden.Hex, Convert.ToHexStringLower(bytes));
    }

    // With LogAppendTime the stored deltas are still the senders' own; what readers see is the batch's maximum timestamp.
    private static List<long> OwnTimestamps(byte[] batch)
    {
        RecordBatchHeader.TryRead(batch, out var header);
        Assert.True(Compression.TryDecompress(header.Codec, batch.AsSpan(RecordBatchHeader.Size), 1 << 20, out var plain, out _));
        using var records = plain!;
        var reader = new RecordReader(records.Span);
        var timestamps = new List<long>();
        while (reader.TryRead(out var record)) timestamps.Add(header.BaseTimestamp + record.TimestampDelta);
        return timestamps;
    }

    private static void AssertHolds(GoldenBatch golden, byte[] batch)
    {
        RecordBatchHeader.TryRead(batch, out var header);
        Assert.True(
            Compression.TryDecompress(header.Codec, batch.AsSpan(RecordBatchHeader.Size), 1 << 20, out var plain, out var reason), reason);
        using var records = plain!;
        var reader = new RecordReader(records.Span);
        foreach (var expected in golden.Records)
        {
            Assert.True(reader.TryRead(out var record));
            Assert.Equal(expected.Offset, header.BaseOffset + record.OffsetDelta);
            var timestamp = header.TimestampType == TimestampType.LogAppendTime
                ? header.MaxTimestamp
                : header.BaseTimestamp + record.TimestampDelta;
            Assert.Equal(expected.Timestamp, timestamp);
            Assert.Equal(expected.Key, record.HasKey ? record.Key.ToArray() : null);
            Assert.Equal(expected.Value, record.HasValue ? record.Value.ToArray() : null);
            var headers = record.Headers;
            Assert.Equal(expected.Headers.Count, record.HeaderCount);
            foreach (var expectedHeader in expected.ReadHeaders())
            {
                Assert.True(headers.TryRead(out var key, out var hasValue, out var value));
                Assert.Equal(expectedHeader.Key, System.Text.Encoding.UTF8.GetString(key));
                Assert.Equal(expectedHeader.Value, hasValue ? value.ToArray() : null);
            }
            Assert.False(headers.TryRead(out _, out _, out _));
        }
        Assert.True(reader.AtEnd);
        Assert.False(reader.TryRead(out _));
        Assert.False(reader.Failed);
    }
}
