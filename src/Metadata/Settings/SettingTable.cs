using System.Collections.Frozen;

namespace Milena.Metadata.Settings;

/// <summary>The settings of one kind, by name, read from a table that is built into the assembly.</summary>
public sealed class SettingTable
{
    private readonly FrozenDictionary<string, SettingDefinition> _byName;

    private SettingTable(IEnumerable<SettingDefinition> definitions) =>
        _byName = definitions.ToFrozenDictionary(definition => definition.Name);

    public static SettingTable Topic { get; } = Load("TopicSettings.table");
    public static SettingTable Broker { get; } = Load("BrokerSettings.table");

    public IEnumerable<SettingDefinition> All => _byName.Values;

    public SettingDefinition? Find(string name) => _byName.GetValueOrDefault(name);

    /// <summary>The known name with the fewest edits from <paramref name="name"/>, for "did you mean".</summary>
    public string Nearest(string name) => _byName.Keys.MinBy(known => (EditDistance(known, name), known))!;

    private static SettingTable Load(string file)
    {
        using var stream = typeof(SettingTable).Assembly.GetManifestResourceStream(file)
            ?? throw new InvalidOperationException($"The table {file} is missing from the assembly.");
        using var reader = new StreamReader(stream);
        var definitions = new List<SettingDefinition>();
        while (reader.ReadLine() is { } line)
        {
            if (!line.StartsWith('#'))
            {
                definitions.Add(Parse(line));
            }
        }

        return new SettingTable(definitions);
    }

    private static SettingDefinition Parse(string line)
    {
        var cells = line.Split(" |", StringSplitOptions.TrimEntries);
        var @default = cells[2] switch { "null" or "(required)" => null, "\"\"" => "", var text => text };
        var synonyms = cells.Length > 5 && cells[5].Length > 0 ? cells[5].Split(',') : [];
        return new SettingDefinition(cells[0], Enum.Parse<SettingType>(cells[1], ignoreCase: true), @default, cells[3], synonyms);
    }

    private static int EditDistance(string a, string b)
    {
        var row = Enumerable.Range(0, b.Length + 1).ToArray();
        for (var i = 1; i <= a.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= b.Length; j++)
            {
                var above = row[j];
                row[j] = Math.Min(Math.Min(row[j] + 1, row[j - 1] + 1), diagonal + (a[i - 1] == b[j - 1] ? 0 : 1));
                diagonal = above;
            }
        }

        return row[b.Length];
    }
}
