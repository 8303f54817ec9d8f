using Milena.Model;
using Milena.Testing;

namespace Milena.Storage.Tests;

public sealed class Producers_and_transactions
{
    private readonly LogFixture _fixture = new();

    [Fact]
    public void A_batch_sent_again_is_acknowledged_with_its_first_offset_and_not_written()
    {
        Append(sequence: 0, records: 3);
        Append(sequence: 3, records: 2);
        var again = Append(sequence: 0, records: 3);
        Assert.Equal((ErrorCode.None, true, 0L, 2L), (again.Error, again.IsDuplicate, again.BaseOffset, again.LastOffset));
        Assert.Equal(5, _fixture.Log.LogEndOffset);
    }

    [Fact]
    public void The_last_five_batches_are_remembered_and_an_older_one_is_out_of_order()
    {
        for (var i = 0; i < 6; i++) Append(sequence: i);
        for (var i = 1; i < 6; i++) Assert.True(Append(sequence: i).IsDuplicate);
        Assert.Equal(ErrorCode.OutOfOrderSequenceNumber, Append(sequence: 0).Error);
    }

    [Theory]
    [InlineData(1 << 20)]
    // Each batch in a segment of its own, and a snapshot with each.
    [InlineData(100)]
    public void They_are_remembered_by_a_log_that_is_opened_anew(int segmentBytes)
    {
        _fixture.Settings = new LogSettings { SegmentBytes = segmentBytes };
        _fixture.Reopen();
        for (var i = 0; i < 8; i++)
        {
            Append(sequence: i);
            _fixture.Append(Batches.Idempotent(2, 0, i));
            _fixture.Append(Batches.Plain());
        }

        _fixture.Reopen();
        for (var i = 3; i < 8; i++)
        {
            var again = Append(sequence: i);
            Assert.Equal((true, 3L * i), (again.IsDuplicate, again.BaseOffset));
            Assert.True(_fixture.Append(Batches.Idempotent(2, 0, i)).IsDuplicate);
        }

        Assert.Equal(ErrorCode.OutOfOrderSequenceNumber, Append(sequence: 2).Error);
        Assert.Equal((ErrorCode.None, false), (Append(sequence: 8).Error, _fixture.Log.LogEndOffset == 24));
    }

    [Fact]
    public void They_are_remembered_by_a_log_that_was_cut()
    {
        for (var i = 0; i < 8; i++) Append(sequence: i);
        _fixture.Reopen();
        Append(sequence: 8);
        Append(sequence: 9);
        Assert.True(_fixture.Log.TruncateTo(9));
        for (var i = 4; i < 9; i++) Assert.True(Append(sequence: i).IsDuplicate);
        Assert.Equal(ErrorCode.OutOfOrderSequenceNumber, Append(sequence: 3).Error);
        Assert.Equal((ErrorCode.None, false), (Append(sequence: 9).Error, Append(sequence: 10).IsDuplicate));
    }

    [Fact]
    public void Those_of_an_earlier_epoch_are_forgotten_by_a_log_that_is_opened_anew_too()
    {
        Append(sequence: 0, epoch: 3);
        Append(sequence: 1, epoch: 3);
        Append(sequence: 0, epoch: 4);
        Append(sequence: 1, epoch: 4);
        _fixture.Reopen();
        Assert.True(Append(sequence: 0, epoch: 4).IsDuplicate);
        Assert.Equal(ErrorCode.InvalidProducerEpoch, Append(sequence: 1, epoch: 3).Error);
    }

    [Fact]
    public void Of_a_producer_that_was_silent_for_long_the_last_batch_is_remembered()
    {
        Append(sequence: 0);
        Append(sequence: 1);
        _fixture.Time.Advance(TimeSpan.FromMinutes(20));
        _fixture.Reopen();
        Assert.True(Append(sequence: 1).IsDuplicate);
        Assert.Equal(ErrorCode.OutOfOrderSequenceNumber, Append(sequence: 0).Error);
    }

    [Theory]
    [InlineData(2, 0)]
    [InlineData(0, 0)]
    [InlineData(1, 1)]
    public void Only_the_next_sequence_follows(int sequence, short epoch)
    {
        Append(sequence: 0, records: 1);
        Assert.Equal(sequence == 0 && epoch == 0, Append(sequence, epoch).IsDuplicate);
        if (sequence != 0) Assert.Equal(ErrorCode.OutOfOrderSequenceNumber, Append(sequence, epoch).Error);
    }

    [Fact]
    public void A_new_epoch_begins_at_zero_and_fences_the_old_one()
    {
        Append(sequence: 0, epoch: 3);
        Assert.Equal(ErrorCode.None, Append(sequence: 0, epoch: 4).Error);
        Assert.Equal(ErrorCode.InvalidProducerEpoch, Append(sequence: 1, epoch: 3).Error);
    }

    [Fact]
    public void An_unknown_producer_may_begin_anywhere() => Assert.Equal(ErrorCode.None, Append(sequence: 77).Error);

    [Fact]
    public void Sequences_wrap_to_zero()
    {
        Append(sequence: int.MaxValue - 1, records: 2);
        Assert.Equal(ErrorCode.None, Append(sequence: 0).Error);
        var wrapping = new LogFixture();
        wrapping.Append(Batches.Idempotent(1, 0, int.MaxValue, records: 3));
        Assert.True(wrapping.Append(Batches.Idempotent(1, 0, int.MaxValue, records: 3)).IsDuplicate);
        Assert.Equal(ErrorCode.None, wrapping.Append(Batches.Idempotent(1, 0, 2)).Error);
    }

