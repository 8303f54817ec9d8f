namespace Milena.Metadata.Quorum;

/// <summary>A moment of the quorum as one replica sees it.</summary>
/// <param name="HasVoted">It is a voter, or was one as far as its log goes back.</param>
/// <param name="AtMs">The moment, on the clock that the times of the replicas are of.</param>
/// <param name="Replicas">What a leader knows of each voter and each observer, itself among them; empty at the others.</param>
public sealed record QuorumStatus(
    QuorumRole Role,
    int Epoch,
    int? LeaderId,
    QuorumPeer? Leader,
    bool HearsLeader,
    bool IsVoter,
    bool HasVoted,
    VoterSet Voters,
    long HighWatermark,
    long StartOffset,
    long EndOffset,
    long AtMs,
    IReadOnlyList<ReplicaStatus> Replicas)
{
    /// <summary>Whether this replica leads, and a node has asked it for records that lately. A node that asks again has the answer before: both ways work.</summary>
    public bool Hears(int nodeId, TimeSpan within) =>
        Replicas.Any(one => one.Key.Id == nodeId && one.LastFetchTimestampMs >= 0 && AtMs - one.LastFetchTimestampMs <= within.TotalMilliseconds);
}
