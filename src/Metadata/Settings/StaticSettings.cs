using System.Collections.Frozen;
using System.Globalization;

namespace Milena.Metadata.Settings;

/// <summary>The broker settings a node was started with: what its configuration sets, over Kafka's defaults.</summary>
public sealed class StaticSettings
{
    private readonly FrozenDictionary<string, string> _set;

    /// <param name="set">Kafka's names and their values, already checked with <see cref="Check"/>.</param>
    public StaticSettings(IEnumerable<KeyValuePair<string, string>> set) => _set = set.ToFrozenDictionary();

    /// <summary>Timers take no more; Kafka's "never" is the largest long.</summary>
    private const long MaxMs = int.MaxValue - 1L;

    public static StaticSettings Defaults { get; } = new([]);

    /// <summary>The names that the configuration sets.</summary>
    public IEnumerable<string> SetNames => _set.Keys;

    /// <returns>Null when the value is set neither here nor by default.</returns>
    public string? Find(string name) => _set.GetValueOrDefault(name) ?? Definition(name).Default;

    /// <summary>The value that the configuration sets, null where it leaves the default.</summary>
    public string? FindSet(string name) => _set.GetValueOrDefault(name);

    public string GetString(string name) => Find(name) ?? throw new InvalidOperationException($"The setting {name} has neither a value nor a default.");

    public int GetInt(string name) => int.Parse(GetString(name), CultureInfo.InvariantCulture);

    public long GetLong(string name) => long.Parse(GetString(name), CultureInfo.InvariantCulture);

    public bool GetBool(string name) => bool.Parse(GetString(name));

    public TimeSpan GetMs(string name) => TimeSpan.FromMilliseconds(Math.Clamp(GetLong(name), (long)TimeSpan.MinValue.TotalMilliseconds, MaxMs));

    /// <returns>Null when the setting is known and the value fits it, else one line that says what to do.</returns>
    public static string? Check(string name, string value) => SettingTable.Broker.Find(name) is { } definition
        ? definition.Check(value)
        : $"Unknown setting '{name}'. The nearest known one is '{SettingTable.Broker.Nearest(name)}'.";

    private static SettingDefinition Definition(string name) =>
        SettingTable.Broker.Find(name) ?? throw new ArgumentException($"There is no broker setting {name}.", nameof(name));
}
