using Milena.Model;
using Milena.Testing;

namespace Milena.Storage.Tests;

public sealed class Retention_and_truncation
{
    private static readonly LogSettings Small = new() { SegmentBytes = 300, IndexIntervalBytes = 50, RetentionMs = LogSettings.Unlimited };

    [Fact]
    public void A_truncation_at_the_end_forgets_an_epoch_that_wrote_nothing()
    {
        var fixture = new LogFixture();
        fixture.Append(Batches.Plain(5), leaderEpoch: 1);
        fixture.Log.AssignLeaderEpoch(3);
        Assert.Equal(3, fixture.Log.LeaderEpochs.Latest);
        Assert.False(fixture.Log.TruncateTo(5));
        Assert.Equal(1, fixture.Log.LeaderEpochs.Latest);
        Assert.Equal(new EpochEnd(1, 5), fixture.Log.EndOffsetForEpoch(1));
    }

    [Fact]
    public void A_follower_takes_no_batch_of_a_later_epoch_than_its_leaders_nor_of_an_earlier_one_than_its_last()
    {
        var leader = new LogFixture();
        leader.Append(Batches.Plain(2), leaderEpoch: 1);
        leader.Append(Batches.Plain(2), leaderEpoch: 2);
        leader.Append(Batches.Plain(2), leaderEpoch: 4);
        var all = LogFixture.ReadAll(leader.Log);

        var follower = new LogFixture();
        Assert.Equal(ErrorCode.None, follower.Log.AppendAsFollower(all, leaderEpoch: 2).Error);
        Assert.Equal(4, follower.Log.LogEndOffset);
        var later = LogFixture.ReadAll(leader.Log, from: 4);
        Assert.Equal(ErrorCode.UnknownLeaderEpoch, follower.Log.AppendAsFollower(later, leaderEpoch: 3).Error);
        Assert.Equal(ErrorCode.None, follower.Log.AppendAsFollower(later, leaderEpoch: 4).Error);

        leader.Append(Batches.Plain(2), leaderEpoch: 3);
        Assert.Equal(ErrorCode.CorruptMessage, follower.Log.AppendAsFollower(LogFixture.ReadAll(leader.Log, from: 6), leaderEpoch: 5).Error);
        Assert.Equal(6, follower.Log.LogEndOffset);
    }

    [Fact]
    public void Segments_older_than_the_retention_time_go_but_not_beyond_the_high_watermark()
    {
        var fixture = Filled(Small with { RetentionMs = 1000 }, batches: 20);
        Assert.Equal(0, fixture.Log.DeleteExpiredSegments(highWatermark: 20));
        fixture.Time.AdvanceMs(1001);
        var segments = fixture.Log.SegmentCount;
        Assert.Equal(2, fixture.Log.DeleteExpiredSegments(highWatermark: 7));
        Assert.Equal(segments - 2, fixture.Log.SegmentCount);
        Assert.Equal((6L, 20L), (fixture.Log.LogStartOffset, fixture.Log.LogEndOffset));
        Assert.Equal(segments - 2, fixture.Log.DeleteExpiredSegments(highWatermark: 20));
        Assert.Equal((20L, 20L, 1), (fixture.Log.LogStartOffset, fixture.Log.LogEndOffset, fixture.Log.SegmentCount));
        Assert.Equal(20, fixture.Append(Batches.Plain()).BaseOffset);
    }

    [Fact]
    public void The_oldest_segments_go_while_the_log_is_larger_than_its_retention_size()
    {
        var fixture = Filled(Small with { RetentionBytes = 700 }, batches: 20);
        fixture.Log.DeleteExpiredSegments(highWatermark: 20);
        Assert.InRange(fixture.Log.SizeInBytes, 700, 999);
        Assert.Equal(0, fixture.Log.DeleteExpiredSegments(highWatermark: 20));
        Assert.Equal(fixture.Log.FirstSegmentOffset, fixture.Log.LogStartOffset);
    }

