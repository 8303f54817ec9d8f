using System.Collections.Immutable;
using System.Globalization;
using Milena.Metadata.Image;
using Milena.Metadata.Settings;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Metadata.Controller;

/// <summary>Alters settings of topics and brokers: one resource at a time, all of its changes or none.</summary>
public static class AlterConfigsDecision
{
    /// <summary>IncrementalAlterConfigs' operations (KIP-339).</summary>
    private enum Operation : sbyte
    {
        Set = 0,
        Delete = 1,
        Append = 2,
        Subtract = 3,
    }

    private sealed record Change(string Name, Operation Operation, string? Value);

    public static Decision Decide(MetadataImage image, IncrementalAlterConfigsRequest request, ControllerContext context)
    {
        var records = new List<IMessage>();
        var response = new IncrementalAlterConfigsResponse();
        var repeated = Repeated(request.Resources.Select(resource => Target(resource.ResourceType, resource.ResourceName)));
        foreach (var resource in request.Resources)
        {
            var target = Target(resource.ResourceType, resource.ResourceName);
            var changes = resource.Configs.Select(config => new Change(config.Name, (Operation)config.ConfigOperation, config.Value)).ToList();
            var (error, message) = repeated.Contains(target)
                ? (ErrorCode.InvalidRequest, "Each resource must appear at most once.")
                : Alter(image, target, changes, request.ValidateOnly ? [] : records);
            response.Responses.Add(new()
            {
                ErrorCode = error,
                ErrorMessage = ErrorText.Clip(message),
                ResourceType = resource.ResourceType,
                ResourceName = resource.ResourceName,
            });
        }

        return new Decision([.. records, .. WhatFollows(image, records, context)], response);
    }

    /// <summary>The older form: what is not named goes back to its default.</summary>
    public static Decision Decide(MetadataImage image, AlterConfigsRequest request, ControllerContext context)
    {
        var records = new List<IMessage>();
        var response = new AlterConfigsResponse();
        var repeated = Repeated(request.Resources.Select(resource => Target(resource.ResourceType, resource.ResourceName)));
        foreach (var resource in request.Resources)
        {
            var target = Target(resource.ResourceType, resource.ResourceName);
            var named = resource.Configs.Select(config => config.Name).ToHashSet();
            var changes = resource.Configs.Select(config => new Change(config.Name, Operation.Set, config.Value))
                .Concat(image.ConfigOf(target).Keys.Where(name => !named.Contains(name)).Select(name => new Change(name, Operation.Delete, null)))
                .ToList();
            var (error, message) = repeated.Contains(target)
                ? (ErrorCode.InvalidRequest, "Each resource must appear at most once.")
                : Alter(image, target, changes, request.ValidateOnly ? [] : records);
            response.Responses.Add(new()
            {
                ErrorCode = error,
                ErrorMessage = ErrorText.Clip(message),
                ResourceType = resource.ResourceType,
                ResourceName = resource.ResourceName,
            });
        }

        return new Decision([.. records, .. WhatFollows(image, records, context)], response);
    }

    /// <summary>Other replicas are eligible to lead where other numbers have to be in sync.</summary>
    private static IEnumerable<IMessage> WhatFollows(MetadataImage image, List<IMessage> records, ControllerContext context) =>
        records.Any(record => record is ConfigRecord { Name: InternalTopics.MinInSyncReplicas })
            ? context.Changes(image.With(records), _ => true).EligibilityChanged()
            : [];

    private static ConfigResource Target(sbyte type, string name) => new((ConfigResourceType)type, name);

    private static HashSet<ConfigResource> Repeated(IEnumerable<ConfigResource> targets)
    {
        var seen = new HashSet<ConfigResource>();
        return [.. targets.Where(target => !seen.Add(target))];
    }

    private static (ErrorCode Error, string? Message) Alter(MetadataImage image, ConfigResource target, List<Change> changes, List<IMessage> records)
    {
        if (CheckTarget(image, target) is { } refusal)
        {
            return refusal;
        }

        if (changes.GroupBy(change => change.Name).FirstOrDefault(group => group.Count() > 1) is { } repeated)
        {
            return (ErrorCode.InvalidRequest, $"Error due to duplicate config keys: {repeated.Key}");
        }

        if (changes.Find(change => change is { Operation: Operation.Set or Operation.Append or Operation.Subtract, Value: null }) is { } valueless)
        {
            return (ErrorCode.InvalidRequest, $"Null value not supported for the setting {valueless.Name}.");
        }

        var current = image.ConfigOf(target);
        var altered = current.ToBuilder();
        foreach (var change in changes)
        {
            if ((MinInSyncRefusal(image, target, change) ?? CordonRefusal(image, target, change)) is { } kept)
            {
                return (ErrorCode.InvalidConfig, kept);
            }

            if (Apply(target, change, altered) is { } wrong)
            {
                // Kafka checks the settings of brokers before those of topics, and with another code.
                return (target.Type == ConfigResourceType.Broker ? ErrorCode.InvalidRequest : ErrorCode.InvalidConfig, wrong);
            }
        }

        if (target.Type == ConfigResourceType.Topic && TopicSettingRules.CheckTogether(altered) is { } conflict)
        {
            return (ErrorCode.InvalidConfig, conflict);
        }

        // Last, as Kafka: a wrong setting of a topic that is not there is a wrong setting.
        if (target.Type == ConfigResourceType.Topic && image.FindTopic(target.Name) is null)
        {
            return (ErrorCode.UnknownTopicOrPartition, $"The topic '{target.Name}' does not exist.");
        }

        foreach (var name in changes.Select(change => change.Name))
        {
            var value = altered.GetValueOrDefault(name);
            if (value != current.GetValueOrDefault(name))
            {
                records.Add(new ConfigRecord { ResourceType = (sbyte)target.Type, ResourceName = target.Name, Name = name, Value = value });
            }
        }

        return (ErrorCode.None, null);
    }

