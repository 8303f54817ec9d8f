using Milena.Faults.Checking;

namespace Milena.Faults.Tests;

/// <summary>What a group may be told of its commits, and what not.</summary>
public sealed class Commit_ledgers
{
    private static readonly TimeSpan At = TimeSpan.FromSeconds(7);

    private readonly CommitLedger _ledger = new("members");

    [Fact]
    public void What_was_acknowledged_last_is_what_is_committed()
    {
        See(null);
        _ledger.Acknowledge(0, 10, At);
        See(10);
        _ledger.Acknowledge(0, 20, At);
        See(20);
        See(20);
        Assert.Empty(_ledger.Violations);
        Assert.Equal([At, At], _ledger.AcknowledgedAt());
    }

    [Theory]
    [InlineData(null, "nothing")]
    [InlineData(10L, "offset 10")]
    [InlineData(30L, "offset 30")]
    public void Anything_else_is_a_commit_lost(long? seen, string text)
    {
        _ledger.Acknowledge(0, 10, At);
        _ledger.Acknowledge(0, 20, At);
        See(seen);
        var violation = Assert.Single(_ledger.Violations);
        Assert.Equal((ViolationKind.CommitLost, 0, At), (violation.Kind, violation.Partition, violation.At));
        Assert.EndsWith($"committed offset 20, and is told {text}", violation.Text, StringComparison.Ordinal);
    }

    [Fact]
    public void A_commit_that_failed_may_be_there_or_not_and_come_late()
    {
        _ledger.Acknowledge(0, 10, At);
        _ledger.Fail(0, 20);
        See(10);
        See(20);
        _ledger.Acknowledge(0, 30, At);
        See(30);
        See(20);
        Assert.Empty(_ledger.Violations);
    }

    [Fact]
    public void What_showed_up_stays_until_something_else_does_that_was_tried()
    {
        _ledger.Fail(0, 20);
        See(20);
        See(null);
        Assert.Single(_ledger.Violations);
    }

    [Fact]
    public void Each_partition_has_its_own()
    {
        _ledger.Acknowledge(0, 10, At);
        _ledger.Acknowledge(1, 20, At);
        _ledger.See(1, 20, At);
        See(10);
        Assert.Empty(_ledger.Violations);
        _ledger.See(1, 10, At);
        Assert.Single(_ledger.Violations);
    }

    private void See(long? offset) => _ledger.See(0, offset, At);
}
