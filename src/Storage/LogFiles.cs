using System.Globalization;
using Milena.Model;

namespace Milena.Storage;

/// <summary>Kafka's names for the files and folders of a log directory.</summary>
public static class LogFiles
{
    public const string LogSuffix = ".log";
    public const string IndexSuffix = ".index";
    public const string TimeIndexSuffix = ".timeindex";
    public const string TransactionIndexSuffix = ".txnindex";
    public const string SnapshotSuffix = ".snapshot";
    public const string DeletedSuffix = ".deleted";
    public const string CleanedSuffix = ".cleaned";
    public const string SwapSuffix = ".swap";
    public const string TemporarySuffix = ".tmp";
    public const string LeaderEpochs = "leader-epoch-checkpoint";
    public const string Metadata = "partition.metadata";

    /// <summary>A folder that waits for its removal: <c>topic-0.{32 hex digits}-delete</c>.</summary>
    public const string DeletedFolderSuffix = "-delete";

    /// <summary>A folder that the metadata did not know: <c>topic-0.{32 hex digits}-stray</c>.</summary>
    public const string StrayFolderSuffix = "-stray";

    /// <summary>A replica that moves between log directories: <c>topic-0.{32 hex digits}-future</c>.</summary>
    public const string FutureFolderSuffix = "-future";

    private const int OffsetDigits = 20;
    private const int MaxFolderName = 255;

    public static string Name(long baseOffset, string suffix) =>
        baseOffset.ToString("D" + OffsetDigits, CultureInfo.InvariantCulture) + suffix;

    public static string Path(string folder, long baseOffset, string suffix) => System.IO.Path.Combine(folder, Name(baseOffset, suffix));

    /// <summary>The offset in a name such as <c>00000000000000000042.log</c>.</summary>
    public static bool TryParse(string path, string suffix, out long offset)
    {
        offset = 0;
        var name = System.IO.Path.GetFileName(path.AsSpan());
        return name.Length == OffsetDigits + suffix.Length
            && name.EndsWith(suffix, StringComparison.Ordinal)
            && long.TryParse(name[..OffsetDigits], NumberStyles.None, CultureInfo.InvariantCulture, out offset);
    }

    /// <summary>The name to rename a partition's folder to before its files are deleted.</summary>
    public static string DeletedFolder(TopicPartition topicPartition, Guid unique) => Marked(topicPartition, unique, DeletedFolderSuffix);

    public static string StrayFolder(TopicPartition topicPartition, Guid unique) => Marked(topicPartition, unique, StrayFolderSuffix);

    /// <summary>The folder of a replica that moves in. Its name gives the partition back, so it is never cut: see <see cref="HasFutureFolder"/>.</summary>
    public static string FutureFolder(TopicPartition topicPartition, Guid unique) => $"{topicPartition}.{unique:N}{FutureFolderSuffix}";

    /// <summary>Whether the partition's name leaves room for what marks a replica that moves in.</summary>
    public static bool HasFutureFolder(TopicPartition topicPartition) => FutureFolder(topicPartition, Guid.Empty).Length <= MaxFolderName;

    /// <summary>The partition of a folder's name, be it the replica itself or one that moves in.</summary>
    public static bool TryParseFolder(string name, out TopicPartition topicPartition, out bool isFuture)
    {
        isFuture = IsMarked(name, FutureFolderSuffix);
        if (isFuture) name = name[..name.LastIndexOf('.')];
        return TopicPartition.TryParse(name, out topicPartition) && topicPartition.ToString() == name;
    }

    /// <summary>Whether a name is <c>topic-partition.{32 hex digits}</c> and the suffix, and no topic of a user that merely ends so.</summary>
    internal static bool IsMarked(string name, string suffix)
    {
        const int UniqueDigits = 32;
        if (!name.EndsWith(suffix, StringComparison.Ordinal)) return false;
        var marked = name.AsSpan(0, name.Length - suffix.Length);
        var dot = marked.LastIndexOf('.');
        return dot > 0 && marked.Length - dot - 1 == UniqueDigits && !marked[(dot + 1)..].ContainsAnyExcept("0123456789abcdef");
    }

    private static string Marked(TopicPartition topicPartition, Guid unique, string mark)
    {
        var suffix = $"-{topicPartition.Partition}.{unique:N}{mark}";
        var topic = topicPartition.Topic;
        return topic[..Math.Min(topic.Length, MaxFolderName - suffix.Length)] + suffix;
    }
}
