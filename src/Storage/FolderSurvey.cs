using System.Collections.Immutable;
using Milena.Model;

namespace Milena.Storage;

/// <summary>The folders of a log directory, sorted by what their names say.</summary>
internal sealed record FolderSurvey(
    ImmutableArray<TopicPartition> Partitions, ImmutableArray<string> ToDelete, ImmutableArray<string> Stray, ImmutableArray<string> Unknown)
{
    public static FolderSurvey Take(IDisk disk, string directory)
    {
        var partitions = ImmutableArray.CreateBuilder<TopicPartition>();
        var toDelete = ImmutableArray.CreateBuilder<string>();
        var stray = ImmutableArray.CreateBuilder<string>();
        var unknown = ImmutableArray.CreateBuilder<string>();
        foreach (var folder in disk.Folders(directory).Order(StringComparer.Ordinal))
        {
            var name = Path.GetFileName(folder);
            if (IsMarked(name, LogFiles.DeletedFolderSuffix)) toDelete.Add(folder);
            else if (IsMarked(name, LogFiles.StrayFolderSuffix)) stray.Add(folder);
            else if (!TopicPartition.TryParse(name, out var partition) || partition.ToString() != name) unknown.Add(folder);
            // The metadata log has an owner of its own.
            else if (partition.Topic != TopicNames.ClusterMetadata) partitions.Add(partition);
        }
        return new FolderSurvey(partitions.ToImmutable(), toDelete.ToImmutable(), stray.ToImmutable(), unknown.ToImmutable());
    }

    // topic-partition.{32 hex digits}-delete, and no topic of a user that merely ends so.
    private static bool IsMarked(string name, string suffix)
    {
        const int UniqueDigits = 32;
        if (!name.EndsWith(suffix, StringComparison.Ordinal)) return false;
        var marked = name.AsSpan(0, name.Length - suffix.Length);
        var dot = marked.LastIndexOf('.');
        return dot > 0 && marked.Length - dot - 1 == UniqueDigits && !marked[(dot + 1)..].ContainsAnyExcept("0123456789abcdef");
    }
}
