using Milena.Faults.Checking;

namespace Milena.Faults.Tests;

/// <summary>The checker itself: a good history passes, and each thing that must not happen is found and named.</summary>
public sealed class Checking_histories
{
    private const int Writer = 1;
    private const string Reader = "a reader";

    private readonly PartitionHistory _history = new(partition: 0);
    private readonly List<Placed> _log = [.. Enumerable.Range(0, 5).Select(At)];

    [Fact]
    public void What_was_acknowledged_read_and_kept_is_no_violation()
    {
        Acknowledge(0, 1, 2, 3, 4);
        Read(0, 1, 2, 3, 4);
        Assert.Empty(Check());
    }

    [Fact]
    public void A_record_may_be_there_that_nobody_was_told_of()
    {
        Acknowledge(0, 1);
        Read(0, 1, 2);
        Assert.Empty(Check());
    }

    [Fact]
    public void A_reader_may_go_back_and_see_the_same_again()
    {
        Read(0, 1, 2, 3, 1, 2, 3, 4);
        Assert.Empty(Check());
    }

    [Fact]
    public void An_acknowledged_record_that_is_not_there_is_lost_once()
    {
        Acknowledge(0, 5);
        Read(5);
        Assert.Equal(ViolationKind.Lost, Assert.Single(Check()).Kind);
    }

    [Fact]
    public void An_acknowledged_record_that_one_replica_lacks_is_lost()
    {
        Acknowledge(0, 1, 2, 3, 4);
        var violations = Checker.Check(_history, [Replica(1, _log), Replica(2, _log), Replica(3, _log[..4])], ordered: true);
        var lost = Assert.Single(violations, one => one.Kind == ViolationKind.Lost);
        Assert.Contains("node 3 holds nothing there", lost.Text, StringComparison.Ordinal);
        Assert.Equal(At(4).At, lost.At);
    }

    [Fact]
    public void A_record_that_somebody_read_and_that_is_not_there_is_lost()
    {
        Read(0, 1, 2, 3, 4, 5);
        Assert.Equal(ViolationKind.Lost, Assert.Single(Check()).Kind);
    }

    [Fact]
    public void A_record_acknowledged_without_its_offset_is_looked_for_everywhere()
    {
        _history.Acknowledge(new(Placed.Unknown, At(3).Value, TimeSpan.Zero));
        Assert.Empty(Check());
        _history.Acknowledge(new(Placed.Unknown, At(9).Value, TimeSpan.Zero));
        Assert.Equal(ViolationKind.Lost, Assert.Single(Check()).Kind);
    }

    [Fact]
    public void An_offset_acknowledged_for_two_records_was_reused()
    {
        Acknowledge(0, 1, 2);
        _history.Acknowledge(At(1) with { Value = new(Writer: 2, 0) });
        Assert.Contains(Check(), one => one.Kind == ViolationKind.OffsetReused);
    }

    [Fact]
    public void An_offset_that_a_reader_saw_change_was_reused()
    {
        Read(0, 1, 2);
        _history.Read(Reader, At(2) with { Value = new(Writer: 2, 0) });
        Assert.Contains(Check(), one => one.Kind == ViolationKind.OffsetReused);
    }

    [Fact]
    public void A_value_at_two_offsets_is_a_duplicate()
    {
        _log.Add(new(5, At(4).Value, TimeSpan.Zero));
        Assert.Equal(3, Check().Count);
        Assert.All(Check(), one => Assert.Equal(ViolationKind.Duplicated, one.Kind));
        Assert.Empty(Check(ordered: false));
    }

    [Fact]
    public void A_value_behind_a_later_one_of_its_writer_is_out_of_order()
    {
        (_log[1], _log[2]) = (_log[1] with { Value = _log[2].Value }, _log[2] with { Value = _log[1].Value });
        Assert.Equal(3, Check().Count);
        Assert.All(Check(), one => Assert.Equal(ViolationKind.Reordered, one.Kind));
        Assert.Empty(Check(ordered: false));
    }

    [Fact]
    public void Values_of_two_writers_may_mix()
    {
        _log.AddRange([At(5) with { Value = new(Writer: 2, 0) }, At(6) with { Value = new(Writer, 5) }, At(7) with { Value = new(Writer: 2, 1) }]);
        Assert.Empty(Check());
    }

    [Fact]
    public void A_reader_that_passes_over_a_record_missed_it()
    {
        Read(0, 1, 3, 4);
        var missed = Assert.Single(Check());
        Assert.Equal(ViolationKind.Missed, missed.Kind);
        Assert.Contains($"{Reader} never saw {At(2).Value} at offset 2", missed.Text, StringComparison.Ordinal);
    }

    [Fact]
    public void A_reader_told_that_its_offset_does_not_exist_was_thrown_back()
    {
        Read(0, 1);
        _history.Refuse(Reader, TimeSpan.FromSeconds(3), "offset 2: out of range");
        Assert.Equal(ViolationKind.ThrownBack, Assert.Single(Check()).Kind);
    }

    [Fact]
    public void Replicas_whose_bytes_differ_are_found_though_their_records_are_the_same()
    {
        var violation = Assert.Single(Checker.Check(_history, [Replica(1, _log), Replica(2, _log) with { Digest = "other" }, Replica(3, _log)], ordered: true));
        Assert.Equal(ViolationKind.ReplicasDiffer, violation.Kind);
    }

    private static Placed At(int number) => new(number, new(Writer, number), TimeSpan.FromSeconds(number));

    private static ReplicaLog Replica(int node, IReadOnlyList<Placed> records) => new(node, records, "the same");

    private IReadOnlyList<Violation> Check(bool ordered = true) => Checker.Check(_history, [Replica(1, _log), Replica(2, _log), Replica(3, _log)], ordered);

    private void Acknowledge(params int[] numbers) => Array.ForEach(numbers, number => _history.Acknowledge(At(number)));

    private void Read(params int[] numbers) => Array.ForEach(numbers, number => _history.Read(Reader, At(number)));
}
