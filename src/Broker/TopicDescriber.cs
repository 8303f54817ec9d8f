using Milena.Metadata.Image;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Broker;

/// <summary>A topic in the words of the Metadata and DescribeTopicPartitions answers, as seen through one listener.</summary>
public sealed class TopicDescriber(BrokerContext broker, MetadataImage image, string listenerName)
{
    public MetadataResponse.MetadataResponseTopic Describe(TopicImage topic, short version)
    {
        var response = new MetadataResponse.MetadataResponseTopic { Name = topic.Name, TopicId = topic.Id, IsInternal = TopicNames.IsInternal(topic.Name) };
        for (var index = 0; index < topic.Partitions.Length; index++)
        {
            var partition = topic.Partitions[index];
            response.Partitions.Add(new()
            {
                ErrorCode = LeaderError(topic.Name, index, partition, version),
                PartitionIndex = index,
                LeaderId = IsServed(topic.Name, index, partition) ? partition.Leader : PartitionRegistration.NoLeader,
                LeaderEpoch = partition.LeaderEpoch,
                ReplicaNodes = [.. partition.Replicas],
                IsrNodes = [.. partition.Isr],
                OfflineReplicas = [.. partition.Replicas.Where(id => IsOffline(partition, id))],
            });
        }

        return response;
    }

    public DescribeTopicPartitionsResponse.DescribeTopicPartitionsResponsePartition Describe(string topic, PartitionRegistration partition, int index) => new()
    {
        ErrorCode = LeaderError(topic, index, partition, version: short.MaxValue),
        PartitionIndex = index,
        LeaderId = IsServed(topic, index, partition) ? partition.Leader : PartitionRegistration.NoLeader,
        LeaderEpoch = partition.LeaderEpoch,
        ReplicaNodes = [.. partition.Replicas],
        IsrNodes = [.. partition.Isr],
        EligibleLeaderReplicas = [.. partition.EligibleLeaderReplicas],
        LastKnownElr = [.. partition.LastKnownElr],
        OfflineReplicas = [.. partition.Replicas.Where(id => IsOffline(partition, id))],
    };

    private ErrorCode LeaderError(string topic, int index, PartitionRegistration partition, short version) => IsServed(topic, index, partition) ? ErrorCode.None
        : partition.Leader != PartitionRegistration.NoLeader && version > 0 && !IsReachable(partition.Leader) ? ErrorCode.ListenerNotFound
        : ErrorCode.LeaderNotAvailable;

    /// <summary>The leader can be reached; and if it is this broker, its replica has started.</summary>
    private bool IsServed(string topic, int index, PartitionRegistration partition) => IsReachable(partition.Leader)
        && (partition.Leader != broker.BrokerId || broker.Replicas.Directory.Find(new TopicPartition(topic, index)) is { Leadership: { IsLeader: true } or { IsOffline: true } });

    private bool IsReachable(int brokerId) => image.Brokers.TryGetValue(brokerId, out var broker) && !broker.Fenced && broker.EndPoint(listenerName) is not null;

    private bool IsOffline(PartitionRegistration partition, int brokerId) =>
        !image.Brokers.TryGetValue(brokerId, out var broker) || broker.Fenced || !broker.IsOnline(partition.DirectoryOf(brokerId));
}
