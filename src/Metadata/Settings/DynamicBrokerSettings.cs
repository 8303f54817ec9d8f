using System.Collections.Frozen;

namespace Milena.Metadata.Settings;

/// <summary>
/// The broker settings that take effect without a restart: the defaults behind topic settings, the limits of connections and of replication, cordoned directories,
/// and Milena's own.
/// </summary>
public static class DynamicBrokerSettings
{
    /// <summary>Those that no configuration file has: limits, as in Kafka, which somebody sets for a while and takes back (KIP-73, KIP-113), and Milena's own.</summary>
    private static readonly FrozenDictionary<string, SettingDefinition> Only =
        new[] { "leader.replication.throttled.rate", "follower.replication.throttled.rate", "replica.alter.log.dirs.io.max.bytes.per.second" }
            .Select(name => new SettingDefinition(name, SettingType.Long, "9223372036854775807", "0..", []))
            .Concat(OwnBrokerSettings.All)
            .ToFrozenDictionary(definition => definition.Name);

    private static readonly FrozenSet<string> Names = SettingTable.Topic.All
        .Where(definition => definition.BrokerSynonyms.Count > 0)
        .Select(definition => definition.BrokerSynonyms[0])
        .Concat(["max.connections", "max.connections.per.ip", "max.connections.per.ip.overrides", "max.connection.creation.rate"])
        .Append(CordonedLogDirs.Setting)
        .Concat(Only.Keys)
        .ToFrozenSet();

    public static bool Contains(string name) => Names.Contains(name);

    /// <summary>Whether it says something of one broker alone, and cannot be set for all.</summary>
    public static bool IsOfOneBroker(string name) => name is CordonedLogDirs.Setting or OwnBrokerSettings.Decommission;

    /// <summary>Whether it is one answer for the whole cluster, and cannot be set for a single broker.</summary>
    public static bool IsOfAllBrokers(string name) => name is OwnBrokerSettings.BalancerEnable or OwnBrokerSettings.PartitionsInFlight or OwnBrokerSettings.SettleMs or OwnBrokerSettings.LeaderReturnMs;

    /// <summary>Any setting of a broker, be it in its configuration or only set while it runs.</summary>
    public static SettingDefinition? Find(string name) => SettingTable.Broker.Find(name) ?? Only.GetValueOrDefault(name);

    /// <summary>Whether it is told of only where it is set.</summary>
    public static bool IsTemporary(string name) => Only.ContainsKey(name);
}
