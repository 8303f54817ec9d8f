namespace Milena.Coordinators.Groups;

/// <summary>Where a classic group is in its rebalance. The names are Kafka's, and clients see them.</summary>
/// <remarks>
/// Empty ─join─▶ PreparingRebalance ─all joined or time is up─▶ CompletingRebalance ─leader's SyncGroup─▶ Stable. A join, leave or death
/// goes back to PreparingRebalance from either of the last two; a rebalance that nobody joins ends in Empty. Dead is only ever described:
/// a group that is gone is not kept.
/// </remarks>
public enum GroupState
{
    Empty,
    PreparingRebalance,
    CompletingRebalance,
    Stable,
    Dead,
}
