namespace Milena.Metadata.Settings;

/// <summary>The log directories of one broker that keep what they hold and take no new replica (<c>cordoned.log.dirs</c>, KIP-1066).</summary>
/// <remarks>Paths are compared as the file system takes them: a relative one and the absolute one that clients are told are the same.</remarks>
public static class CordonedLogDirs
{
    public const string Setting = "cordoned.log.dirs";

    private const string All = "*";

    /// <param name="directories">The paths of all the log directories that the broker is configured with.</param>
    /// <returns>Null when the broker can have this value, else one sentence that says what is wrong.</returns>
    public static string? Check(string value, IEnumerable<string> directories)
    {
        var members = SettingDefinition.SplitList(value);
        if (members.Contains(All))
        {
            return members.Length == 1 ? null : Wrong(value, $"{All} means all log directories, and stands alone");
        }

        var known = directories.Select(FullPath).ToHashSet();
        var unknown = members.Where(member => !known.Contains(FullPath(member))).ToList();
        return unknown.Count == 0 ? null : Wrong(value, $"not among the log directories of this broker: {string.Join(", ", unknown)}");
    }

    /// <returns>The full paths of those that the value names. What it names besides, as after a restart without a directory, counts for nothing.</returns>
    public static IReadOnlySet<string> Of(string value, IEnumerable<string> directories)
    {
        var members = SettingDefinition.SplitList(value).Select(FullPath).ToHashSet();
        return directories.Select(FullPath).Where(directory => members.Contains(All) || members.Contains(directory)).ToHashSet();
    }

    /// <summary>Whether whoever has the one value loses no directory to new replicas by the other.</summary>
    public static bool OnlyUncordons(string before, string after) =>
        SettingDefinition.SplitList(after).All(SettingDefinition.SplitList(before).Contains);

    /// <summary>Without a slash at its end. No file has a path with a null character in it, and asking for its full one would throw.</summary>
    private static string FullPath(string path) => path == All || path.Contains('\0') ? path : Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));

    private static string Wrong(string value, string why) => $"Invalid value {value} for configuration {Setting}: {why}.";
}
