namespace Milena.Metadata.Quorum;

/// <summary>What a replica must not forget: the epoch it has reached, its vote in it, and whom it knew as leader.</summary>
/// <param name="LeaderId">Null when unknown. Only a help for tools: a replica that starts asks who leads.</param>
/// <param name="Voted">Null while it has not voted in the epoch.</param>
public sealed record ElectionState(int Epoch, int? LeaderId, ReplicaKey? Voted)
{
    public static ElectionState Initial { get; } = new(0, null, null);
}
