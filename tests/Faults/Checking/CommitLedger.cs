namespace Milena.Faults.Checking;

/// <summary>What a group's members committed, held against what they are told is committed. Members may use it from threads of their own.</summary>
/// <remarks>
/// Each partition's offset is a register: what a read shows must have been there at some time while it lasted. A commit that failed may have been stored, or be stored
/// at any time later, when a coordinator that stood still reads on: whatever was tried may show up. But what was acknowledged stays until something else takes its place.
/// </remarks>
public sealed class CommitLedger(string group)
{
    private const long Nothing = -1;

    private readonly Lock _lock = new();
    private readonly Dictionary<int, Register> _registers = [];
    private readonly List<Violation> _violations = [];
    private readonly List<TimeSpan> _acknowledgedAt = [];

    /// <summary>To be read when all members have stopped.</summary>
    public IReadOnlyList<Violation> Violations => _violations;

    /// <summary>When commits were acknowledged, up to now, each of one partition.</summary>
    public IReadOnlyList<TimeSpan> AcknowledgedAt()
    {
        lock (_lock)
        {
            return [.. _acknowledgedAt];
        }
    }

    /// <summary>A commit is about to be sent. As long as it is not acknowledged, nobody knows whether it is stored.</summary>
    public void Try(int partition, long offset)
    {
        lock (_lock)
        {
            var unsettled = RegisterOf(partition).Unsettled;
            unsettled[offset] = unsettled.GetValueOrDefault(offset) + 1;
        }
    }

    /// <summary>What was tried is stored.</summary>
    /// <param name="sent">When it was about to be sent, since the campaign began.</param>
    /// <param name="at">When it was acknowledged.</param>
    public void Acknowledge(int partition, long offset, TimeSpan sent, TimeSpan at)
    {
        lock (_lock)
        {
            var register = RegisterOf(partition);
            register.Settle(offset);
            register.Known.Add(new(offset, sent, at));
            _acknowledgedAt.Add(at);
        }
    }

    /// <summary>The coordinator said so.</summary>
    /// <param name="offset">Null: nothing is committed.</param>
    /// <param name="asked">Not before this it looked.</param>
    /// <param name="at">Nor after this.</param>
    public void See(int partition, long? offset, TimeSpan asked, TimeSpan at)
    {
        lock (_lock)
        {
            var register = RegisterOf(partition);
            var seen = offset ?? Nothing;
            if (!register.MayShow(seen, asked))
            {
                _violations.Add(new(ViolationKind.CommitLost, partition, at, $"{group} committed {Text(register.Last)}, and is told {Text(seen)}"));
            }

            register.Known.Add(new(seen, asked, at));
        }
    }

    private Register RegisterOf(int partition)
    {
        if (!_registers.TryGetValue(partition, out var register))
        {
            _registers.Add(partition, register = new());
        }

        return register;
    }

    private static string Text(long offset) => offset == Nothing ? "nothing" : $"offset {offset}";

    /// <param name="Sent">The offset was not there before this.</param>
    /// <param name="At">It was, at some time up to this.</param>
    private readonly record struct Stored(long Offset, TimeSpan Sent, TimeSpan At);

    private sealed class Register
    {
        /// <summary>How often each offset was tried without an answer that it is stored.</summary>
        public Dictionary<long, int> Unsettled { get; } = [];

        public List<Stored> Known { get; } = [];

        public long Last => Known.Count == 0 ? Nothing : Known.MaxBy(one => one.Sent).Offset;

        public void Settle(long offset)
        {
            if (--Unsettled[offset] == 0)
            {
                Unsettled.Remove(offset);
            }
        }

        /// <summary>Whether an offset can have been there at some time from then on.</summary>
        public bool MayShow(long offset, TimeSpan from)
        {
            if (Unsettled.ContainsKey(offset))
            {
                return true;
            }

            // What was stored before this has been replaced by then.
            var replaced = Known.Where(one => one.At < from).Select(one => one.Sent).DefaultIfEmpty(TimeSpan.MinValue).Max();
            return Known.Any(one => one.Offset == offset && one.At >= replaced) || (offset == Nothing && replaced == TimeSpan.MinValue);
        }
    }
}
