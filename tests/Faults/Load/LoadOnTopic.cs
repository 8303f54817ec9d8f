using Milena.Faults.Checking;
using Milena.Faults.Nodes;
using Milena.Testing;

namespace Milena.Faults.Load;

/// <summary>The writers and readers of a campaign.</summary>
internal sealed class LoadOnTopic : IDisposable
{
    /// <summary>How far the reader that looks again goes back after each fault: some seconds of load.</summary>
    private const long RecordsSeenAgain = 1000;
    private const int FirstAcknowledgements = 20;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);

    private readonly LoadSettings _settings;
    private readonly LoadWriter[] _writers;
    private readonly LoadReader _reader;
    private readonly LoadReader _again;
    private readonly GroupMember _member;

    /// <summary>Starts all, and waits until each partition took some records.</summary>
    public LoadOnTopic(LoadSettings settings)
    {
        _settings = settings;
        _writers = [.. Enumerable.Range(0, settings.Writers).Select(_ => new LoadWriter(settings))];
        _reader = new LoadReader(settings, "the reader");
        _again = new LoadReader(settings, "the reader that looks again");
        _member = new GroupMember(settings);
        WaitForMore();
    }

    public int Restarts => _writers.Sum(writer => writer.Restarts);

    public int NewEpochs => _writers.Sum(writer => writer.NewEpochs);

    /// <summary>What a group committed; to be read when all has finished.</summary>
    public CommitLedger Commits => _member.Ledger;

    public int Failed => _writers.Sum(writer => writer.Failed);

    /// <summary>Waits until each partition took some more records.</summary>
    public void WaitForMore()
    {
        var goals = _settings.Histories.Select(history => history.AcknowledgedCount + FirstAcknowledgements).ToList();
        Wait.Until(
            () => _settings.Histories.Zip(goals).All(pair => pair.First.AcknowledgedCount >= pair.Second),
            Patience,
            () => $"{FirstAcknowledgements} more records of each partition are acknowledged; missing: "
                + string.Join(", ", _settings.Histories.Zip(goals).Select(pair => Math.Max(0, pair.Second - pair.First.AcknowledgedCount))));
    }

    public void LookAgain() => _again.GoBack(RecordsSeenAgain);

    /// <summary>Ends the writers, then the readers when they have seen all that was acknowledged, and the group when it has committed that.</summary>
    /// <exception cref="TimeoutException">A reader does not come that far.</exception>
    public void Finish()
    {
        Parallel.ForEach(_writers, writer => writer.Stop());
        foreach (var history in _settings.Histories)
        {
            var last = history.Acknowledged.Max(placed => placed.Offset);
            Wait.Until(
                () => _reader.NextOffset(history.Partition) > last && _again.NextOffset(history.Partition) > last,
                Patience,
                () => $"the readers see offset {last} of partition {history.Partition}, and are at {_reader.NextOffset(history.Partition)} and {_again.NextOffset(history.Partition)}");
            Wait.Until(
                () => _member.Committed(history.Partition) > last,
                Patience,
                () => $"a group commits that it has read offset {last} of partition {history.Partition}, and has committed {_member.Committed(history.Partition)}");
        }

        _reader.Stop();
        _again.Stop();
        _member.Stop();
    }

    public void Dispose()
    {
        Parallel.ForEach(_writers, writer => writer.Dispose());
        _reader.Dispose();
        _again.Dispose();
        _member.Dispose();
    }
}
