using System.Collections.Immutable;
using Milena.Metadata.Snapshots;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Metadata.Quorum;

/// <summary>The quorum's one partition in Kafka's requests and responses, which have room for many.</summary>
internal static class QuorumMessages
{
    public const string Topic = TopicNames.ClusterMetadata;

    /// <summary>Kafka's fixed id of the metadata topic: 1 as a 128-bit number.</summary>
    public static readonly Guid TopicId = new(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);

    public static VoteRequest.PartitionData? Partition(VoteRequest request) =>
        request.Topics is [{ TopicName: Topic, Partitions: [{ PartitionIndex: 0 } only] }] ? only : null;

    public static VoteResponse.PartitionData? Partition(VoteResponse response) =>
        response.Topics is [{ TopicName: Topic, Partitions: [{ PartitionIndex: 0 } only] }] ? only : null;

    public static BeginQuorumEpochRequest.PartitionData? Partition(BeginQuorumEpochRequest request) =>
        request.Topics is [{ TopicName: Topic, Partitions: [{ PartitionIndex: 0 } only] }] ? only : null;

    public static BeginQuorumEpochResponse.PartitionData? Partition(BeginQuorumEpochResponse response) =>
        response.Topics is [{ TopicName: Topic, Partitions: [{ PartitionIndex: 0 } only] }] ? only : null;

    public static EndQuorumEpochRequest.PartitionData? Partition(EndQuorumEpochRequest request) =>
        request.Topics is [{ TopicName: Topic, Partitions: [{ PartitionIndex: 0 } only] }] ? only : null;

    public static EndQuorumEpochResponse.PartitionData? Partition(EndQuorumEpochResponse response) =>
        response.Topics is [{ TopicName: Topic, Partitions: [{ PartitionIndex: 0 } only] }] ? only : null;

    public static FetchRequest.FetchPartition? Partition(FetchRequest request) =>
        request.Topics is [{ Partitions: [{ Partition: 0 } only] } topic] && topic.TopicId == TopicId ? only : null;

    public static FetchResponse.PartitionData? Partition(FetchResponse response) =>
        response.Responses is [{ Partitions: [{ PartitionIndex: 0 } only] }] ? only : null;

    public static FetchSnapshotRequest.PartitionSnapshot? Partition(FetchSnapshotRequest request) =>
        request.Topics is [{ Name: Topic, Partitions: [{ Partition: 0 } only] }] ? only : null;

    public static FetchSnapshotResponse.PartitionSnapshot? Partition(FetchSnapshotResponse response) =>
        response.Topics is [{ Name: Topic, Partitions: [{ Index: 0 } only] }] ? only : null;

    public static VoteRequest Vote(string clusterId, ReplicaKey self, ReplicaKey voter, int epoch, bool preVote, LogOutline log) => new()
    {
        ClusterId = clusterId,
        VoterId = voter.Id,
        Topics = [new()
        {
            TopicName = Topic,
            Partitions = [new()
            {
                ReplicaEpoch = epoch,
                ReplicaId = self.Id,
                ReplicaDirectoryId = self.DirectoryId,
                VoterDirectoryId = voter.DirectoryId,
                LastOffsetEpoch = log.LastEpoch,
                LastOffset = log.EndOffset,
                PreVote = preVote,
            }],
        }],
    };

    public static BeginQuorumEpochRequest Begin(string clusterId, int leader, ReplicaKey voter, int epoch, ImmutableArray<QuorumEndpoint> endpoints) => new()
    {
        ClusterId = clusterId,
        VoterId = voter.Id,
        Topics = [new() { TopicName = Topic, Partitions = [new() { VoterDirectoryId = voter.DirectoryId, LeaderId = leader, LeaderEpoch = epoch }] }],
        LeaderEndpoints = [.. endpoints.Select(one => new BeginQuorumEpochRequest.LeaderEndpoint { Name = one.Name, Host = one.Host, Port = one.Port })],
    };

    public static EndQuorumEpochRequest End(string clusterId, int leader, int epoch, IEnumerable<ReplicaKey> successors, ImmutableArray<QuorumEndpoint> endpoints) => new()
    {
        ClusterId = clusterId,
        Topics = [new()
        {
            TopicName = Topic,
            Partitions = [new()
            {
                LeaderId = leader,
                LeaderEpoch = epoch,
                PreferredCandidates = [.. successors.Select(key => new EndQuorumEpochRequest.ReplicaInfo { CandidateId = key.Id, CandidateDirectoryId = key.DirectoryId })],
            }],
        }],
        LeaderEndpoints = [.. endpoints.Select(one => new EndQuorumEpochRequest.LeaderEndpoint { Name = one.Name, Host = one.Host, Port = one.Port })],
    };

    public static FetchSnapshotRequest FetchSnapshot(string clusterId, ReplicaKey self, int epoch, SnapshotId snapshot, long position, QuorumSettings settings) => new()
    {
        ClusterId = clusterId,
        ReplicaId = self.Id,
        MaxBytes = settings.FetchMaxBytes,
        Topics = [new()
        {
            Name = Topic,
            Partitions = [new()
            {
                CurrentLeaderEpoch = epoch,
                SnapshotId = new() { EndOffset = snapshot.EndOffset, Epoch = snapshot.Epoch },
                Position = position,
                ReplicaDirectoryId = self.DirectoryId,
            }],
        }],
    };

    public static FetchRequest Fetch(string clusterId, ReplicaKey self, int epoch, LogOutline log, long highWatermark, QuorumSettings settings) => new()
    {
        ClusterId = clusterId,
        ReplicaState = new() { ReplicaId = self.Id },
        MaxWaitMs = settings.FetchMaxWaitMs,
        MaxBytes = settings.FetchMaxBytes,
        Topics = [new()
        {
            Topic = Topic,
            TopicId = TopicId,
            Partitions = [new()
            {
                CurrentLeaderEpoch = epoch,
                FetchOffset = log.EndOffset,
                LastFetchedEpoch = log.LastEpoch,
                PartitionMaxBytes = settings.FetchMaxBytes,
                ReplicaDirectoryId = self.DirectoryId,
                HighWatermark = highWatermark,
            }],
        }],
    };
}
