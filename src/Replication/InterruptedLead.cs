namespace Milena.Replication;

/// <summary>Where a leader was when its actor ended before its time: whoever takes its place in the same epoch must not know less, or ask for less.</summary>
/// <param name="ProposedUpTo">The latest partition epoch on which what it asked the controller for may rest.</param>
internal sealed record InterruptedLead(int LeaderEpoch, int ProposedUpTo, long HighWatermark);
