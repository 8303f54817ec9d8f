using Milena.Model;
using Milena.Testing;

namespace Milena.Storage.Tests;

public sealed class Appending_and_reading
{
    [Fact]
    public void A_batch_reads_back_with_its_offset_and_epoch_and_otherwise_as_it_was_sent()
    {
        var fixture = new LogFixture();
        fixture.Append(Batches.Plain(3));
        var sent = Batches.Plain(5);
        var original = sent.ToArray();
        var result = fixture.Append(sent, leaderEpoch: 7);
        Assert.Equal((ErrorCode.None, 3L, 7L), (result.Error, result.BaseOffset, result.LastOffset));
        Assert.Equal(8, fixture.Log.LogEndOffset);

        using var slice = fixture.Log.Read(3, long.MaxValue, 1 << 20, true, out var info)!;
        var read = slice.ToArray();
        RecordBatchHeader.TryRead(read, out var header);
        Assert.Equal((3L, 7), (header.BaseOffset, header.LeaderEpoch));
        Assert.Equal(original[RecordBatchHeader.MagicAt..], read[RecordBatchHeader.MagicAt..]);
        Assert.Equal(new LogPosition(3, 0, Batches.Plain(3).Length), info.Start);
        Assert.Equal(read.Length, info.FirstBatchBytes);
    }

    [Fact]
    public void Any_offset_within_a_batch_gives_the_whole_batch()
    {
        var fixture = new LogFixture();
        fixture.Append(Batches.Plain(3));
        fixture.Append(Batches.Plain(3));
        using var slice = fixture.Log.Read(4, long.MaxValue, 1 << 20, true, out var info)!;
        Assert.Equal(3, info.Start.Offset);
    }

    [Fact]
    public void Offsets_outside_the_log_are_out_of_range_and_its_end_is_not()
    {
        var fixture = new LogFixture();
        fixture.Append(Batches.Plain(3));
        Assert.Null(fixture.Log.Read(3, long.MaxValue, 100, true, out var atEnd));
        Assert.Equal(ErrorCode.None, atEnd.Error);
        Assert.Null(fixture.Log.Read(4, long.MaxValue, 100, true, out var above));
        Assert.Equal(ErrorCode.OffsetOutOfRange, above.Error);
        Assert.Null(fixture.Log.Read(-1, long.MaxValue, 100, true, out var below));
        Assert.Equal(ErrorCode.OffsetOutOfRange, below.Error);
    }

    [Fact]
    public void Nothing_from_the_maximum_offset_on_is_returned()
    {
        var fixture = new LogFixture(new LogSettings { SegmentBytes = 400, IndexIntervalBytes = 100 });
        for (var i = 0; i < 50; i++) fixture.Append(Batches.Plain(1 + (i % 3)));
        var boundaries = LogFixture.Headers(LogFixture.ReadAll(fixture.Log)).Select(header => header.BaseOffset).ToList();
        foreach (var max in boundaries)
        {
            var read = LogFixture.Headers(LogFixture.ReadAll(fixture.Log, until: max));
            Assert.Equal(max, read.Count == 0 ? 0 : read[^1].NextOffset);
        }
    }

    [Fact]
    public void The_first_batch_comes_whole_only_when_asked_for()
    {
        var fixture = new LogFixture();
        var length = Batches.Plain(10).Length;
        fixture.Append(Batches.Plain(10));
        using (var whole = fixture.Log.Read(0, long.MaxValue, 5, true, out _)) Assert.Equal(length, whole!.Length);
        using (var cut = fixture.Log.Read(0, long.MaxValue, 5, false, out _)) Assert.Equal(5, cut!.Length);
        Assert.Null(fixture.Log.Read(0, long.MaxValue, 0, false, out _));
    }

