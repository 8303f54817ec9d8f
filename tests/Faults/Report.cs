using System.Globalization;
using Milena.Faults.Checking;
using Milena.Faults.Kinds;

namespace Milena.Faults;

/// <summary>Prints what a campaign came to, for somebody who was not there.</summary>
public static class Report
{
    private const int MaxViolations = 30;

    /// <summary>What one fault cost, in a line.</summary>
    /// <param name="began">When the campaign began.</param>
    public static string Silences(Outcome outcome, DateTime began) => string.Create(
        CultureInfo.InvariantCulture,
        $"in sync again after {(outcome.Fault.To - outcome.Fault.From).TotalSeconds:F1} s; silent for {outcome.Silence.Length.TotalSeconds:F2} s from {began + outcome.Silence.From:HH:mm:ss.fff}, "
            + $"partition {outcome.WorstPartition} for {outcome.WorstSilence.Length.TotalSeconds:F2} s from {began + outcome.WorstSilence.From:HH:mm:ss.fff}; "
            + $"no commit for {outcome.WithoutCommit.Length.TotalSeconds:F2} s from {began + outcome.WithoutCommit.From:HH:mm:ss.fff}");

    public static void Write(CampaignResult result, TextWriter output)
    {
        output.WriteLine();
        output.WriteLine(Line("fault", "count", "acked", "lost", "dupl", "other", "silence: median", "p99", "max", "worst partition: median", "p99", "max", "no commit: median", "max", "bar"));
        foreach (var kind in result.Outcomes.GroupBy(outcome => outcome.Fault.Kind))
        {
            output.WriteLine(Row(kind.Key, [.. kind]));
        }

        output.WriteLine();
        output.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{result.Acknowledged} records acknowledged, {result.Read} read; {result.Failed} of unknown fate, {result.Restarts} producers that had to begin anew, {result.NewEpochs} that took a new epoch, {result.Hung} consumers that hung; {result.Commits} offsets committed, {result.Assignments} assignments of a shared group."));
        foreach (var violation in result.Violations.Take(MaxViolations))
        {
            output.WriteLine(violation);
        }

        if (result.Violations.Count > MaxViolations)
        {
            output.WriteLine($"... and {result.Violations.Count - MaxViolations} more");
        }

        output.WriteLine(result.Violations.Count == 0
            ? "Nothing was lost, duplicated or reordered; no offset showed two records; the replicas are equal, byte by byte."
            : $"VIOLATIONS: {string.Join(", ", result.Violations.GroupBy(one => one.Kind).Select(kind => $"{kind.Count()} {kind.Key}"))}");
    }

    private static string Row(FaultKind kind, IReadOnlyList<Outcome> outcomes)
    {
        var anywhere = outcomes.Select(outcome => outcome.Silence.Length).ToList();
        var worst = outcomes.Select(outcome => outcome.WorstSilence.Length).ToList();
        var commits = outcomes.Select(outcome => outcome.WithoutCommit.Length).ToList();
        var violations = outcomes.SelectMany(outcome => outcome.Violations).ToList();
        var lost = violations.Count(violation => violation.Kind == ViolationKind.Lost);
        var duplicated = violations.Count(violation => violation.Kind == ViolationKind.Duplicated);
        var (ofAll, ofEach) = kind.Bar is { OfEach: true } ? ((Bar?)null, kind.Bar) : (kind.Bar, (Bar?)null);
        return Line([
            kind.Name, Text(outcomes.Count), Text(outcomes.Sum(outcome => outcome.Acknowledged)),
            Text(lost), Text(duplicated), Text(violations.Count - lost - duplicated),
            .. Times(anywhere, ofAll), .. Times(worst, ofEach), Time(Silence.Percentile(commits, 0.5), null), Time(commits.Max(), null), BarText(kind.Bar)]);
    }

    private static IEnumerable<string> Times(List<TimeSpan> times, Bar? bar) =>
    [
        Time(Silence.Percentile(times, 0.5), bar?.Median),
        Time(Silence.Percentile(times, 0.99), null),
        Time(times.Max(), bar?.Max),
    ];

    private static string BarText(Bar? bar) => bar switch
    {
        null => "-",
        { OfEach: true } => $"each <= {Text(bar.Max)}",
        { Median: { } median } => $"{Text(median)}, <= {Text(bar.Max)}",
        _ => $"<= {Text(bar.Max)}",
    };

    private static string Time(TimeSpan time, TimeSpan? bar) => string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds:F2}{(time > bar ? "*" : "")}");

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);

    private static string Text(TimeSpan time) => string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds:0.#}");

    private static string Line(params string[] cells) => string.Create(
        CultureInfo.InvariantCulture,
        $"{cells[0],-18}{cells[1],6}{cells[2],9}{cells[3],7}{cells[4],6}{cells[5],7}{cells[6],17}{cells[7],8}{cells[8],8}{cells[9],25}{cells[10],8}{cells[11],8}{cells[12],19}{cells[13],8}   {cells[14]}");
}
