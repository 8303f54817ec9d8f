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
