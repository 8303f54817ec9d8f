using System.Globalization;
using Milena.Metadata.Image;
using Milena.Metadata.Settings;
using Milena.Model;
using Milena.Network;
using Milena.Protocol;

namespace Milena.Broker.Handlers;

/// <summary>Says which settings a topic or broker has, where each comes from, and what else would set it.</summary>
public sealed class DescribeConfigsHandler(BrokerContext broker) : ApiHandler<DescribeConfigsRequest>(ApiKey.DescribeConfigs)
{
    protected override ValueTask<IResponseMessage?> HandleAsync(RequestContext context, DescribeConfigsRequest request) =>
        Answer(new DescribeConfigsResponse { Results = [.. request.Resources.Select(resource => Describe(resource, request.IncludeSynonyms))] });

    private DescribeConfigsResponse.DescribeConfigsResult Describe(DescribeConfigsRequest.DescribeConfigsResource resource, bool withSynonyms)
    {
        var result = new DescribeConfigsResponse.DescribeConfigsResult { ResourceType = resource.ResourceType, ResourceName = resource.ResourceName };
        var target = new ConfigResource((ConfigResourceType)resource.ResourceType, resource.ResourceName);
        var (error, message) = Check(target);
        if (error != ErrorCode.None)
        {
            (result.ErrorCode, result.ErrorMessage) = (error, message);
            return result;
        }

        var image = broker.Image;
        var configs = target switch
        {
            { Type: ConfigResourceType.Topic } => SettingTable.Topic.All.Select(definition => broker.Configs.Topic(image, target.Name, definition)),
            { Name: "" } => image.ConfigOf(ConfigResource.AllBrokers).Select(config => DefaultOfAllBrokers(config.Key, config.Value)),
            _ => SettingTable.Broker.All.Select(definition => broker.Configs.Broker(image, definition)),
        };
        result.Configs.AddRange(configs
            .Where(config => resource.ConfigurationKeys is null || resource.ConfigurationKeys.Contains(config.Definition.Name))
            .OrderBy(config => config.Definition.Name, StringComparer.Ordinal)
            .Select(config => Describe(config, target.Type, withSynonyms)));
        return result;
    }

    private (ErrorCode Error, string? Message) Check(ConfigResource target) => target.Type switch
    {
        ConfigResourceType.Topic when !TopicNames.TryValidate(target.Name, out var wrong) => (ErrorCode.InvalidTopicException, wrong),
        ConfigResourceType.Topic when broker.Image.FindTopic(target.Name) is null => (ErrorCode.UnknownTopicOrPartition, "This server does not host this topic-partition."),
        ConfigResourceType.Topic => (ErrorCode.None, null),
        ConfigResourceType.Broker when target.Name.Length == 0 => (ErrorCode.None, null),
        ConfigResourceType.Broker when target.Name == broker.BrokerId.ToString(CultureInfo.InvariantCulture) => (ErrorCode.None, null),
        ConfigResourceType.Broker => (ErrorCode.InvalidRequest,
            $"Unexpected broker id, expected {broker.BrokerId} or empty string, but received {target.Name}"),
        _ => (ErrorCode.InvalidRequest, $"Unsupported resource type: {(sbyte)target.Type}"),
    };

    private static ResolvedConfig DefaultOfAllBrokers(string name, string value) => new(
        SettingTable.Broker.Find(name)!,
        value,
        ConfigSource.DynamicDefaultBroker,
        [new ConfigSynonym(name, value, ConfigSource.DynamicDefaultBroker)]);

    private static DescribeConfigsResponse.DescribeConfigsResourceResult Describe(ResolvedConfig config, ConfigResourceType type, bool withSynonyms)
    {
        var secret = config.Definition.IsSensitive;
        return new()
        {
            Name = config.Definition.Name,
            Value = secret ? null : config.Value,
            ReadOnly = type == ConfigResourceType.Broker && !DynamicBrokerSettings.Contains(config.Definition.Name),
            ConfigSource = (sbyte)config.Source,
            IsSensitive = secret,
            ConfigType = (sbyte)config.Definition.Type,
            Synonyms = withSynonyms
                ? [.. config.Synonyms.Select(synonym => new DescribeConfigsResponse.DescribeConfigsSynonym
                {
                    Name = synonym.Name,
                    Value = secret ? null : synonym.Value,
                    Source = (sbyte)synonym.Source,
                })]
                : [],
        };
    }
}

/// <summary>Alters settings one by one, through the controller (KIP-339).</summary>
public sealed class IncrementalAlterConfigsHandler(BrokerContext broker) : ApiHandler<IncrementalAlterConfigsRequest>(ApiKey.IncrementalAlterConfigs)
{
    protected override async ValueTask<IResponseMessage?> HandleAsync(RequestContext context, IncrementalAlterConfigsRequest request)
    {
        var (response, error) = await ControllerCalls.AskAsync<IncrementalAlterConfigsResponse>(broker, request, timeoutMs: 0);
        return response ?? new IncrementalAlterConfigsResponse
        {
            Responses = [.. request.Resources.Select(one => new IncrementalAlterConfigsResponse.AlterConfigsResourceResponse
            {
                ResourceType = one.ResourceType,
                ResourceName = one.ResourceName,
                ErrorCode = error,
            })],
        };
    }
}

/// <summary>Replaces all settings of a resource, through the controller; the older form, which Kafka has deprecated but serves.</summary>
public sealed class AlterConfigsHandler(BrokerContext broker) : ApiHandler<AlterConfigsRequest>(ApiKey.AlterConfigs)
{
    protected override async ValueTask<IResponseMessage?> HandleAsync(RequestContext context, AlterConfigsRequest request)
    {
        var (response, error) = await ControllerCalls.AskAsync<AlterConfigsResponse>(broker, request, timeoutMs: 0);
        return response ?? new AlterConfigsResponse
        {
            Responses = [.. request.Resources.Select(one => new AlterConfigsResponse.AlterConfigsResourceResponse
            {
                ResourceType = one.ResourceType,
                ResourceName = one.ResourceName,
                ErrorCode = error,
            })],
        };
    }
}
