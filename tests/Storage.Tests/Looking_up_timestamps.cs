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
        var max = records.Where(record => record.Offset >= fixture.Log.FirstSegmentOffset).Max(record => record.Timestamp);
        Assert.Equal(max, fixture.Log.FindMaxTimestamp().TimestampMs);
        var offset = fixture.Log.FindMaxTimestamp().Offset;
        Assert.Contains((max, offset), records);
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
}
