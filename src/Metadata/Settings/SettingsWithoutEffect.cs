using System.Collections.Frozen;

namespace Milena.Metadata.Settings;

/// <summary>Broker settings that are accepted because Kafka has them, while what they steer does not exist here yet.</summary>
/// <remarks>The list is a file of the assembly; a test holds it against the source, so that it grows and shrinks with the program.</remarks>
public static class SettingsWithoutEffect
{
    private static readonly FrozenSet<string> Names = Load().ToFrozenSet();

    public static bool Contains(string name) => Names.Contains(name);

    public static IEnumerable<string> All => Names;

    private static List<string> Load()
    {
        using var stream = typeof(SettingsWithoutEffect).Assembly.GetManifestResourceStream("WithoutEffect.table")
            ?? throw new InvalidOperationException("The table WithoutEffect.table is missing from the assembly.");
        using var reader = new StreamReader(stream);
        var names = new List<string>();
        while (reader.ReadLine() is { } line)
        {
            if (line.Length > 0 && !line.StartsWith('#'))
            {
                names.Add(line);
            }
        }

        return names;
    }
}
