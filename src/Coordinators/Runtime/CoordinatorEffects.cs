using Milena.Protocol;

namespace Milena.Coordinators.Runtime;

/// <summary>One record of a coordinator's internal topic, before it is encoded.</summary>
/// <param name="KeyType">The int16 that stands before the key: the <c>apiKey</c> of its schema.</param>
/// <param name="Value">Null is a tombstone: the key's state ends.</param>
/// <param name="ValueVersion">The int16 that stands before the value.</param>
public readonly record struct CoordinatorRecord(short KeyType, IMessage Key, IMessage? Value, short ValueVersion);

/// <summary>A request as a coordinator sees it.</summary>
/// <param name="ReplyTo">Opaque to the coordinator; handed back with the answer.</param>
public readonly record struct CoordinatorRequest(
    IRequestMessage Request, short ApiVersion, string ClientId, string ClientHost, object ReplyTo);

/// <summary>What one step of a coordinator asks its runtime to do.</summary>
/// <remarks>
/// The records of a step are appended as one atomic batch. Answers that were given in the same step as records leave when those records
/// are committed, so that no client is told what a crash could undo; answers of a step without records leave when all earlier records
/// are. Timers have names; setting one replaces the earlier of that name.
/// </remarks>
public sealed class CoordinatorEffects
{
    public List<CoordinatorRecord> Records { get; } = [];
    public List<(object ReplyTo, IResponseMessage Response)> Replies { get; } = [];
    public List<(TimerName Timer, TimeSpan? Due)> Timers { get; } = [];

    public void Append(in CoordinatorRecord record) => Records.Add(record);

    public void Reply(object replyTo, IResponseMessage response) => Replies.Add((replyTo, response));

    /// <summary>Calls the coordinator's TimerFired once, that long from now.</summary>
    public void SetTimer(TimerName timer, TimeSpan due) => Timers.Add((timer, due));

    public void CancelTimer(TimerName timer) => Timers.Add((timer, null));

    public void Clear()
    {
        Records.Clear();
        Replies.Clear();
        Timers.Clear();
    }
}

/// <summary>What a timer is for: a kind, the group or transactional id, and within it the member.</summary>
public readonly record struct TimerName(string Kind, string Owner, string Member = "");

/// <summary>
/// A replicated state machine over one partition of an internal topic. Single-threaded, no I/O, no clock of its own: the same records
/// replayed on another node give the same state.
/// </summary>
public interface ICoordinator
{
    /// <summary>Applies one record of the log, at start or after a change of leader. No effects.</summary>
    /// <param name="key">With its leading int16.</param>
    /// <param name="value">With its leading int16; null for a tombstone.</param>
    void Replay(ReadOnlyMemory<byte> key, ReadOnlyMemory<byte>? value, DateTimeOffset recordTime);

    /// <summary>All records are replayed: sets the timers that the state needs.</summary>
    void Loaded(DateTimeOffset now, CoordinatorEffects effects);

    /// <summary>Handles one request; its answer may come in this step's effects or in a later one's, exactly once.</summary>
    void Handle(in CoordinatorRequest request, DateTimeOffset now, CoordinatorEffects effects);

    void TimerFired(TimerName timer, DateTimeOffset now, CoordinatorEffects effects);

    /// <summary>The instance is not used again: answers the requests that it has parked.</summary>
    void Unload(DateTimeOffset now, CoordinatorEffects effects);
}
