using Milena.Faults.Checking;

namespace Milena.Faults.Load;

/// <summary>A group whose members share the partitions. All but the first leave and join again for as long as the campaign lasts, so that faults meet rebalances.</summary>
internal sealed class SharingGroup
{
    private const int Members = 2;

    private readonly long[] _committed;
    private int _assignments;

    public SharingGroup(LoadSettings settings)
    {
        _committed = new long[settings.Histories.Count];
        Consumers = [.. Enumerable.Range(1, Members).Select(number => new SharingMember(settings, this, number))];
    }

    public IReadOnlyList<SharingMember> Consumers { get; }

    public CommitLedger Ledger { get; } = new("the sharing group");

    /// <summary>How far the group has committed in each partition, for a sentence.</summary>
    public string Progress => string.Join(", ", Enumerable.Range(0, _committed.Length).Select(Committed));

    /// <summary>Counts how often a member was given partitions.</summary>
    /// <returns>A number that no other assignment has.</returns>
    public int NextAssignment() => Interlocked.Increment(ref _assignments);

    /// <summary>How often a member was given partitions.</summary>
    public int Assignments => Volatile.Read(ref _assignments);

    public long Committed(int partition) => Volatile.Read(ref _committed[partition]);

    public void HasCommitted(int partition, long offset) => Volatile.Write(ref _committed[partition], offset);
}
