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
    private readonly LoadReader _again;
    private readonly GroupMember _member;
    private readonly SharingGroup _sharing;
    private readonly List<LoadConsumer> _consumers;

    /// <summary>Starts all, and waits until each partition took some records.</summary>
    public LoadOnTopic(LoadSettings settings)
    {
        _settings = settings;
        _writers = [.. Enumerable.Range(0, settings.Writers).Select(_ => new LoadWriter(settings))];
        _again = new LoadReader(settings, "the reader that looks again");
        _member = new GroupMember(settings);
        _sharing = new SharingGroup(settings);
        _consumers = [new LoadReader(settings, "the reader"), _again, _member, .. _sharing.Consumers];
        _consumers.ForEach(consumer => consumer.Start());
        WaitForMore();
    }

    public int Restarts => _writers.Sum(writer => writer.Restarts);

    public int NewEpochs => _writers.Sum(writer => writer.NewEpochs);

    /// <summary>Consumers whose clients hung.</summary>
    public int Hung => _consumers.Count(consumer => consumer.Hangs);

    /// <summary>What a group's only member committed.</summary>
    public CommitLedger Commits => _member.Ledger;

    /// <summary>How often a member of the other group was given partitions.</summary>
    public int Assignments => _sharing.Assignments;

    /// <summary>What groups were told of their commits that cannot be. To be read when all has finished.</summary>
    public IEnumerable<Violation> CommitViolations => [.. _member.Ledger.Violations, .. _sharing.Ledger.Violations];

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
        var last = _settings.Histories.Select(history => history.Acknowledged.Max(placed => placed.Offset)).ToList();
        foreach (var consumer in _consumers.ToList())
        {
            if (consumer.Finish(last, Patience) is { } successor)
            {
                _settings.Say($"{consumer.Name} hangs in its client's library; another one goes on");
                _consumers.Add(successor);
                successor.Start();
                if (successor.Finish(last, Patience) is not null)
                {
                    throw new TimeoutException($"{consumer.Name} hangs, and so does the one that went on: that is no chance.");
                }
            }
        }
    }

    public void Dispose()
    {
        Parallel.ForEach(_writers, writer => writer.Dispose());
        Parallel.ForEach(_consumers, consumer => consumer.Dispose());
    }
}
