using System.Buffers.Text;
using System.Text;

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

/// <summary>Kafka writes a UUID as the URL-safe base64 of its 16 big-endian bytes, without padding.</summary>
internal static class Uuid
{
    private const int Bytes = 16;

    public static string ToText(Guid id) => Base64Url.EncodeToString(id.ToByteArray(bigEndian: true));

    public static bool TryParse(ReadOnlySpan<char> text, out Guid id)
    {
        Span<byte> bytes = stackalloc byte[Bytes];
        id = default;
        if (!Base64Url.IsValid(text, out var length) || length != Bytes || !Base64Url.TryDecodeFromChars(text, bytes, out _)) return false;
        id = new Guid(bytes, bigEndian: true);
        return true;
    }
}
