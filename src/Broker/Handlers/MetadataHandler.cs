using Milena.Metadata.Image;
using Milena.Model;
using Milena.Network;
using Milena.Protocol;

namespace Milena.Broker.Handlers;

/// <summary>Tells a client which brokers there are and who leads what; creates the topics it names where that is allowed.</summary>
public sealed class MetadataHandler(BrokerContext broker, TopicAutoCreation autoCreation) : ApiHandler<MetadataRequest>(ApiKey.Metadata)
{
    /// <summary>Versions 10 and 11 carry topic ids, but a request by id is only understood from 12 on.</summary>
    private const short TopicIdVersion = 12;
    private const short FirstOperationsVersion = 8;
    private const short LastClusterOperationsVersion = 10;

    protected override async ValueTask<IResponseMessage?> HandleAsync(RequestContext context, MetadataRequest request)
    {
        if (context.ApiVersion < TopicIdVersion && request.Topics?.Exists(topic => topic.TopicId != Guid.Empty || topic.Name is null) == true)
        {
            return new MetadataResponse
            {
                ClusterId = broker.ClusterId,
                Topics = request.Topics.ConvertAll(topic => new MetadataResponse.MetadataResponseTopic { Name = topic.Name ?? "", TopicId = topic.TopicId, ErrorCode = ErrorCode.InvalidRequest }),
            };
        }

        // Version 0 knows no null list: there an empty one asks for all topics, later it asks for none.
        var all = request.Topics is null || (context.ApiVersion == 0 && request.Topics.Count == 0);
        var refused = all ? NoErrors : await CreateMissingAsync(context, request);
        var image = broker.Image;
        var response = new MetadataResponse
        {
            ClusterId = broker.ClusterId,
            ControllerId = image.Brokers.Values.FirstOrDefault(one => !one.Fenced)?.Id ?? -1,
        };
        foreach (var one in image.Brokers.Values.Where(one => !one.Fenced))
        {
            if (one.EndPoint(context.Connection.ListenerName) is { } endPoint)
            {
                response.Brokers.Add(new() { NodeId = one.Id, Host = endPoint.Host, Port = endPoint.Port, Rack = one.Rack });
            }
        }

        var describer = new TopicDescriber(broker, image, context.Connection.ListenerName);
        if (all)
        {
            response.Topics.AddRange(image.TopicsByName.Values.Select(topic => describer.Describe(topic, context.ApiVersion)));
        }
        else
        {
            response.Topics.AddRange(request.Topics!.Select(topic => Describe(describer, image, topic, refused, context.ApiVersion)));
        }

        AddAuthorizedOperations(request, response, context.ApiVersion);
        return response;
    }

    private static void AddAuthorizedOperations(MetadataRequest request, MetadataResponse response, short version)
    {
        if (request.IncludeClusterAuthorizedOperations && version is >= FirstOperationsVersion and <= LastClusterOperationsVersion)
        {
            response.ClusterAuthorizedOperations = AuthorizedOperations.Cluster;
        }

        foreach (var topic in response.Topics.Where(topic => request.IncludeTopicAuthorizedOperations && topic.ErrorCode == ErrorCode.None))
        {
            topic.TopicAuthorizedOperations = AuthorizedOperations.Topic;
        }
    }

    private static readonly IReadOnlyDictionary<string, ErrorCode> NoErrors = new Dictionary<string, ErrorCode>();

    private async ValueTask<IReadOnlyDictionary<string, ErrorCode>> CreateMissingAsync(RequestContext context, MetadataRequest request)
    {
        if ((context.ApiVersion >= 4 && !request.AllowAutoTopicCreation) || !autoCreation.Enabled)
        {
            return NoErrors;
        }

        var image = broker.Image;
        var missing = request.Topics!
            .Where(topic => topic.TopicId == Guid.Empty && topic.Name is not null && image.FindTopic(topic.Name) is null)
            .Select(topic => topic.Name!)
            .ToList();
        return missing.Count == 0 ? NoErrors : await autoCreation.CreateAsync(missing);
    }

    private static MetadataResponse.MetadataResponseTopic Describe(
        TopicDescriber describer,
        MetadataImage image,
        MetadataRequest.MetadataRequestTopic wanted,
        IReadOnlyDictionary<string, ErrorCode> refused,
        short version)
    {
        var topic = wanted.TopicId != Guid.Empty ? image.FindTopic(wanted.TopicId) : image.FindTopic(wanted.Name ?? "");
        if (topic is not null)
        {
            return describer.Describe(topic, version);
        }

        if (wanted.TopicId != Guid.Empty)
        {
            return new() { ErrorCode = ErrorCode.UnknownTopicId, Name = version >= 12 ? null : "", TopicId = wanted.TopicId };
        }

        var name = wanted.Name ?? "";
        var error = !TopicNames.IsValid(name) ? ErrorCode.InvalidTopicException
            : refused.GetValueOrDefault(name) is var refusal and not ErrorCode.None ? refusal
            : ErrorCode.UnknownTopicOrPartition;
        return new() { ErrorCode = error, Name = name, IsInternal = TopicNames.IsInternal(name) };
    }
}
