using System.Text;
using Milena.Model;

namespace Milena.Storage;

/// <summary>The file <c>partition.metadata</c>, which binds a folder to its topic's id, so that a recreated topic never meets old records.</summary>
public static class PartitionMetadata
{
    private const string VersionLine = "version: 0";
    private const string TopicIdKey = "topic_id: ";

    /// <summary>Null when the file is missing or unreadable.</summary>
    public static Guid? TryRead(IDisk disk, string folder)
    {
        var path = Path.Combine(folder, LogFiles.Metadata);
        if (!disk.FileExists(path)) return null;
        var lines = Encoding.UTF8.GetString(disk.ReadAll(path)).Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        if (lines.Length != 2 || lines[0] != VersionLine || !lines[1].StartsWith(TopicIdKey, StringComparison.Ordinal)) return null;
        return Uuid.TryParse(lines[1].AsSpan(TopicIdKey.Length), out var id) ? id : null;
    }

    public static void Write(IDisk disk, string folder, Guid topicId) =>
        disk.Replace(
            Path.Combine(folder, LogFiles.Metadata), Encoding.UTF8.GetBytes($"{VersionLine}\n{TopicIdKey}{Uuid.ToText(topicId)}"), sync: true);
}
