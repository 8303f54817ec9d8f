using Milena.Model;
using Milena.Network;
using Milena.Protocol;

namespace Milena.Broker.Handlers;

/// <summary>Describes the brokers (KIP-700), the fenced ones too where they are asked for (KIP-1073).</summary>
public sealed class DescribeClusterHandler(BrokerContext broker) : ApiHandler<DescribeClusterRequest>(ApiKey.DescribeCluster)
{
    private const sbyte Brokers = 1;

    protected override ValueTask<IResponseMessage?> HandleAsync(RequestContext context, DescribeClusterRequest request)
    {
        if (request.EndpointType != Brokers)
        {
            return Answer(new DescribeClusterResponse
            {
                ErrorCode = request.EndpointType == 2 ? ErrorCode.MismatchedEndpointType : ErrorCode.UnsupportedEndpointType,
                ErrorMessage = "This listener serves brokers.",
                EndpointType = context.ApiVersion >= 1 ? Brokers : (sbyte)1,
            });
        }

        var image = broker.Image;
        var response = new DescribeClusterResponse
        {
            ClusterId = broker.ClusterId,
            ClusterAuthorizedOperations = request.IncludeClusterAuthorizedOperations ? AuthorizedOperations.Cluster : int.MinValue,
            ControllerId = image.Brokers.Values.FirstOrDefault(one => !one.Fenced)?.Id ?? -1,
        };
        foreach (var one in image.Brokers.Values.Where(one => !one.Fenced || request.IncludeFencedBrokers))
        {
            if (one.EndPoint(context.Connection.ListenerName) is { } endPoint)
            {
                response.Brokers.Add(new() { BrokerId = one.Id, Host = endPoint.Host, Port = endPoint.Port, Rack = one.Rack, IsFenced = context.ApiVersion >= 2 && one.Fenced });
            }
        }

        return Answer(response);
    }
}

/// <summary>Describes topics a page at a time (KIP-966).</summary>
public sealed class DescribeTopicPartitionsHandler(BrokerContext broker) : ApiHandler<DescribeTopicPartitionsRequest>(ApiKey.DescribeTopicPartitions)
{
    protected override ValueTask<IResponseMessage?> HandleAsync(RequestContext context, DescribeTopicPartitionsRequest request)
    {
        var image = broker.Image;
        var describer = new TopicDescriber(broker, image, context.Connection.ListenerName);
        var names = request.Topics.Count > 0 ? request.Topics.Select(topic => topic.Name).Distinct() : image.TopicsByName.Keys;
        var cursor = request.Cursor;
        if (cursor is { PartitionIndex: < 0 })
        {
            return Answer(new DescribeTopicPartitionsResponse());
        }

        var response = new DescribeTopicPartitionsResponse();
        var left = Math.Clamp(request.ResponsePartitionLimit, 1, broker.Settings.GetInt("max.request.partition.size.limit"));
        foreach (var name in names.Order(StringComparer.Ordinal).Where(name => cursor is null || string.CompareOrdinal(name, cursor.TopicName) >= 0))
        {
            if (left == 0)
            {
                response.NextCursor = new() { TopicName = name, PartitionIndex = 0 };
                break;
            }

            var first = cursor?.TopicName == name ? cursor.PartitionIndex : 0;
            var described = Describe(describer, name, first, left, out var next);
            response.Topics.Add(described);
            left -= described.Partitions.Count;
            if (next is { } partition)
            {
                response.NextCursor = new() { TopicName = name, PartitionIndex = partition };
                break;
            }
        }

        return Answer(response);
    }

    private DescribeTopicPartitionsResponse.DescribeTopicPartitionsResponseTopic Describe(
        TopicDescriber describer, string name, int first, int limit, out int? next)
    {
        next = null;
        var described = new DescribeTopicPartitionsResponse.DescribeTopicPartitionsResponseTopic
        {
            Name = name,
            IsInternal = TopicNames.IsInternal(name),
            TopicAuthorizedOperations = AuthorizedOperations.Topic,
        };
        if (!TopicNames.IsValid(name))
        {
            described.ErrorCode = ErrorCode.InvalidTopicException;
            return described;
        }

        if (broker.Image.FindTopic(name) is not { } topic)
        {
            described.ErrorCode = ErrorCode.UnknownTopicOrPartition;
            return described;
        }

        described.TopicId = topic.Id;
        var end = Math.Min(topic.Partitions.Length, first + limit);
        for (var index = first; index < end; index++)
        {
            described.Partitions.Add(describer.Describe(name, topic.Partitions[index], index));
        }

        next = end < topic.Partitions.Length ? end : null;
        return described;
    }
}
