using System.Collections.Immutable;
using Milena.Model;

namespace Milena.Storage;

/// <summary>The folders of a log directory, sorted by what their names say.</summary>
internal sealed record FolderSurvey(
    ImmutableArray<TopicPartition> Partitions,
    ImmutableArray<string> Futures,
    ImmutableArray<string> ToDelete,
    ImmutableArray<string> Stray,
    ImmutableArray<string> Unknown)
{
    public static FolderSurvey Take(IDisk disk, string directory)
    {
        var partitions = ImmutableArray.CreateBuilder<TopicPartition>();
        var futures = ImmutableArray.CreateBuilder<string>();
        var toDelete = ImmutableArray.CreateBuilder<string>();
        var stray = ImmutableArray.CreateBuilder<string>();
        var unknown = ImmutableArray.CreateBuilder<string>();
        foreach (var folder in disk.Folders(directory).Order(StringComparer.Ordinal))
        {
            var name = Path.GetFileName(folder);
            if (LogFiles.IsMarked(name, LogFiles.DeletedFolderSuffix)) toDelete.Add(folder);
            else if (LogFiles.IsMarked(name, LogFiles.StrayFolderSuffix)) stray.Add(folder);
            else if (!LogFiles.TryParseFolder(name, out var partition, out var isFuture)) unknown.Add(folder);
            else if (isFuture) futures.Add(folder);
            // The metadata log has an owner of its own.
            else if (partition.Topic != TopicNames.ClusterMetadata) partitions.Add(partition);
        }
        return new FolderSurvey(partitions.ToImmutable(), futures.ToImmutable(), toDelete.ToImmutable(), stray.ToImmutable(), unknown.ToImmutable());
    }
}
