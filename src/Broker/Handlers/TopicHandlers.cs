using Milena.Metadata.Log;
using Milena.Metadata.Settings;
using Milena.Model;
using Milena.Network;
using Milena.Protocol;

namespace Milena.Broker.Handlers;

/// <summary>Creates topics through the controller.</summary>
public sealed class CreateTopicsHandler(BrokerContext broker) : ApiHandler<CreateTopicsRequest>(ApiKey.CreateTopics)
{
    private const short ConfigsVersion = 5;

    protected override async ValueTask<IResponseMessage?> HandleAsync(RequestContext context, CreateTopicsRequest request)
    {
        var (response, error) = await ControllerCalls.AskAsync<CreateTopicsResponse>(broker, request, request.TimeoutMs);
        if (response is null)
        {
            return new CreateTopicsResponse { Topics = [.. request.Topics.Select(topic => new CreateTopicsResponse.CreatableTopicResult { Name = topic.Name, ErrorCode = error })] };
        }

        if (!request.ValidateOnly)
        {
            await broker.WhenLeadingAsync(response.Topics.Where(topic => topic.ErrorCode == ErrorCode.None).Select(topic => topic.Name));
        }

        if (context.ApiVersion >= ConfigsVersion)
        {
            var configs = request.Topics.ToLookup(topic => topic.Name);
            foreach (var topic in response.Topics.Where(topic => topic.ErrorCode == ErrorCode.None))
            {
                topic.Configs = Describe(topic.Name, configs[topic.Name].First().Configs);
            }
        }

        return response;
    }

    /// <summary>The settings that the topic has, as DescribeConfigs would say them; also for one that was only validated.</summary>
    private List<CreateTopicsResponse.CreatableTopicConfigs> Describe(string topic, List<CreateTopicsRequest.CreatableTopicConfig> own) =>
    [
        .. SettingTable.Topic.All.OrderBy(definition => definition.Name, StringComparer.Ordinal).Select(definition =>
        {
            var given = own.Find(config => config.Name == definition.Name);
            var resolved = broker.Configs.Topic(broker.Image, topic, definition);
            return new CreateTopicsResponse.CreatableTopicConfigs
            {
                Name = definition.Name,
                Value = given?.Value ?? resolved.Value,
                ConfigSource = (sbyte)(given is null ? resolved.Source : ConfigSource.Topic),
                IsSensitive = definition.IsSensitive,
            };
        })
    ];
}

/// <summary>Deletes topics through the controller.</summary>
public sealed class DeleteTopicsHandler(BrokerContext broker) : ApiHandler<DeleteTopicsRequest>(ApiKey.DeleteTopics)
{
    private const short StatesVersion = 6;

    protected override async ValueTask<IResponseMessage?> HandleAsync(RequestContext context, DeleteTopicsRequest request)
    {
        var topics = context.ApiVersion >= StatesVersion
            ? request.Topics
            : [.. request.TopicNames.Select(name => new DeleteTopicsRequest.DeleteTopicState { Name = name })];
        if (!broker.Settings.GetBool("delete.topic.enable"))
        {
            return Refuse(topics, context.ApiVersion < 3 ? ErrorCode.InvalidRequest : ErrorCode.TopicDeletionDisabled);
        }

        if (topics.Any(topic => topic.Name is not null && topic.TopicId != Guid.Empty))
        {
            return Refuse(topics, ErrorCode.InvalidRequest);
        }

        var (response, error) = await ControllerCalls.AskAsync<DeleteTopicsResponse>(broker, new DeleteTopicsRequest { Topics = topics }, request.TimeoutMs);
        return response ?? Refuse(topics, error);
    }

    private static DeleteTopicsResponse Refuse(List<DeleteTopicsRequest.DeleteTopicState> topics, ErrorCode error) =>
        new() { Responses = [.. topics.Select(topic => new DeleteTopicsResponse.DeletableTopicResult { Name = topic.Name, TopicId = topic.TopicId, ErrorCode = error })] };
}

/// <summary>Adds partitions to topics through the controller.</summary>
public sealed class CreatePartitionsHandler(BrokerContext broker) : ApiHandler<CreatePartitionsRequest>(ApiKey.CreatePartitions)
{
    protected override async ValueTask<IResponseMessage?> HandleAsync(RequestContext context, CreatePartitionsRequest request)
    {
        var (response, error) = await ControllerCalls.AskAsync<CreatePartitionsResponse>(broker, request, request.TimeoutMs);
        if (response is not null && !request.ValidateOnly)
        {
            await broker.WhenLeadingAsync(response.Results.Where(topic => topic.ErrorCode == ErrorCode.None).Select(topic => topic.Name));
        }

        return response ?? new CreatePartitionsResponse
        {
            Results = [.. request.Topics.Select(topic => new CreatePartitionsResponse.CreatePartitionsTopicResult { Name = topic.Name, ErrorCode = error })],
        };
    }
}

/// <summary>Asks the controller on a client's behalf, and turns what goes wrong on the way into the code that makes a client try again.</summary>
internal static class ControllerCalls
{
    private static readonly TimeSpan MaxTimeout = TimeSpan.FromMinutes(5);

    public static async Task<(TResponse? Response, ErrorCode Error)> AskAsync<TResponse>(BrokerContext broker, IRequestMessage request, int timeoutMs)
        where TResponse : class, IResponseMessage
    {
        try
        {
            var timeout = timeoutMs <= 0 ? TimeSpan.FromMilliseconds(broker.Settings.GetInt("request.timeout.ms")) : TimeSpan.FromMilliseconds(timeoutMs);
            return (await broker.Controller.AskAsync<TResponse>(request, timeout < MaxTimeout ? timeout : MaxTimeout), ErrorCode.None);
        }
        catch (TimeoutException)
        {
            return (null, ErrorCode.RequestTimedOut);
        }
        catch (Exception e) when (e is NotControllerException or Storage.LogIOException)
        {
            return (null, ErrorCode.NotController);
        }
        catch (InvalidOperationException)
        {
            // Too large for a question between nodes, or a controller of another version: trying again changes nothing, and the log says why.
            return (null, ErrorCode.UnknownServerError);
        }
    }
}
