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
    /// <summary>The setting of a topic as it is in force for it.</summary>
    public ResolvedConfig Topic(MetadataImage image, string topic, SettingDefinition definition)
    {
        var layers = new List<ConfigSynonym>(3);
        if (image.ConfigOf(ConfigResource.Topic(topic)).TryGetValue(definition.Name, out var own))
        {
            layers.Add(new ConfigSynonym(definition.Name, own, ConfigSource.Topic));
        }

        foreach (var synonym in definition.BrokerSynonyms)
        {
            AddBrokerLayers(image, synonym, layers);
        }

        // The default counts under the first synonym only: log.retention.hours, say, always has one and must not beat a default that is in ms.
        var winner = layers.Count > 0 ? layers[0] : new ConfigSynonym(definition.Name, definition.Default, ConfigSource.Default);
        if (definition.BrokerSynonyms.Count > 0)
        {
            var last = definition.BrokerSynonyms[^1];
            layers.Add(new ConfigSynonym(last, SettingTable.Broker.Find(last)!.Default, ConfigSource.Default));
        }

        return new ResolvedConfig(definition, InUnitsOf(definition.Name, winner), winner.Source, layers);
    }

    /// <summary>The value of a topic's setting, null where it has none.</summary>
    public string? TopicValue(MetadataImage image, string topic, string name) => Topic(image, topic, SettingTable.Topic.Find(name)!).Value;

    /// <summary>The setting of this broker, or of all of them where <paramref name="allBrokers"/>.</summary>
    public ResolvedConfig Broker(MetadataImage image, SettingDefinition definition)
    {
        var layers = new List<ConfigSynonym>(3);
        AddBrokerLayers(image, definition.Name, layers);
        var winner = layers.Count > 0 ? layers[0] : new ConfigSynonym(definition.Name, definition.Default, ConfigSource.Default);
        if (definition.Default is not null)
        {
            layers.Add(new ConfigSynonym(definition.Name, definition.Default, ConfigSource.Default));
        }

        return new ResolvedConfig(definition, winner.Value, winner.Source, layers);
    }

    /// <summary>The value of this broker's setting in force now, null where it has none.</summary>
    public string? BrokerValue(MetadataImage image, string name) => Broker(image, SettingTable.Broker.Find(name)!).Value;

    private void AddBrokerLayers(MetadataImage image, string name, List<ConfigSynonym> layers)
    {
        if (image.ConfigOf(ConfigResource.Broker(brokerId)).TryGetValue(name, out var dynamic))
        {
            layers.Add(new ConfigSynonym(name, dynamic, ConfigSource.DynamicBroker));
        }

        if (image.ConfigOf(ConfigResource.AllBrokers).TryGetValue(name, out var dynamicDefault))
        {
            layers.Add(new ConfigSynonym(name, dynamicDefault, ConfigSource.DynamicDefaultBroker));
        }

        if (settings.FindSet(name) is { } configured)
        {
            layers.Add(new ConfigSynonym(name, configured, ConfigSource.StaticBroker));
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
        return (number < 0 ? number : checked(number * factor)).ToString(CultureInfo.InvariantCulture);
    }
}
