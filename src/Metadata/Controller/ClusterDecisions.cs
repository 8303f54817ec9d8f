using Milena.Metadata.Image;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Metadata.Controller;

/// <summary>Hands out producer ids to brokers in blocks, so that InitProducerId costs one metadata write in a thousand.</summary>
public static class AllocateProducerIdsDecision
{
    public const int BlockSize = 1000;

    public static Decision Decide(MetadataImage image, AllocateProducerIdsRequest request)
    {
        if (!image.Brokers.TryGetValue(request.BrokerId, out var broker) || broker.Epoch != request.BrokerEpoch)
        {
            return Decision.Refuse(new AllocateProducerIdsResponse { ErrorCode = ErrorCode.StaleBrokerEpoch });
        }

        var record = new ProducerIdsRecord
        {
            BrokerId = request.BrokerId,
            BrokerEpoch = request.BrokerEpoch,
            NextProducerId = image.NextProducerId + BlockSize,
        };
        return new Decision([record], new AllocateProducerIdsResponse { ProducerIdStart = image.NextProducerId, ProducerIdLen = BlockSize });
    }
}

/// <summary>Takes a broker into the cluster, or a new incarnation of one that was there before.</summary>
public static class RegisterBrokerDecision
{
    /// <param name="nextOffset">The metadata offset that the registration will have; it becomes the broker's epoch.</param>
    /// <param name="clusterId">The cluster's own id: a broker that carries another one was formatted for another cluster.</param>
    public static Decision Decide(MetadataImage image, BrokerRegistrationRequest request, long nextOffset, string clusterId)
    {
        if (request.ClusterId != clusterId)
        {
            return Decision.Refuse(new BrokerRegistrationResponse { ErrorCode = ErrorCode.InconsistentClusterId });
        }

        var records = new List<IMessage>
        {
            new RegisterBrokerRecord
            {
                BrokerId = request.BrokerId,
                IncarnationId = request.IncarnationId,
                BrokerEpoch = nextOffset,
                EndPoints = [.. request.Listeners.Select(listener => new RegisterBrokerRecord.BrokerEndpoint
                {
                    Name = listener.Name,
                    Host = listener.Host,
                    Port = listener.Port,
                    SecurityProtocol = listener.SecurityProtocol,
                })],
                Features = [.. request.Features.Select(feature => new RegisterBrokerRecord.BrokerFeature
                {
                    Name = feature.Name,
                    MinSupportedVersion = feature.MinSupportedVersion,
                    MaxSupportedVersion = feature.MaxSupportedVersion,
                })],
                Rack = request.Rack,
                LogDirs = [.. request.LogDirs],
                Fenced = false,
            },
        };
        records.AddRange(Features.Supported.Where(feature => !image.Features.ContainsKey(feature.Name))
            .Select(feature => new FeatureLevelRecord { Name = feature.Name, FeatureLevel = feature.Max }));
        records.AddRange(TakeUpLeadership(image, request.BrokerId));
        return new Decision(records, new BrokerRegistrationResponse { BrokerEpoch = nextOffset });
    }

    /// <summary>A new incarnation leads again what it led, in a new leader epoch, and what has no leader while it is in the ISR.</summary>
    private static IEnumerable<IMessage> TakeUpLeadership(MetadataImage image, int brokerId) =>
        from topic in image.TopicsById.Values
        from index in Enumerable.Range(0, topic.Partitions.Length)
        let partition = topic.Partitions[index]
        where partition.Isr.Contains(brokerId) && (partition.Leader == brokerId || partition.Leader == PartitionRegistration.NoLeader)
        select new PartitionChangeRecord { TopicId = topic.Id, PartitionId = index, Leader = brokerId };
}

/// <param name="Min">The lowest level this version still works at.</param>
/// <param name="Max">The level that a cluster of only this version works at.</param>
public sealed record Feature(string Name, short Min, short Max);

/// <summary>Kafka's feature levels that exist here; a feature whose code is not written yet is not in the list.</summary>
public static class Features
{
    /// <summary>Kafka 4.3's own level of metadata.version: clients and tools show it, and choose record formats by it.</summary>
    public const short MetadataVersion = 30;

    public static IReadOnlyList<Feature> Supported { get; } = [new("metadata.version", 7, MetadataVersion)];
}