    [Fact]
    public void A_full_segment_rolls_and_reading_goes_on_over_the_boundary()
    {
        var fixture = new LogFixture(new LogSettings { SegmentBytes = 500, IndexIntervalBytes = 50 });
        var sent = new List<byte>();
        for (var i = 0; i < 40; i++)
        {
            var batch = Batches.Plain(2, valueBytes: i);
            fixture.Append(batch, leaderEpoch: i / 10);
            sent.AddRange(batch);
        }
        Assert.InRange(fixture.Log.SegmentCount, 8, 40);
        Assert.Equal(sent, LogFixture.ReadAll(fixture.Log));
        Assert.Equal(sent.Count, fixture.Log.SizeInBytes);
        for (var offset = 0; offset < 80; offset++)
        {
            using var slice = fixture.Log.Read(offset, long.MaxValue, 10, true, out var info);
            Assert.Equal(offset / 2 * 2, info.Start.Offset);
        }
        EpochStart[] epochs = [new(0, 0), new(1, 20), new(2, 40), new(3, 60)];
        Assert.Equal(epochs, fixture.Log.LeaderEpochs.Starts.ToList());
    }

    [Fact]
    public void A_batch_larger_than_a_segment_is_refused_and_bytes_that_are_no_batch_too()
    {
        var fixture = new LogFixture(new LogSettings { SegmentBytes = 100 });
        Assert.Equal(ErrorCode.RecordListTooLarge, fixture.Append(Batches.Plain(10)).Error);
        Assert.Equal(ErrorCode.CorruptMessage, fixture.Append(new byte[70]).Error);
        Assert.Equal(ErrorCode.CorruptMessage, fixture.Append([]).Error);
        Assert.Equal(0, fixture.Log.LogEndOffset);
    }

    [Fact]
    public void A_segment_rolls_when_its_time_is_over()
    {
        var fixture = new LogFixture(new LogSettings { SegmentMs = 1000 });
        fixture.Append(Batches.Plain(timestampMs: 5000));
        fixture.Append(Batches.Plain(timestampMs: 6000));
        Assert.Equal(1, fixture.Log.SegmentCount);
        fixture.Append(Batches.Plain(timestampMs: 6001));
        Assert.Equal(2, fixture.Log.SegmentCount);
    }

    [Fact]
    public void A_closed_log_opens_and_continues()
    {
        var fixture = new LogFixture(new LogSettings { SegmentBytes = 500, IndexIntervalBytes = 50 });
        for (var i = 0; i < 20; i++) fixture.Append(Batches.Plain(2), leaderEpoch: 1);
        var before = LogFixture.ReadAll(fixture.Log);
        var log = fixture.Reopen();
        Assert.True(log.Recovery.IsClean);
        Assert.Equal(0, log.Recovery.SegmentsChecked);
        Assert.Equal((40L, 40L), (log.LogEndOffset, log.RecoveryPoint));
        Assert.Equal(before, LogFixture.ReadAll(log));
        Assert.Equal(40, fixture.Append(Batches.Plain(), leaderEpoch: 2).BaseOffset);
        Assert.Equal(before.Length + Batches.Plain().Length, LogFixture.ReadAll(log).Length);
    }

    [Fact]
    public void A_follower_stores_the_leaders_bytes_and_leaves_a_cut_batch_out()
    {
        var leader = new LogFixture(new LogSettings { SegmentBytes = 700 });
        for (var i = 0; i < 30; i++) leader.Append(Batches.Plain(3, valueBytes: i), leaderEpoch: i / 7);
        var all = LogFixture.ReadAll(leader.Log);
        var follower = new LogFixture(new LogSettings { SegmentBytes = 500 });
        for (var offset = 0L; offset < leader.Log.LogEndOffset; offset = follower.Log.LogEndOffset)
        {
            using var slice = leader.Log.Read(offset, long.MaxValue, 450, true, out _)!;
            Assert.Equal(ErrorCode.None, follower.Log.AppendAsFollower(slice.ToArray()).Error);
        }
        Assert.Equal(all, LogFixture.ReadAll(follower.Log));
        Assert.Equal(leader.Log.LeaderEpochs.Starts.ToList(), follower.Log.LeaderEpochs.Starts.ToList());
        Assert.Equal(ErrorCode.CorruptMessage, follower.Log.AppendAsFollower(all[..200]).Error);
    }
}
