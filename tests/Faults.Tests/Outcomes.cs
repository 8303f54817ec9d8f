using Milena.Faults.Checking;
using Milena.Faults.Kinds;

namespace Milena.Faults.Tests;

/// <summary>What each fault is charged with, and how it is printed.</summary>
public sealed class Outcomes
{
    private static readonly FaultKind Killed = new("killed", "", Bar.Seconds(median: 1, max: 5), Needs.Nothing, _ => { });
    private static readonly FaultKind Cut = new("cut", "", Bar.OfEachPartition(max: 5), Needs.Nothing, _ => { });
    private static readonly Inflicted First = new(Killed, "node 1", Seconds(10), Seconds(20));
    private static readonly Inflicted Second = new(Cut, "from 1 to 2", Seconds(30), Seconds(40));

    /// <summary>A group commits every four seconds.</summary>
    private static readonly TimeSpan[] Commits = [.. Enumerable.Range(0, 12).Select(number => Seconds(4 * number))];

    [Fact]
    public void A_fault_is_charged_with_the_silence_of_its_own_time_in_all_and_in_the_worst_partition()
    {
        var outcomes = Outcome.Of([First, Second], Histories(), Commits, []);
        Assert.Equal(new Gap(Seconds(11), Seconds(13)), outcomes[0].Silence);
        Assert.Equal((1, new Gap(Seconds(11), Seconds(17))), (outcomes[0].WorstPartition, outcomes[0].WorstSilence));
        Assert.Equal(new Gap(Seconds(30), Seconds(31)), outcomes[1].Silence);
        Assert.Equal(Seconds(4), outcomes[1].WithoutCommit.Length);
        Assert.Equal((0, new Gap(Seconds(29), Seconds(36))), (outcomes[1].WorstPartition, outcomes[1].WorstSilence));
    }

    [Fact]
    public void A_violation_belongs_to_the_last_fault_before_its_record_was_acknowledged()
    {
        List<Violation> violations = [Lost(1), Lost(15), Lost(29), Lost(31), new(ViolationKind.ReplicasDiffer, 0, TimeSpan.MaxValue, "")];
        var outcomes = Outcome.Of([First, Second], Histories(), Commits, violations);
        Assert.Equal(violations[..3], outcomes[0].Violations);
        Assert.Equal(violations[3..], outcomes[1].Violations);
    }

    [Fact]
    public void The_table_marks_what_is_above_the_bar_and_counts_what_went_wrong()
    {
        List<Violation> violations = [Lost(15), Lost(16), new(ViolationKind.Duplicated, 0, Seconds(31), "1:2 lies twice")];
        using var table = new StringWriter();
        Report.Write(new(Outcome.Of([First, Second], Histories(), Commits, violations), violations, Acknowledged: 50, Read: 60, Failed: 0, Restarts: 0, NewEpochs: 4, Hung: 0, Commits: 70, Assignments: 9), table);
        var lines = table.ToString().Split('\n').Select(line => string.Join(' ', line.Split(' ', StringSplitOptions.RemoveEmptyEntries))).ToList();
        Assert.Contains("killed 1 16 2 0 0 2.00* 2.00 2.00 6.00 6.00 6.00 4.00 4.00 1, <= 5", lines);
        Assert.Contains("cut 1 16 0 1 0 1.00 1.00 1.00 7.00 7.00 7.00* 4.00 4.00 each <= 5", lines);
        Assert.Contains("50 records acknowledged, 60 read; 0 of unknown fate, 0 producers that had to begin anew, 4 that took a new epoch, 0 consumers that hung; 70 offsets committed, 9 assignments of a shared group.", lines);
        Assert.Contains("VIOLATIONS: 2 Lost, 1 Duplicated", lines);
    }

    private static TimeSpan Seconds(double seconds) => TimeSpan.FromSeconds(seconds);

    private static Violation Lost(double at) => new(ViolationKind.Lost, 0, Seconds(at), "");

    /// <summary>Each partition takes a record every second, but for some.</summary>
    private static PartitionHistory[] Histories()
    {
        var histories = new[] { new PartitionHistory(partition: 0), new PartitionHistory(partition: 1) };
        for (var second = 0; second <= 45; second++)
        {
            Acknowledge(histories[0], second, isSilent: second is 12 or (> 29 and < 36));
            Acknowledge(histories[1], second, isSilent: second is > 11 and < 17);
        }

        return histories;
    }

    private static void Acknowledge(PartitionHistory history, int second, bool isSilent)
    {
        if (!isSilent)
        {
            history.Acknowledge(new(second, new(Writer: 1, second), Seconds(second)));
        }
    }
}
