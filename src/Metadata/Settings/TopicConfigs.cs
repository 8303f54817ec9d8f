using System.Collections.Frozen;
using System.Globalization;
using Milena.Metadata.Image;

namespace Milena.Metadata.Settings;

/// <summary>Where a value comes from. The numbers are those of DescribeConfigs (KIP-226).</summary>
public enum ConfigSource : sbyte
{
    Unknown = 0,
    Topic = 1,
    DynamicBroker = 2,
    DynamicDefaultBroker = 3,
    StaticBroker = 4,
    Default = 5,
}

/// <summary>One layer that sets a setting, under the name it has there.</summary>
public readonly record struct ConfigSynonym(string Name, string? Value, ConfigSource Source);

/// <summary>A setting with the value in force, and all layers that set it, the winning one first.</summary>
public sealed record ResolvedConfig(SettingDefinition Definition, string? Value, ConfigSource Source, IReadOnlyList<ConfigSynonym> Synonyms);

/// <summary>Kafka's layering of settings: topic, this broker, all brokers, configuration file, default; first one set wins.</summary>
public sealed class ConfigResolver(StaticSettings settings, int brokerId)
{
    /// <summary>For a broker setting that has others behind it, such as the one in hours behind the one in ms: all of them, first one set wins.</summary>
    private static readonly FrozenDictionary<string, IReadOnlyList<string>> Families = SettingTable.Topic.All
        .SelectMany(definition => definition.BrokerSynonyms, (definition, name) => (name, definition.BrokerSynonyms))
        .ToFrozenDictionary(one => one.name, one => one.BrokerSynonyms);

    /// <summary>The setting of a topic as it is in force for it.</summary>
    public ResolvedConfig Topic(MetadataImage image, string topic, SettingDefinition definition)
    {
        var layers = new List<ConfigSynonym>(3);
        if (image.ConfigOf(ConfigResource.Topic(topic)).TryGetValue(definition.Name, out var own))
        {
            layers.Add(new ConfigSynonym(definition.Name, own, ConfigSource.Topic));
        }

        var set = layers.Concat(definition.BrokerSynonyms.SelectMany(synonym => BrokerLayers(image, synonym)));
        var winner = set.Append(new ConfigSynonym(definition.Name, definition.Default, ConfigSource.Default)).First();
        if (definition.BrokerSynonyms.Count > 0)
        {
            layers.AddRange(BrokerSynonyms(image, definition.BrokerSynonyms[0]));
        }

        return new ResolvedConfig(definition, InUnitsOf(definition.Name, winner), winner.Source, layers);
    }

    /// <summary>The value of a topic's setting, null where it has none.</summary>
    public string? TopicValue(MetadataImage image, string topic, string name) => Topic(image, topic, SettingTable.Topic.Find(name)!).Value;

    /// <summary>The setting of this broker.</summary>
    public ResolvedConfig Broker(MetadataImage image, SettingDefinition definition)
    {
        var winner = BrokerLayers(image, definition.Name).Append(new ConfigSynonym(definition.Name, definition.Default, ConfigSource.Default)).First();
        return new ResolvedConfig(definition, winner.Value, winner.Source, BrokerSynonyms(image, definition.Name));
    }

    /// <summary>The value of this broker's setting in force now, null where it has none.</summary>
    public string? BrokerValue(MetadataImage image, string name) => Broker(image, DynamicBrokerSettings.Find(name)!).Value;

    /// <summary>What is told of a setting's layers: those of its family by source, from the first one that bears its own name on, as in Kafka.</summary>
    private List<ConfigSynonym> BrokerSynonyms(MetadataImage image, string name)
    {
        var family = Families.GetValueOrDefault(name) ?? [name];
        var defaults = family.Select(member => new ConfigSynonym(member, DynamicBrokerSettings.Find(member)!.Default, ConfigSource.Default)).Where(one => one.Value is not null);
        return [.. family.SelectMany(member => BrokerLayers(image, member)).OrderBy(layer => layer.Source).Concat(defaults).SkipWhile(layer => layer.Name != name)];
    }

    private IEnumerable<ConfigSynonym> BrokerLayers(MetadataImage image, string name)
    {
        if (image.ConfigOf(ConfigResource.Broker(brokerId)).TryGetValue(name, out var dynamic))
        {
            yield return new ConfigSynonym(name, dynamic, ConfigSource.DynamicBroker);
        }

        if (image.ConfigOf(ConfigResource.AllBrokers).TryGetValue(name, out var dynamicDefault))
        {
            yield return new ConfigSynonym(name, dynamicDefault, ConfigSource.DynamicDefaultBroker);
        }

        if (settings.FindSet(name) is { } configured)
        {
            yield return new ConfigSynonym(name, configured, ConfigSource.StaticBroker);
        }
    }

    private static string? InUnitsOf(string topicSetting, ConfigSynonym winner)
    {
        if (winner.Value is null || winner.Name == topicSetting || !topicSetting.EndsWith(".ms", StringComparison.Ordinal))
        {
            return winner.Value;
        }

        var factor = winner.Name.EndsWith(".hours", StringComparison.Ordinal) ? 3_600_000L
            : winner.Name.EndsWith(".minutes", StringComparison.Ordinal) ? 60_000L
            : 1L;
        var number = long.Parse(winner.Value, CultureInfo.InvariantCulture);
        return (number < 0 ? number : number > long.MaxValue / factor ? long.MaxValue : number * factor).ToString(CultureInfo.InvariantCulture);
    }
}