    [Fact]
    public void An_empty_cleanup_policy_keeps_records_for_ever()
    {
        var fixture = Filled(Small with { RetentionBytes = 0, RetentionMs = 1, CleanupPolicy = CleanupPolicies.None }, batches: 20);
        fixture.Time.AdvanceMs(1_000_000);
        Assert.Equal(0, fixture.Log.DeleteExpiredSegments(highWatermark: 20));
        fixture.Log.UpdateSettings(fixture.Settings with { CleanupPolicy = CleanupPolicies.Delete });
        Assert.NotEqual(0, fixture.Log.DeleteExpiredSegments(highWatermark: 20));
    }

    [Fact]
    public void A_deleted_segment_stays_readable_for_who_holds_it_and_its_file_goes_with_the_last_one()
    {
        var fixture = Filled(Small, batches: 20);
        var slice = fixture.Log.Read(0, long.MaxValue, 1 << 20, true, out _)!;
        var bytes = slice.ToArray();
        Assert.Equal(ErrorCode.None, fixture.Log.AdvanceLogStartOffset(10));
        Assert.Contains(fixture.Disk.AllFiles, file => file.EndsWith(".log.deleted", StringComparison.Ordinal));
        fixture.Log.DeleteFilesDue();
        Assert.Equal(bytes, slice.ToArray());
        fixture.Time.AdvanceMs(60_000);
        fixture.Log.DeleteFilesDue();
        Assert.Equal(bytes, slice.ToArray());
        Assert.Equal([LogFiles.Path(LogFixture.Folder, 0, ".log.deleted")], Deleted(fixture, ".log.deleted"));
        slice.Dispose();
        Assert.Empty(Deleted(fixture, LogFiles.DeletedSuffix));
    }

    [Fact]
    public void Deleting_records_moves_the_start_and_outlives_a_restart()
    {
        var fixture = Filled(Small, batches: 20);
        Assert.Equal(ErrorCode.OffsetOutOfRange, fixture.Log.AdvanceLogStartOffset(21));
        Assert.Equal(ErrorCode.None, fixture.Log.AdvanceLogStartOffset(10));
        Assert.Equal(ErrorCode.None, fixture.Log.AdvanceLogStartOffset(4));
        Assert.Equal((10L, 9L), (fixture.Log.LogStartOffset, fixture.Log.FirstSegmentOffset));
        fixture.Log.Read(9, long.MaxValue, 100, true, out var below);
        Assert.Equal(ErrorCode.OffsetOutOfRange, below.Error);
        Assert.Equal(10, fixture.Reopen().LogStartOffset);
        Assert.Equal([new EpochStart(0, 10)], fixture.Log.LeaderEpochs.Starts.ToList());
    }

    [Fact]
    public void Truncation_drops_batches_epochs_and_index_entries_from_the_offset_on()
    {
        for (var offset = 0; offset <= 20; offset++)
        {
            var fixture = new LogFixture(Small);
            for (var i = 0; i < 20; i++) fixture.Append(Batches.Plain(), leaderEpoch: i / 5);
            var all = LogFixture.Headers(LogFixture.ReadAll(fixture.Log));
            Assert.Equal(offset < 20, fixture.Log.TruncateTo(offset));
            Assert.Equal(offset, fixture.Log.LogEndOffset);
            Assert.Equal(all[..offset], LogFixture.Headers(LogFixture.ReadAll(fixture.Log)));
            Assert.Equal((offset + 4) / 5, fixture.Log.LeaderEpochs.Starts.Length);
            Assert.Equal(offset, fixture.Append(Batches.Plain(), leaderEpoch: 9).BaseOffset);
            Assert.Equal(offset + 1, LogFixture.Headers(LogFixture.ReadAll(fixture.Reopen())).Count);
        }
    }

    [Fact]
    public void Truncating_within_a_batch_drops_all_of_it()
    {
        var fixture = new LogFixture();
        fixture.Append(Batches.Plain(5));
        fixture.Append(Batches.Plain(5));
        Assert.True(fixture.Log.TruncateTo(7));
        Assert.Equal(5, fixture.Log.LogEndOffset);
    }