    [Fact]
    public void A_silent_producer_is_forgotten_after_its_time_unless_its_transaction_is_open()
    {
        Append(sequence: 0);
        _fixture.Append(Batches.Idempotent(2, 0, 0, transactional: true));
        _fixture.Time.AdvanceMs(_fixture.Settings.ProducerIdExpirationMs);
        _fixture.Log.ExpireProducers();
        Assert.Equal(1, _fixture.Log.ProducerCount);
        Assert.Equal(ErrorCode.None, Append(sequence: 55).Error);
    }

    [Fact]
    public void An_open_transaction_holds_the_last_stable_offset_until_its_end_is_committed()
    {
        _fixture.Append(Batches.Plain(4));
        _fixture.Append(Batches.Idempotent(1, 0, 0, records: 2, transactional: true));
        _fixture.Append(Batches.Plain());
        Assert.Equal(4, _fixture.Log.FirstUnstableOffset);
        Assert.Equal(4, _fixture.Log.LastStableOffset(7));
        Assert.Equal(3, _fixture.Log.LastStableOffset(3));
        Assert.Equal(7, _fixture.Append(Batches.Marker(1, 0, commit: true), origin: AppendOrigin.Coordinator).BaseOffset);
        _fixture.Log.OnHighWatermark(7);
        Assert.Equal(4, _fixture.Log.LastStableOffset(8));
        _fixture.Log.OnHighWatermark(8);
        Assert.Null(_fixture.Log.FirstUnstableOffset);
        Assert.Equal(8, _fixture.Log.LastStableOffset(8));
        Assert.Empty(_fixture.Log.AbortedTransactions(0, 8));
    }

    [Fact]
    public void Aborted_transactions_are_listed_for_the_offsets_that_they_touch()
    {
        Transactional(1, 0);                                                            // 0
        Transactional(2, 0);                                                            // 1
        _fixture.Append(Batches.Marker(1, 0, commit: false), origin: AppendOrigin.Coordinator);     // 2
        _fixture.Append(Batches.Plain(10));                                             // 3..12
        _fixture.Append(Batches.Marker(2, 0, commit: false), origin: AppendOrigin.Coordinator);     // 13
        var first = new AbortedTransaction(1, 0, 2, 1);
        var second = new AbortedTransaction(2, 1, 13, 14);
        Assert.Equal([first, second], _fixture.Log.AbortedTransactions(0, 14).ToList());
        Assert.Equal([first], _fixture.Log.AbortedTransactions(0, 1).ToList());
        Assert.Equal([second], _fixture.Log.AbortedTransactions(3, 14).ToList());
    }

    [Fact]
    public void Transactions_survive_a_reopening_and_a_rebuild_from_the_records()
    {
        Transactional(1, 0);
        _fixture.Append(Batches.Marker(1, 0, commit: false), origin: AppendOrigin.Coordinator);
        Transactional(2, 0);
        var aborted = _fixture.Log.AbortedTransactions(0, 3).ToList();
        Assert.Single(aborted);
        _fixture.Reopen();
        Assert.Equal((2L, aborted.Count), (_fixture.Log.FirstUnstableOffset, _fixture.Log.AbortedTransactions(0, 3).Length));
        _fixture.Log.Dispose();
        foreach (var file in _fixture.Disk.AllFiles.Where(file => !file.EndsWith(".log", StringComparison.Ordinal))) _fixture.Disk.DeleteFile(file);
        var log = _fixture.Open(cleanShutdown: false);
        Assert.Equal(aborted, log.AbortedTransactions(0, 3).ToList());
        log.OnHighWatermark(3);
        Assert.Equal(2, log.FirstUnstableOffset);
        Assert.Equal(2, log.ProducerCount);
    }

    [Fact]
    public void A_truncated_transaction_is_open_no_more()
    {
        _fixture.Append(Batches.Plain());
        Transactional(1, 0);
        Assert.Equal(1, _fixture.Log.FirstUnstableOffset);
        Assert.True(_fixture.Log.TruncateTo(1));
        Assert.Null(_fixture.Log.FirstUnstableOffset);
        Assert.Equal(0, _fixture.Log.ProducerCount);
    }

    [Fact]
    public void Plain_writes_within_a_transaction_and_markers_of_an_old_coordinator_are_refused()
    {
        Transactional(1, 0);
        Assert.Equal(ErrorCode.InvalidTxnState, Append(sequence: 1).Error);
        _fixture.Append(Batches.Marker(1, 0, commit: true, coordinatorEpoch: 5), origin: AppendOrigin.Coordinator);
        var zombie = _fixture.Append(Batches.Marker(1, 0, commit: true, coordinatorEpoch: 4), origin: AppendOrigin.Coordinator);
        Assert.Equal(ErrorCode.TransactionCoordinatorFenced, zombie.Error);
    }

    private AppendResult Append(int sequence, short epoch = 0, int records = 1) => _fixture.Append(Batches.Idempotent(1, epoch, sequence, records));

    private void Transactional(long producerId, int sequence) =>
        Assert.Equal(ErrorCode.None, _fixture.Append(Batches.Idempotent(producerId, 0, sequence, transactional: true)).Error);
}
