using System.Globalization;

namespace Milena.Metadata.Settings;

/// <summary>What may be set on a topic: a known name, a value of its type, and nothing that Milena would have to ignore.</summary>
public static class TopicSettingRules
{
    /// <summary>Settings whose feature does not exist here yet, with the one value of each that asks for nothing.</summary>
    private static readonly Dictionary<string, string> Refused = new()
    {
        ["remote.storage.enable"] = "false",
        ["remote.log.copy.disable"] = "false",
        ["remote.log.delete.on.disable"] = "false",
        ["local.retention.ms"] = "-2",
        ["local.retention.bytes"] = "-2",
    };

    /// <returns>Null when the setting may be made, else what is wrong with it.</returns>
    public static string? Check(string name, string? value)
    {
        if (SettingTable.Topic.Find(name) is not { } definition)
        {
            return $"Unknown topic config name: {name}";
        }

        if (definition.Check(value) is { } wrong)
        {
            return wrong;
        }

        return Refused.TryGetValue(name, out var only) && value != only
            ? $"{name} is not supported by this version of Milena: it must stay '{only}'."
            : null;
    }

    /// <summary>Rules that bind several settings of one topic. Values have passed <see cref="Check"/>.</summary>
    public static string? CheckTogether(IReadOnlyDictionary<string, string> configs)
    {
        long Get(string name) => long.Parse(
            configs.GetValueOrDefault(name) ?? SettingTable.Topic.Find(name)!.Default!, CultureInfo.InvariantCulture);
        return Get("min.compaction.lag.ms") > Get("max.compaction.lag.ms")
            ? $"conflict topic config setting min.compaction.lag.ms ({Get("min.compaction.lag.ms")}) > max.compaction.lag.ms ({Get("max.compaction.lag.ms")})"
            : null;
    }
}
