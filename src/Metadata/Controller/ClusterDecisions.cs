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
