using Milena.Model;

namespace Milena.Replication;

/// <summary>Where a follower's log ends, as its actor last left it: what its next fetch says.</summary>
/// <param name="LeaderEpoch">The epoch of the leader it follows. Whatever is brought to the actor for another position is refused.</param>
/// <param name="Offset">The log end offset.</param>
/// <param name="LastEpoch">The epoch of the last batch, -1 in an empty log: by it the leader notices that the logs part.</param>
/// <param name="LogStartOffset">The first offset still held.</param>
public sealed record FetchPosition(int LeaderEpoch, long Offset, int LastEpoch, long LogStartOffset);

/// <summary>What became of what a fetcher brought.</summary>
/// <param name="Next">Where to go on; null when the replica no longer follows in that epoch.</param>
public readonly record struct FollowResult(ErrorCode Error, FetchPosition? Next, string? Message = null);
