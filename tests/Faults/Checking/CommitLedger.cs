namespace Milena.Faults.Checking;

/// <summary>What a group's only member committed, held against what the coordinator says is committed. For one thread at a time, but for <see cref="AcknowledgedAt"/>.</summary>
/// <remarks>
/// A commit that failed may have been stored, or be stored at any time later, when a coordinator that stood still reads on: whatever was tried may show up. But what was
/// acknowledged stays until something else shows up that was tried.
/// </remarks>
public sealed class CommitLedger(string group)
{
    private const long Nothing = -1;

    private readonly Dictionary<int, long> _committed = [];
    private readonly Dictionary<int, HashSet<long>> _unknown = [];
    private readonly List<Violation> _violations = [];
    private readonly List<TimeSpan> _acknowledgedAt = [];

    public IReadOnlyList<Violation> Violations => _violations;

    /// <summary>When commits were acknowledged, up to now, each of one partition.</summary>
    public IReadOnlyList<TimeSpan> AcknowledgedAt()
    {
        lock (_acknowledgedAt)
        {
            return [.. _acknowledgedAt];
        }
    }

    public void Acknowledge(int partition, long offset, TimeSpan at)
    {
        _committed[partition] = offset;
        lock (_acknowledgedAt)
        {
            _acknowledgedAt.Add(at);
        }
    }

    /// <summary>Nobody knows whether it is stored.</summary>
    public void Fail(int partition, long offset)
    {
        if (!_unknown.TryGetValue(partition, out var offsets))
        {
            _unknown.Add(partition, offsets = []);
        }

        offsets.Add(offset);
    }

    /// <summary>The coordinator said so, when no commit was on its way.</summary>
    /// <param name="offset">Null: nothing is committed.</param>
    public void See(int partition, long? offset, TimeSpan at)
    {
        var (seen, expected) = (offset ?? Nothing, _committed.GetValueOrDefault(partition, Nothing));
        if (seen != expected && _unknown.GetValueOrDefault(partition)?.Contains(seen) != true)
        {
            _violations.Add(new(ViolationKind.CommitLost, partition, at, $"{group} has committed {Text(expected)}, and is told {Text(seen)}"));
        }

        _committed[partition] = seen;
    }

    private static string Text(long offset) => offset == Nothing ? "nothing" : $"offset {offset}";
}
