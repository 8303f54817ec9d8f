using Milena.Faults.Checking;
using Milena.Faults.Kinds;

namespace Milena.Faults;

/// <summary>One fault that was inflicted, and when; times since the campaign began.</summary>
/// <param name="To">When all replicas were in sync again.</param>
/// <param name="What">Whom it met.</param>
public sealed record Inflicted(FaultKind Kind, string What, TimeSpan From, TimeSpan To);

/// <summary>What a fault cost.</summary>
/// <param name="Acknowledged">Records acknowledged while it lasted.</param>
/// <param name="Silence">In the cluster as a whole.</param>
/// <param name="WorstPartition">The one that was silent for longest.</param>
/// <param name="WorstSilence">In that partition.</param>
/// <param name="WithoutCommit">While a group could not commit.</param>
public sealed record Outcome(
    Inflicted Fault, int Acknowledged, Gap Silence, int WorstPartition, Gap WorstSilence, Gap WithoutCommit, IReadOnlyList<Violation> Violations)
{
    /// <summary>Looks up what each fault cost. A violation belongs to the last fault that began before its record was acknowledged.</summary>
    /// <param name="commits">When a group's commits were acknowledged, ascending.</param>
    public static IReadOnlyList<Outcome> Of(
        IReadOnlyList<Inflicted> faults, IReadOnlyList<PartitionHistory> histories, IReadOnlyList<TimeSpan> commits, IReadOnlyList<Violation> violations)
    {
        var ofEach = histories.Select(history => history.AcknowledgedAt().Order().ToList()).ToList();
        var all = ofEach.SelectMany(times => times).Order().ToList();
        return [.. faults.Select((fault, index) =>
        {
            var until = index + 1 < faults.Count ? faults[index + 1].From : TimeSpan.MaxValue;
            var since = index == 0 ? TimeSpan.MinValue : fault.From;
            var (partition, worst) = ofEach.Select(times => Checking.Silence.Longest(times, fault.From, fault.To)).Index().MaxBy(one => one.Item.Length);
            return new Outcome(
                fault,
                all.Count(at => at >= fault.From && at <= fault.To),
                Checking.Silence.Longest(all, fault.From, fault.To),
                partition,
                worst,
                Checking.Silence.Longest(commits, fault.From, fault.To),
                [.. violations.Where(violation => violation.At >= since && (violation.At < until || index + 1 == faults.Count))]);
        })];
    }
}

/// <summary>What a campaign came to.</summary>
/// <param name="Restarts">Producers that had to begin anew after a fatal error.</param>
/// <param name="NewEpochs">How often a producer asked for a new epoch, in which it sends again whatever it has no answer for: a record that was written may then be written twice.</param>
/// <param name="Hung">Consumers whose clients hung by themselves; where one had not seen all by then, another went on.</param>
/// <param name="Commits">Offsets that a group's only member committed, acknowledged.</param>
/// <param name="Assignments">How often a member of a group of several was given partitions.</param>
public sealed record CampaignResult(IReadOnlyList<Outcome> Outcomes, IReadOnlyList<Violation> Violations, int Acknowledged, int Read, int Failed, int Restarts, int NewEpochs, int Hung, int Commits, int Assignments);
