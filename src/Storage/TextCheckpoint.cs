using System.Globalization;
using System.Text;

namespace Milena.Storage;

/// <summary>Kafka's small text files: a line with version 0, a line with the count, then one line of space-separated fields per entry.</summary>
internal static class TextCheckpoint
{
    private const string Version = "0";

    /// <summary>The entries' fields; null when the file is damaged. A missing file holds no entries.</summary>
    public static List<string[]>? TryRead(IDisk disk, string path, int fields)
    {
        if (!disk.FileExists(path)) return [];
        // An empty cleaner checkpoint is what Kafka creates before it first writes one.
        var bytes = disk.ReadAll(path);
        // Written without a sync, it may be there in part after a crash: "5 58" that became "5 5" would be as good a line as any.
        if (bytes is not [.., (byte)'\n']) return null;
        var lines = Encoding.UTF8.GetString(bytes).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        if (lines.Length < 2 || lines[0] != Version) return null;
        if (!int.TryParse(lines[1], NumberStyles.None, CultureInfo.InvariantCulture, out var count) || lines.Length != count + 2) return null;
        var entries = lines.Skip(2).Select(line => line.Split(' ')).ToList();
        return entries.TrueForAll(entry => entry.Length == fields) ? entries : null;
    }

    public static void Write(IDisk disk, string path, IEnumerable<string> entries, bool sync, bool syncFolder = true)
    {
        var body = new StringBuilder();
        var count = 0;
        foreach (var entry in entries)
        {
            body.Append(entry).Append('\n');
            count++;
        }
        disk.Replace(path, Encoding.UTF8.GetBytes($"{Version}\n{count}\n{body}"), sync, syncFolder);
    }

    public static bool TryLong(string text, out long value) =>
        long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out value);

    public static bool TryInt(string text, out int value) =>
        int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out value);
}
