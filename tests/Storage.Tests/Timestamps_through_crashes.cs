using Milena.Model;
using Milena.Testing;

namespace Milena.Storage.Tests;

/// <summary>Seeded runs with truncations and crashes: what is found by timestamp must follow from the records that the log holds.</summary>
public sealed class Timestamps_through_crashes
{
    private const int Steps = 60;
    private const int Timestamps = 1000;

    public static TheoryData<int> Seeds() => new(TestProfile.Seeds(usual: 30, nightly: 3_000));

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Lookups_find_what_a_search_of_all_records_finds(int seed)
    {
        var random = new Random(seed);
        var settings = new LogSettings { SegmentBytes = random.Next(400, 1500), IndexIntervalBytes = random.Next(300) };
        var fixture = new LogFixture(settings, seed);
        var epoch = 0;
        var checkpoint = 0L;
        for (var step = 0; step < Steps; step++)
        {
            switch (random.Next(10))
            {
                case < 5:
                    Append(fixture, random, epoch);
                    break;
                case 5:
                    fixture.Log.Roll();
                    break;
                case 6 or 7:
                    checkpoint = fixture.Log.Flush();
                    break;
                case 8:
                    var end = fixture.Log.LogEndOffset;
                    fixture.Log.TruncateTo(random.NextInt64(Math.Max(fixture.Log.LogStartOffset, end - 10), end + 1));
                    checkpoint = Math.Min(checkpoint, fixture.Log.LogEndOffset);
                    epoch++;
                    break;
                default:
                    fixture.CrashAndReopen(checkpoint);
                    checkpoint = fixture.Log.RecoveryPoint;
                    epoch++;
                    break;
            }
            AssertFindsAll(fixture.Log);
        }
    }

    /// <summary>The closing entry is written when the segment is sealed, and synced only with what follows.</summary>
    [Fact]
    public void A_sealed_segment_whose_last_time_index_entry_a_crash_took_is_still_searched()
    {
        var fixture = new LogFixture();
        fixture.Append(Batches.Plain(timestampMs: 500));
        var recoveryPoint = fixture.Log.Flush();
        fixture.Log.Roll();
        fixture.Append(Batches.Plain(timestampMs: 100));
        var timeIndex = LogFiles.Path(LogFixture.Folder, 0, LogFiles.TimeIndexSuffix);
        Assert.Equal(TimeIndex.EntryBytes, fixture.Disk.Content(timeIndex).Length);
        for (var start = 0; start < 2; start++)
        {
            fixture.Log.Dispose();
            // The second start finds what the first one made durable, and no longer looks below its recovery point.
            if (start == 0) fixture.Disk.SetContent(timeIndex, []);
            else fixture.Disk.Crash(fixture.Random);
            fixture.Replace(fixture.Open(cleanShutdown: false, recoveryPoint));
            Assert.Equal(new TimestampOffset(500, 0, 0), fixture.Log.FindByTimestamp(200, 100));
            Assert.Equal(new TimestampOffset(500, 0, 0), fixture.Log.FindMaxTimestamp());
            recoveryPoint = fixture.Log.LogEndOffset;
        }
    }

    [Fact]
    public void A_time_index_that_kept_what_a_truncation_took_is_rebuilt()
    {
        var fixture = new LogFixture(new LogSettings { IndexIntervalBytes = 0 });
        for (var i = 0; i < 5; i++) fixture.Append(Batches.Plain(timestampMs: 100 + i));
        fixture.Log.Flush();
        var timeIndex = LogFiles.Path(LogFixture.Folder, 0, LogFiles.TimeIndexSuffix);
        var kept = fixture.Disk.Content(timeIndex);
        fixture.Log.TruncateTo(3);
        fixture.Log.Roll();
        var truncated = fixture.Disk.Content(timeIndex);
        Assert.True(truncated.Length < kept.Length);
        fixture.Append(Batches.Plain(timestampMs: 50), leaderEpoch: 1);
        fixture.Log.Dispose();
        fixture.Disk.SetContent(timeIndex, kept);
        fixture.Replace(fixture.Open(cleanShutdown: false, recoveryPoint: 3));
        Assert.Equal(truncated, fixture.Disk.Content(timeIndex));
        Assert.Equal(new TimestampOffset(102, 2, 0), fixture.Log.FindMaxTimestamp());
    }

    private static void Append(LogFixture fixture, Random random, int leaderEpoch)
    {
        using var builder = new RecordBatchBuilder();
        for (var i = random.Next(1, 4); i > 0; i--) builder.Add(random.Next(Timestamps), null, new byte[random.Next(30)]);
        Assert.Equal(ErrorCode.None, fixture.Append(builder.Build(), leaderEpoch).Error);
    }

    private static void AssertFindsAll(Log log)
    {
        var records = new List<(long Timestamp, long Offset)>();
        LogReplay.Run(log, log.LogStartOffset, log.LogEndOffset, (in header, in record) =>
            records.Add((header.BaseTimestamp + record.TimestampDelta, header.BaseOffset + record.OffsetDelta)));
        for (var timestamp = 0; timestamp <= Timestamps; timestamp += 50)
        {
            var found = log.FindByTimestamp(timestamp, long.MaxValue);
            Assert.Equal(records.FirstOrDefault(record => record.Timestamp >= timestamp, (-1, -1)), (found.TimestampMs, found.Offset));
        }
        var latest = log.FindMaxTimestamp();
        Assert.Equal(records.OrderByDescending(record => record.Timestamp).FirstOrDefault((-1, -1)), (latest.TimestampMs, latest.Offset));
    }
}
