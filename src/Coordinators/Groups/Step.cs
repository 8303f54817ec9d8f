using Milena.Coordinators.Runtime;

namespace Milena.Coordinators.Groups;

/// <summary>One call of the coordinator: its time, and where its effects go.</summary>
internal readonly record struct Step(DateTimeOffset Now, CoordinatorEffects Effects)
{
    public long NowMs => Now.ToUnixTimeMilliseconds();
}

/// <summary>A request that is parked until the rebalance goes on: whom to answer, in which version.</summary>
internal sealed record Waiting(object ReplyTo, short ApiVersion);

/// <summary>The kinds of timers that groups set. Owner is the group id, Member the member id where there is one.</summary>
internal static class TimerKinds
{
    /// <summary>A member, or a member id that was handed out and not used yet, has been silent for too long.</summary>
    public const string Session = "group-session";

    /// <summary>The time for joining is up.</summary>
    public const string Join = "group-join";

    /// <summary>The time for syncing is up.</summary>
    public const string Sync = "group-sync";

    /// <summary>Look for offsets that have expired; owned by no group.</summary>
    public const string Expiry = "group-offset-expiry";

    /// <summary>Go on removing the offsets of deleted topics; owned by no group.</summary>
    public const string Purge = "group-offset-purge";

    public static TimerName SessionOf(string groupId, string memberId) => new(Session, groupId, memberId);

    public static TimerName JoinOf(string groupId) => new(Join, groupId);

    public static TimerName SyncOf(string groupId) => new(Sync, groupId);
}
