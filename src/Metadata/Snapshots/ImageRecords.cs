using Milena.Metadata.Image;
using Milena.Protocol;

namespace Milena.Metadata.Snapshots;

/// <summary>An image as the metadata records that rebuild it from nothing, in Kafka's order: features, brokers, topics, settings, producer ids.</summary>
/// <remarks>The same image gives the same records on every node, so that two snapshots of it are the same bytes.</remarks>
public static class ImageRecords
{
    private const int NoBroker = -1;

    public static IEnumerable<IMessage> Of(MetadataImage image)
    {
        foreach (var (name, level) in image.Features)
        {
            yield return new FeatureLevelRecord { Name = name, FeatureLevel = level };
        }

        foreach (var broker in image.Brokers.Values)
        {
            yield return Of(broker);
        }

        foreach (var topic in image.TopicsById.Values.OrderBy(topic => topic.Name, StringComparer.Ordinal))
        {
            yield return new TopicRecord { Name = topic.Name, TopicId = topic.Id };
            for (var index = 0; index < topic.Partitions.Length; index++)
            {
                yield return Of(topic.Id, index, topic.Partitions[index]);
            }
        }

        foreach (var config in Configs(image))
        {
            yield return config;
        }

        if (image.NextProducerId > 0)
        {
            // Which broker took the last block is of no use to anybody later.
            yield return new ProducerIdsRecord { BrokerId = NoBroker, BrokerEpoch = -1, NextProducerId = image.NextProducerId };
        }
    }

    private static IEnumerable<ConfigRecord> Configs(MetadataImage image) =>
        from resource in image.Configs.Keys.OrderBy(resource => resource.Type).ThenBy(resource => resource.Name, StringComparer.Ordinal)
        from config in image.Configs[resource]
        select new ConfigRecord { ResourceType = (sbyte)resource.Type, ResourceName = resource.Name, Name = config.Key, Value = config.Value };

    private static RegisterBrokerRecord Of(BrokerRegistration broker) => new()
    {
        BrokerId = broker.Id,
        BrokerEpoch = broker.Epoch,
        IncarnationId = broker.IncarnationId,
        EndPoints = [.. broker.EndPoints.Select(endPoint => new RegisterBrokerRecord.BrokerEndpoint
        {
            Name = endPoint.ListenerName,
            Host = endPoint.Host,
            Port = (ushort)endPoint.Port,
            SecurityProtocol = endPoint.SecurityProtocol,
        })],
        Features = [.. broker.Features.Select(feature => new RegisterBrokerRecord.BrokerFeature
        {
            Name = feature.Name,
            MinSupportedVersion = feature.Min,
            MaxSupportedVersion = feature.Max,
        })],
        LogDirs = [.. broker.LogDirectories],
        CordonedLogDirs = broker.CordonedDirectories.IsEmpty ? null : [.. broker.CordonedDirectories],
        Rack = broker.Rack,
        Fenced = broker.Fenced,
        InControlledShutdown = broker.InControlledShutdown,
    };

    private static PartitionRecord Of(Guid topicId, int index, PartitionRegistration partition) => new()
    {
        TopicId = topicId,
        PartitionId = index,
        Replicas = [.. partition.Replicas],
        Directories = [.. partition.Directories],
        Isr = [.. partition.Isr],
        RemovingReplicas = [.. partition.RemovingReplicas],
        AddingReplicas = [.. partition.AddingReplicas],
        EligibleLeaderReplicas = partition.EligibleLeaderReplicas.IsEmpty ? null : [.. partition.EligibleLeaderReplicas],
        LastKnownElr = partition.LastKnownElr.IsEmpty ? null : [.. partition.LastKnownElr],
        Leader = partition.Leader,
        LeaderRecoveryState = partition.LeaderRecoveryState,
        LeaderEpoch = partition.LeaderEpoch,
        PartitionEpoch = partition.PartitionEpoch,
    };
}