    /// <summary>With eligible leader replicas all brokers go by one number, see <see cref="UpdateFeaturesDecision"/>.</summary>
    private static string? MinInSyncRefusal(MetadataImage image, ConfigResource target, Change change) =>
        target.Type != ConfigResourceType.Broker || change.Name != InternalTopics.MinInSyncReplicas || !Features.KeepsEligibleLeaders(image) ? null
        : target != ConfigResource.AllBrokers ? "Broker-level min.insync.replicas cannot be altered while ELR is enabled."
        : change.Operation == Operation.Delete ? "Cluster-level min.insync.replicas cannot be removed while ELR is enabled."
        : null;

    /// <summary>Below that level the controller takes no notice of cordoned directories.</summary>
    private static string? CordonRefusal(MetadataImage image, ConfigResource target, Change change) =>
        target.Type == ConfigResourceType.Broker && change is { Name: CordonedLogDirs.Setting, Operation: not Operation.Delete } && !Features.CordonsDirectories(image)
            ? $"{CordonedLogDirs.Setting} cannot be set below level {Features.CordonedDirectoriesVersion} of {Features.MetadataVersionName}."
            : null;

    private static (ErrorCode, string)? CheckTarget(MetadataImage image, ConfigResource target) => target.Type switch
    {
        ConfigResourceType.Topic when !TopicNames.TryValidate(target.Name, out var wrong) => (ErrorCode.InvalidTopicException, wrong),
        ConfigResourceType.Topic => null,
        ConfigResourceType.Broker when target.Name.Length == 0 => null,
        ConfigResourceType.Broker when !int.TryParse(target.Name, NumberStyles.None, CultureInfo.InvariantCulture, out var id) || !image.Brokers.ContainsKey(id) =>
            (ErrorCode.BrokerIdNotRegistered, $"No broker with id {target.Name} is registered."),
        ConfigResourceType.Broker => null,
        _ => (ErrorCode.InvalidRequest, $"Unsupported config resource type {(sbyte)target.Type}."),
    };

    private static string? Apply(ConfigResource target, Change change, ImmutableSortedDictionary<string, string>.Builder altered)
    {
        if (change.Operation == Operation.Delete)
        {
            altered.Remove(change.Name);
            return null;
        }

        if ((target.Type == ConfigResourceType.Topic ? SettingTable.Topic.Find(change.Name) : DynamicBrokerSettings.Find(change.Name)) is not { } definition)
        {
            return $"Unknown {(target.Type == ConfigResourceType.Topic ? "topic" : "broker")} config name: {change.Name}";
        }

        if (target.Type == ConfigResourceType.Broker && !DynamicBrokerSettings.Contains(change.Name))
        {
            return $"Cannot update the setting {change.Name} of a running broker: set it in the configuration and restart.";
        }

        if (target == ConfigResource.AllBrokers && DynamicBrokerSettings.IsOfOneBroker(change.Name))
        {
            return $"Cannot update the setting {change.Name} for all brokers: name the one it is of.";
        }

        if (target.Type == ConfigResourceType.Broker && target != ConfigResource.AllBrokers && DynamicBrokerSettings.IsOfAllBrokers(change.Name))
        {
            return $"Cannot update the setting {change.Name} for one broker: it is of all of them together.";
        }

        var value = change.Value;
        if (change.Operation is Operation.Append or Operation.Subtract)
        {
            if (definition.Type != SettingType.List)
            {
                return $"Can't {change.Operation.ToString().ToUpperInvariant()} to key {change.Name} because its type is not LIST.";
            }

            if (change.Operation == Operation.Append && value!.Split(',').Any(string.IsNullOrWhiteSpace))
            {
                return $"An empty member cannot be appended to {change.Name}.";
            }

            var existing = SettingDefinition.SplitList(altered.GetValueOrDefault(change.Name) ?? definition.Default ?? "");
            var given = SettingDefinition.SplitList(value ?? "");
            value = string.Join(',', change.Operation == Operation.Append ? existing.Union(given) : existing.Except(given));
        }
        else if (change.Operation != Operation.Set)
        {
            return $"Unknown operation {(sbyte)change.Operation} on {change.Name}.";
        }

        var wrong = target.Type == ConfigResourceType.Topic ? TopicSettingRules.Check(change.Name, value) : definition.Check(value);
        if (wrong is null)
        {
            altered[change.Name] = value!;
        }

        return wrong;
    }
}
