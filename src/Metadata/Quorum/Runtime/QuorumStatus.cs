namespace Milena.Metadata.Quorum;

/// <summary>A moment of the quorum as one replica sees it.</summary>
/// <param name="Replicas">What a leader knows of each voter and each observer, itself among them; empty at the others.</param>
public sealed record QuorumStatus(
    QuorumRole Role,
    int Epoch,
    int? LeaderId,
    QuorumPeer? Leader,
    bool HearsLeader,
    bool IsVoter,
    VoterSet Voters,
    long HighWatermark,
    long StartOffset,
    long EndOffset,
    IReadOnlyList<ReplicaStatus> Replicas);
