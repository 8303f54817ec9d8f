using Milena.Faults.Checking;

namespace Milena.Faults.Tests;

/// <summary>What a group's members may be told of their commits, and what not. Times are seconds.</summary>
public sealed class Commit_ledgers
{
    private readonly CommitLedger _ledger = new("the group");

    [Fact]
    public void What_was_acknowledged_last_is_what_is_committed()
    {
        See(null, 1, 2);
        Commit(10, 3, 4);
        See(10, 5, 6);
        Commit(20, 7, 8);
        See(20, 9, 10);
        See(20, 11, 12);
        Assert.Empty(_ledger.Violations);
        Assert.Equal([Seconds(4), Seconds(8)], _ledger.AcknowledgedAt());
    }

    [Theory]
    [InlineData(null, "nothing")]
    [InlineData(10L, "offset 10")]
    [InlineData(30L, "offset 30")]
    public void Anything_else_is_a_commit_lost(long? seen, string text)
    {
        Commit(10, 1, 2);
        Commit(20, 3, 4);
        See(seen, 5, 6);
        var violation = Assert.Single(_ledger.Violations);
        Assert.Equal((ViolationKind.CommitLost, 0, Seconds(6)), (violation.Kind, violation.Partition, violation.At));
        Assert.EndsWith($"committed offset 20, and is told {text}", violation.Text, StringComparison.Ordinal);
    }

    [Fact]
    public void A_commit_without_an_answer_may_be_there_or_not_and_come_late()
    {
        Commit(10, 1, 2);
        _ledger.Try(0, 20);
        See(10, 3, 4);
        See(20, 5, 6);
        Commit(30, 7, 8);
        See(30, 9, 10);
        See(20, 11, 12);
        Assert.Empty(_ledger.Violations);
    }

    [Fact]
    public void One_that_is_tried_again_and_acknowledged_may_still_come_twice()
    {
        _ledger.Try(0, 20);
        Commit(20, 1, 2);
        Commit(30, 3, 4);
        See(20, 5, 6);
        Assert.Empty(_ledger.Violations);
    }

    [Fact]
    public void What_showed_up_stays_until_something_else_does_that_was_tried()
    {
        _ledger.Try(0, 20);
        See(20, 1, 2);
        See(null, 3, 4);
        Assert.Single(_ledger.Violations);
    }

    [Theory]
    [InlineData(10L)]
    [InlineData(20L)]
    public void Who_looks_while_another_member_commits_may_see_either(long seen)
    {
        Commit(10, 1, 2);
        Commit(20, 4, 6);
        See(seen, 5, 7);
        See(seen, 3, 8);
        Assert.Empty(_ledger.Violations);
    }

    [Fact]
    public void An_answer_that_is_heard_late_does_not_undo_what_another_member_committed_since()
    {
        _ledger.Try(0, 10);
        See(10, 2, 3);
        Commit(20, 4, 5);
        _ledger.Acknowledge(0, 10, Seconds(1), Seconds(9));
        See(20, 10, 11);
        Assert.Empty(_ledger.Violations);
    }

    [Fact]
    public void A_member_that_is_given_a_partition_and_begins_below_what_was_acknowledged_before_is_told_of()
    {
        Commit(10, 1, 2);
        Commit(20, 3, 4);
        See(10, 4.5, 30);
        Assert.Single(_ledger.Violations);
    }

    [Fact]
    public void Each_partition_has_its_own()
    {
        Commit(10, 1, 2);
        _ledger.Try(1, 20);
        _ledger.Acknowledge(1, 20, Seconds(1), Seconds(2));
        _ledger.See(1, 20, Seconds(3), Seconds(4));
        See(10, 3, 4);
        Assert.Empty(_ledger.Violations);
        _ledger.See(1, 10, Seconds(5), Seconds(6));
        Assert.Single(_ledger.Violations);
    }

    private static TimeSpan Seconds(double seconds) => TimeSpan.FromSeconds(seconds);

    private void Commit(long offset, double sent, double at)
    {
        _ledger.Try(0, offset);
        _ledger.Acknowledge(0, offset, Seconds(sent), Seconds(at));
    }

    private void See(long? offset, double asked, double at) => _ledger.See(0, offset, Seconds(asked), Seconds(at));
}
