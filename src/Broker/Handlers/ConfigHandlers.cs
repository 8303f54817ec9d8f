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
            _ => SettingTable.Broker.All.Concat(Temporary(image, target)).Select(definition => broker.Configs.Broker(image, definition)),
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

    private static IEnumerable<SettingDefinition> Temporary(MetadataImage image, ConfigResource target) =>
        image.ConfigOf(target).Keys.Union(image.ConfigOf(ConfigResource.AllBrokers).Keys).Where(DynamicBrokerSettings.IsTemporary).Select(name => DynamicBrokerSettings.Find(name)!);

    private static ResolvedConfig DefaultOfAllBrokers(string name, string value) => new(
        DynamicBrokerSettings.Find(name)!,
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

/// <summary>Names what settings can be set on: topics and brokers that there are, groups and client metrics that have some (KIP-1142).</summary>
public sealed class ListConfigResourcesHandler(BrokerContext broker) : ApiHandler<ListConfigResourcesRequest>(ApiKey.ListConfigResources)
{
    /// <summary>Before, there were only client metrics to list (KIP-714).</summary>
    private const short TypesVersion = 1;

    private static readonly ConfigResourceType[] Types =
        [ConfigResourceType.Topic, ConfigResourceType.Broker, ConfigResourceType.BrokerLogger, ConfigResourceType.ClientMetrics, ConfigResourceType.Group];

    protected override ValueTask<IResponseMessage?> HandleAsync(RequestContext context, ListConfigResourcesRequest request)
    {
        var wanted = context.ApiVersion < TypesVersion ? [ConfigResourceType.ClientMetrics]
            : request.ResourceTypes.Count == 0 ? Types
            : [.. request.ResourceTypes.Select(type => (ConfigResourceType)type).Distinct()];
        if (wanted.Except(Types).Any())
        {
            return Answer(new ListConfigResourcesResponse { ErrorCode = ErrorCode.UnsupportedVersion });
        }

        var image = broker.Image;
        var listener = context.Connection.ListenerName;
        return Answer(new ListConfigResourcesResponse
        {
            ConfigResources = [.. wanted.SelectMany(type => NamesOf(image, type, listener).Select(name =>
                new ListConfigResourcesResponse.ConfigResource { ResourceName = name, ResourceType = (sbyte)type }))],
        });
    }

    private static IEnumerable<string> NamesOf(MetadataImage image, ConfigResourceType type, string listener) => type switch
    {
        ConfigResourceType.Topic => image.TopicsByName.Keys,
        ConfigResourceType.Broker or ConfigResourceType.BrokerLogger => image.Brokers.Values.Where(one => !one.Fenced && one.EndPoint(listener) is not null)
            .Select(one => one.Id.ToString(CultureInfo.InvariantCulture)),
        _ => image.Configs.Keys.Where(resource => resource.Type == type).Select(resource => resource.Name),
    };
}

/// <summary>Alters settings one by one, through the controller (KIP-339).</summary>
public sealed class IncrementalAlterConfigsHandler(BrokerContext broker) : ApiHandler<IncrementalAlterConfigsRequest>(ApiKey.IncrementalAlterConfigs)
{
    protected override async ValueTask<IResponseMessage?> HandleAsync(RequestContext context, IncrementalAlterConfigsRequest request)
    {
        var refused = request.Resources.ConvertAll(one => one.Configs
            .Where(config => config.Name == CordonedLogDirs.Setting)
            .Select(config => CordonChecks.Refusal(broker, one.ResourceType, one.ResourceName, config.ConfigOperation, config.Value))
            .FirstOrDefault(why => why is not null) is { } why ? Result(one, ErrorCode.InvalidRequest, why) : null);
        var asked = new IncrementalAlterConfigsRequest { Resources = [.. request.Resources.Where((_, index) => refused[index] is null)], ValidateOnly = request.ValidateOnly };
        var (response, error) = await ControllerCalls.AskAsync<IncrementalAlterConfigsResponse>(broker, asked, timeoutMs: 0);
        return new IncrementalAlterConfigsResponse { Responses = CordonChecks.Merge(refused, response?.Responses ?? asked.Resources.ConvertAll(one => Result(one, error))) };
    }

    private static IncrementalAlterConfigsResponse.AlterConfigsResourceResponse Result(
        IncrementalAlterConfigsRequest.AlterConfigsResource resource, ErrorCode error, string? why = null) => new()
        {
            ResourceType = resource.ResourceType,
            ResourceName = resource.ResourceName,
            ErrorCode = error,
            ErrorMessage = ErrorText.Clip(why),
        };
}

/// <summary>Replaces all settings of a resource, through the controller; the older form, which Kafka has deprecated but serves.</summary>
public sealed class AlterConfigsHandler(BrokerContext broker) : ApiHandler<AlterConfigsRequest>(ApiKey.AlterConfigs)
{
    protected override async ValueTask<IResponseMessage?> HandleAsync(RequestContext context, AlterConfigsRequest request)
    {
        var refused = request.Resources.ConvertAll(one => one.Configs
            .Where(config => config.Name == CordonedLogDirs.Setting)
            .Select(config => CordonChecks.Refusal(broker, one.ResourceType, one.ResourceName, CordonChecks.Set, config.Value))
            .FirstOrDefault(why => why is not null) is { } why ? Result(one, ErrorCode.InvalidRequest, why) : null);
        var asked = new AlterConfigsRequest { Resources = [.. request.Resources.Where((_, index) => refused[index] is null)], ValidateOnly = request.ValidateOnly };
        var (response, error) = await ControllerCalls.AskAsync<AlterConfigsResponse>(broker, asked, timeoutMs: 0);
        return new AlterConfigsResponse { Responses = CordonChecks.Merge(refused, response?.Responses ?? asked.Resources.ConvertAll(one => Result(one, error))) };
    }

    private static AlterConfigsResponse.AlterConfigsResourceResponse Result(AlterConfigsRequest.AlterConfigsResource resource, ErrorCode error, string? why = null) => new()
    {
        ResourceType = resource.ResourceType,
        ResourceName = resource.ResourceName,
        ErrorCode = error,
        ErrorMessage = ErrorText.Clip(why),
    };
}
