namespace Milena.Replication;

/// <summary>Where a leader was when its actor ended before its time: whoever takes its place in the same epoch must not know less, or ask for less.</summary>
internal sealed record InterruptedLead(int LeaderEpoch, long HighWatermark);
