using System.Collections.Frozen;

namespace Milena.Metadata.Settings;

/// <summary>The broker settings that take effect without a restart: the defaults behind topic settings, and the connection limits.</summary>
public static class DynamicBrokerSettings
{
    private static readonly FrozenSet<string> Names = SettingTable.Topic.All
        .Where(definition => definition.BrokerSynonyms.Count > 0)
        .Select(definition => definition.BrokerSynonyms[0])
        .Concat(["max.connections", "max.connections.per.ip", "max.connections.per.ip.overrides", "max.connection.creation.rate"])
        .ToFrozenSet();

    public static bool Contains(string name) => Names.Contains(name);
}
