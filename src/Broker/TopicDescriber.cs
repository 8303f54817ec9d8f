using Milena.Metadata.Image;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Broker;

/// <summary>A topic in the words of the Metadata and DescribeTopicPartitions answers, as seen through one listener.</summary>
public sealed class TopicDescriber(MetadataImage image, string listenerName)
{
    public MetadataResponse.MetadataResponseTopic Describe(TopicImage topic, short version)
    {
        var response = new MetadataResponse.MetadataResponseTopic { Name = topic.Name, TopicId = topic.Id, IsInternal = TopicNames.IsInternal(topic.Name) };
        for (var index = 0; index < topic.Partitions.Length; index++)
        {
            var partition = topic.Partitions[index];
            response.Partitions.Add(new()
            {
                ErrorCode = LeaderError(partition, version),
                PartitionIndex = index,
                LeaderId = IsReachable(partition.Leader) ? partition.Leader : PartitionRegistration.NoLeader,
                LeaderEpoch = partition.LeaderEpoch,
                ReplicaNodes = [.. partition.Replicas],
                IsrNodes = [.. partition.Isr],
                OfflineReplicas = [.. partition.Replicas.Where(IsOffline)],
            });
        }

        return response;
    }

    public DescribeTopicPartitionsResponse.DescribeTopicPartitionsResponsePartition Describe(PartitionRegistration partition, int index) => new()
    {
        ErrorCode = LeaderError(partition, version: short.MaxValue),
        PartitionIndex = index,
        LeaderId = IsReachable(partition.Leader) ? partition.Leader : PartitionRegistration.NoLeader,
        LeaderEpoch = partition.LeaderEpoch,
        ReplicaNodes = [.. partition.Replicas],
        IsrNodes = [.. partition.Isr],
        EligibleLeaderReplicas = [.. partition.EligibleLeaderReplicas],
        LastKnownElr = [.. partition.LastKnownElr],
        OfflineReplicas = [.. partition.Replicas.Where(IsOffline)],
    };

    private ErrorCode LeaderError(PartitionRegistration partition, short version) => IsReachable(partition.Leader) ? ErrorCode.None
        : partition.Leader != PartitionRegistration.NoLeader && version > 0 ? ErrorCode.ListenerNotFound
        : ErrorCode.LeaderNotAvailable;

    private bool IsReachable(int brokerId) => image.Brokers.TryGetValue(brokerId, out var broker) && !broker.Fenced && broker.EndPoint(listenerName) is not null;

    private bool IsOffline(int brokerId) => !image.Brokers.TryGetValue(brokerId, out var broker) || broker.Fenced;
}
