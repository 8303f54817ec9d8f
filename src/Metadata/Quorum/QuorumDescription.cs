using Milena.Model;
using Milena.Protocol;

namespace Milena.Metadata.Quorum;

/// <summary>A leader's status as DescribeQuorum has it.</summary>
internal static class QuorumDescription
{
    public static DescribeQuorumResponse Of(QuorumStatus status, DescribeQuorumRequest request)
    {
        if (status.Role != QuorumRole.Leader)
        {
            return new DescribeQuorumResponse { ErrorCode = ErrorCode.NotLeaderOrFollower, ErrorMessage = "This replica does not lead the metadata quorum." };
        }

        // As with Kafka: who asks for anything else beside the one partition is told nothing of it either.
        var isForMetadata = request.Topics is [{ TopicName: QuorumMessages.Topic, Partitions: [{ PartitionIndex: 0 }] }];
        return new DescribeQuorumResponse
        {
            Topics = [.. request.Topics.Select(topic => new DescribeQuorumResponse.TopicData
            {
                TopicName = topic.TopicName,
                Partitions = [.. topic.Partitions.Select(partition =>
                    isForMetadata ? Of(status) : new() { PartitionIndex = partition.PartitionIndex, ErrorCode = ErrorCode.UnknownTopicOrPartition })],
            })],
            Nodes = isForMetadata ? [.. status.Voters.All.Select(Of)] : [],
        };
    }

    private static DescribeQuorumResponse.Node Of(Voter voter) => new()
    {
        NodeId = voter.Key.Id,
        Listeners = [.. voter.Endpoints.Select(one => new DescribeQuorumResponse.Listener { Name = one.Name, Host = one.Host, Port = one.Port })],
    };

    private static DescribeQuorumResponse.PartitionData Of(QuorumStatus status) => new()
    {
        LeaderId = status.LeaderId ?? -1,
        LeaderEpoch = status.Epoch,
        HighWatermark = status.HighWatermark,
        CurrentVoters = [.. status.Replicas.Where(one => one.IsVoter).Select(Of)],
        Observers = [.. status.Replicas.Where(one => !one.IsVoter).Select(Of)],
    };

    private static DescribeQuorumResponse.ReplicaState Of(ReplicaStatus replica) => new()
    {
        ReplicaId = replica.Key.Id,
        ReplicaDirectoryId = replica.Key.DirectoryId,
        LogEndOffset = replica.LogEndOffset,
        LastFetchTimestamp = replica.LastFetchTimestampMs,
        LastCaughtUpTimestamp = replica.LastCaughtUpTimestampMs,
    };
}
