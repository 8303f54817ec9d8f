using Milena.Model;
using Milena.Testing;

namespace Milena.Storage.Tests;

public sealed class Looking_up_timestamps
{
    public static TheoryData<int> Seeds() => new(TestProfile.Seeds(usual: 12, nightly: 1_200));

    [Theory]
    [MemberData(nameof(Seeds))]
    public void The_first_record_at_or_after_a_time_is_the_one_that_a_search_of_all_records_finds(int seed)
    {
        var random = new Random(seed);
        var fixture = new LogFixture(new LogSettings { SegmentBytes = 900, IndexIntervalBytes = random.Next(300) });
        var records = new List<(long Timestamp, long Offset)>();
        for (var i = 0; i < 60; i++) AppendRandom(fixture, random, records);
        var start = random.Next(40);
        fixture.Log.AdvanceLogStartOffset(start);
        if (seed % 2 == 0) fixture.Reopen();
        var limit = fixture.Log.LogEndOffset - random.Next(20);
        for (var timestamp = 0L; timestamp < 1100; timestamp += 7)
        {
            var expected = records.FirstOrDefault(record => record.Timestamp >= timestamp && record.Offset >= start, (-1, -1));
            if (expected.Offset >= limit) expected = (-1, -1);
            var found = fixture.Log.FindByTimestamp(timestamp, limit);
            Assert.Equal(expected, (found.TimestampMs, found.Offset));
        }
        var latest = records.Where(record => record.Offset >= start).OrderByDescending(record => record.Timestamp).First();
        var max = fixture.Log.FindMaxTimestamp();
        Assert.Equal(latest, (max.TimestampMs, max.Offset));
    }

    [Theory]
    [InlineData(CompressionCodec.None)]
    [InlineData(CompressionCodec.Lz4)]
    public void The_latest_record_is_one_that_the_log_still_has(CompressionCodec codec)
    {
        var fixture = new LogFixture(new LogSettings { IndexIntervalBytes = 0 });
        AppendBatch(fixture, codec, 900, 100);
        AppendBatch(fixture, codec, 800, 300, 200, 300);
        AppendBatch(fixture, codec, 250, 280);
        fixture.Log.Roll();
        AppendBatch(fixture, codec, 270, 260, 270);
        fixture.Log.Roll();
        AppendBatch(fixture, codec, 240);
        foreach (var (start, timestamp, offset) in (ReadOnlySpan<(int, int, int)>)
            [(0, 900, 0), (1, 800, 2), (2, 800, 2), (3, 300, 3), (4, 300, 5), (6, 280, 7), (8, 270, 8), (9, 270, 10), (11, 240, 11)])
        {
            fixture.Log.AdvanceLogStartOffset(start);
            Assert.Equal(new TimestampOffset(timestamp, offset, 0), fixture.Log.FindMaxTimestamp());
        }
        fixture.Log.AdvanceLogStartOffset(12);
        Assert.Equal(TimestampOffset.None, fixture.Log.FindMaxTimestamp());
    }

    [Fact]
    public void The_latest_record_is_found_in_another_segment_when_the_log_starts_behind_that_of_the_latest_one()
    {
        var fixture = new LogFixture();
        AppendBatch(fixture, CompressionCodec.None, 900);
        AppendBatch(fixture, CompressionCodec.None, 100);
        fixture.Log.Roll();
        AppendBatch(fixture, CompressionCodec.None, 200, 500);
        fixture.Log.Roll();
        AppendBatch(fixture, CompressionCodec.None, 500, 400);
        fixture.Log.AdvanceLogStartOffset(1);
        Assert.Equal((0L, 3), (fixture.Log.FirstSegmentOffset, fixture.Log.SegmentCount));
        Assert.Equal(new TimestampOffset(500, 3, 0), fixture.Log.FindMaxTimestamp());
    }

    [Fact]
    public void The_latest_record_takes_a_few_reads_though_the_log_starts_within_a_segment()
    {
        var fixture = new LogFixture(new LogSettings { IndexIntervalBytes = 500 });
        for (var i = 0; i < 500; i++) AppendBatch(fixture, CompressionCodec.None, i, i);
        fixture.Log.AdvanceLogStartOffset(11);
        var reads = 0;
        fixture.Disk.Fault = (operation, _) => reads += operation == DiskOperation.Read ? 1 : 0;
        Assert.Equal(new TimestampOffset(499, 998, 0), fixture.Log.FindMaxTimestamp());
        Assert.Equal(2, reads);
    }

    [Fact]
    public void Of_log_append_times_the_latest_is_that_of_the_first_record_at_the_logs_start()
    {
        var fixture = new LogFixture();
        foreach (var time in (long[])[700, 500])
        {
            var batch = Batches.Plain(5);
            RecordBatchHeader.StampLogAppendTime(batch, time);
            fixture.Append(batch);
        }
        fixture.Log.AdvanceLogStartOffset(3);
        Assert.Equal(new TimestampOffset(700, 3, 0), fixture.Log.FindMaxTimestamp());
        fixture.Log.AdvanceLogStartOffset(7);
        Assert.Equal(new TimestampOffset(500, 7, 0), fixture.Log.FindMaxTimestamp());
    }

    [Fact]
    public void An_empty_log_has_no_timestamps()
    {
        var fixture = new LogFixture();
        Assert.Equal(TimestampOffset.None, fixture.Log.FindByTimestamp(0, 100));
        Assert.Equal(TimestampOffset.None, fixture.Log.FindMaxTimestamp());
    }

    [Fact]
    public void Log_append_time_holds_for_every_record_of_its_batch()
    {
        var fixture = new LogFixture();
        var batch = Batches.Plain(5, timestampMs: 10);
        RecordBatchHeader.StampLogAppendTime(batch, 500);
        var result = fixture.Append(batch, leaderEpoch: 4);
        Assert.Equal(500, result.LogAppendTimeMs);
        Assert.Equal(new TimestampOffset(500, 0, 4), fixture.Log.FindByTimestamp(300, 100));
        Assert.Equal(TimestampOffset.None, fixture.Log.FindByTimestamp(501, 100));
    }

    private static void AppendRandom(LogFixture fixture, Random random, List<(long Timestamp, long Offset)> records)
    {
        using var builder = new RecordBatchBuilder { Codec = (CompressionCodec)random.Next(5) };
        for (var i = random.Next(1, 6); i > 0; i--)
        {
            var timestamp = random.Next(1000);
            records.Add((timestamp, records.Count));
            builder.Add(timestamp, null, new byte[random.Next(30)]);
        }
        fixture.Append(builder.Build());
    }

    private static void AppendBatch(LogFixture fixture, CompressionCodec codec, params ReadOnlySpan<long> timestamps)
    {
        using var builder = new RecordBatchBuilder { Codec = codec };
        foreach (var timestamp in timestamps) builder.Add(timestamp, null, new byte[20]);
        fixture.Append(builder.Build());
    }
}
