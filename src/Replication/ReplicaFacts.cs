namespace Milena.Replication;

/// <summary>The few facts that outlive a replica actor. Record bytes, ISR and assignment are not among them.</summary>
public abstract record ReplicaFact
{
    /// <summary>The first offset that was, or will be, written in a leader epoch (KIP-101).</summary>
    public sealed record EpochStarted(int Epoch, long StartOffset) : ReplicaFact;

    /// <summary>Records below it are deleted, by a user's request or by retention.</summary>
    public sealed record LogStartMoved(long Offset) : ReplicaFact;
}