    [Fact]
    public void A_log_starts_over_anywhere()
    {
        var fixture = Filled(Small, batches: 20);
        fixture.Log.TruncateFullyAndStartAt(5_000_000_000);
        Assert.Equal((5_000_000_000, 5_000_000_000, 0L), (fixture.Log.LogStartOffset, fixture.Log.LogEndOffset, fixture.Log.SizeInBytes));
        Assert.Empty(fixture.Log.LeaderEpochs.Starts);
        Assert.Equal(5_000_000_000, fixture.Append(Batches.Plain()).BaseOffset);
        Assert.Equal(5_000_000_001, fixture.Reopen().LogEndOffset);
    }

    [Fact]
    public void Epochs_answer_where_they_end()
    {
        var fixture = new LogFixture();
        foreach (var epoch in (int[])[2, 2, 5, 5, 5, 9]) fixture.Append(Batches.Plain(10), epoch);
        Assert.Equal(EpochEnd.Unknown, fixture.Log.EndOffsetForEpoch(10));
        Assert.Equal(EpochEnd.Unknown, fixture.Log.EndOffsetForEpoch(-1));
        Assert.Equal(new EpochEnd(9, 60), fixture.Log.EndOffsetForEpoch(9));
        Assert.Equal(new EpochEnd(5, 50), fixture.Log.EndOffsetForEpoch(5));
        Assert.Equal(new EpochEnd(5, 50), fixture.Log.EndOffsetForEpoch(7));
        Assert.Equal(new EpochEnd(2, 20), fixture.Log.EndOffsetForEpoch(3));
        Assert.Equal(new EpochEnd(1, 0), fixture.Log.EndOffsetForEpoch(1));
    }

    [Fact]
    public void A_leader_names_its_epoch_before_it_appends_and_an_epoch_that_wrote_nothing_is_forgotten()
    {
        var fixture = new LogFixture();
        fixture.Append(Batches.Plain(10), leaderEpoch: 1);
        fixture.Log.AssignLeaderEpoch(3);
        fixture.Log.AssignLeaderEpoch(2);
        Assert.Equal(new EpochEnd(1, 10), fixture.Log.EndOffsetForEpoch(2));
        Assert.Equal(new EpochEnd(3, 10), fixture.Log.EndOffsetForEpoch(3));
        fixture.Log.AssignLeaderEpoch(4);
        Assert.Equal([new EpochStart(1, 0), new EpochStart(4, 10)], fixture.Log.LeaderEpochs.Starts.ToList());
    }

    [Fact]
    public void A_flush_is_due_by_messages_by_time_and_after_a_roll()
    {
        var byMessages = new LogFixture(new LogSettings { FlushMessages = 3 });
        byMessages.Append(Batches.Plain(2));
        Assert.False(byMessages.Log.FlushDue);
        byMessages.Append(Batches.Plain());
        Assert.True(byMessages.Log.FlushDue);
        Assert.Equal(3, byMessages.Log.Flush());
        Assert.False(byMessages.Log.FlushDue);

        var byTime = new LogFixture(new LogSettings { FlushMs = 100 });
        byTime.Append(Batches.Plain());
        Assert.False(byTime.Log.FlushDue);
        byTime.Time.AdvanceMs(100);
        Assert.True(byTime.Log.FlushDue);

        var byRoll = new LogFixture();
        byRoll.Append(Batches.Plain());
        byRoll.Log.Roll();
        Assert.True(byRoll.Log.FlushDue);
    }

    private static LogFixture Filled(LogSettings settings, int batches)
    {
        var fixture = new LogFixture(settings);
        for (var i = 0; i < batches; i++) fixture.Append(Batches.Plain());
        return fixture;
    }

    private static List<string> Deleted(LogFixture fixture, string suffix) =>
        fixture.Disk.AllFiles.Where(file => file.EndsWith(suffix, StringComparison.Ordinal)).ToList();
}
