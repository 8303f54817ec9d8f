using System.Collections.Concurrent;
using System.Collections.Immutable;
using Milena.Model;
using Milena.Storage;

namespace Milena.Replication;

/// <summary>This node's log directories: where a replica's log lies or is to be made, and which disks have failed.</summary>
/// <remarks>Safe for several threads.</remarks>
public sealed class LogDirectories : IDiskErrorSink, IDisposable
{
    private readonly ConcurrentDictionary<string, Exception> _failed = new();
    private readonly ConcurrentDictionary<TopicPartition, Guid> _preferred = new();
    private readonly ConcurrentDictionary<TopicPartition, long> _inheritedHighWatermarks = new();
    private readonly Lock _choosing = new();
    private ImmutableArray<LogDirectory> _all = [];

    /// <summary>Told once for each directory that fails, with the path; on the thread that met the error, so it must not block.</summary>
    public event Action<string, Exception>? Failed;

    /// <summary>Those that could be opened at the start, also when they have failed since.</summary>
    public ImmutableArray<LogDirectory> All => _all;

    /// <summary>The paths of those that failed, also at the start, and what each failed with.</summary>
    public IEnumerable<KeyValuePair<string, Exception>> Failures => _failed;

    /// <summary>The paths of all that the broker is configured with, also of those that failed at the start.</summary>
    public IEnumerable<string> Paths => _all.Select(directory => directory.FullPath).Union(_failed.Keys);

    public IReadOnlyList<Guid> OnlineIds => [.. _all.Where(directory => !IsOffline(directory.FullPath)).Select(directory => directory.Identity.DirectoryId)];

    /// <summary>Those that failed since they were opened; without those that failed at the start, whose ids nobody could read.</summary>
    public IReadOnlyList<LogDirectory> Offline => [.. _all.Where(directory => IsOffline(directory.FullPath))];

    public bool IsOffline(string path) => _failed.ContainsKey(Path.GetFullPath(path));

    public bool AllOffline => _all.All(directory => IsOffline(directory.FullPath));

    public void Add(LogDirectory directory) => _all = _all.Add(directory);

    public void DiskFailed(string logDirectory, Exception error)
    {
        if (_failed.TryAdd(Path.GetFullPath(logDirectory), error))
        {
            Failed?.Invoke(Path.GetFullPath(logDirectory), error);
        }
    }

    /// <summary>The directory with that path, exactly as it is configured, also a failed one; null where there is none.</summary>
    public LogDirectory? Find(string path) => _all.FirstOrDefault(directory => directory.FullPath == path);

    /// <summary>The directory that the partition is on its way into; null where it is to stay.</summary>
    public LogDirectory? Receiving(TopicPartition partition) => _all.FirstOrDefault(directory => directory.Futures.ContainsKey(partition));

    /// <summary>When the partition comes to this broker, it is to be made in that directory.</summary>
    public void Prefer(TopicPartition partition, LogDirectory directory) => _preferred[partition] = directory.Identity.DirectoryId;

    /// <summary>Which directory holds the partition; null where none does.</summary>
    public LogDirectory? Holding(TopicPartition partition) => _all.FirstOrDefault(directory => directory.Logs.ContainsKey(partition));

    /// <summary>The id of the directory that a log lies in.</summary>
    public Guid IdOf(Log log) => _all.First(directory => directory.FullPath == Path.GetDirectoryName(log.Folder)).Identity.DirectoryId;

    /// <summary>The partition's log, made where it is to be when it is in no directory; if that is not known, or offline, in the one with the fewest.</summary>
    /// <param name="wanted">The id of a directory, which may be unknown here.</param>
    /// <param name="cordoned">The paths of directories in which nothing is made as long as another one works, whatever is wanted.</param>
    /// <exception cref="LogIOException">The disk refused, or none is left.</exception>
    public Log Open(TopicPartition partition, Guid topicId, LogSettings settings, Guid wanted, IReadOnlySet<string> cordoned)
    {
        lock (_choosing)
        {
            if (Holding(partition) is { } home)
            {
                return home.Logs[partition];
            }

            var log = Create(partition, settings, _preferred.TryRemove(partition, out var preferred) ? preferred : wanted, cordoned);
            log.WriteTopicId(topicId);
            return log;
        }
    }

    /// <summary>As it was checkpointed before this start; 0 where nothing is known.</summary>
    public long CheckpointedHighWatermark(TopicPartition partition) => Math.Max(
        _inheritedHighWatermarks.GetValueOrDefault(partition), Holding(partition)?.HighWatermarks.GetValueOrDefault(partition) ?? 0);

    /// <summary>
    /// Has each partition lie in one directory, as a crash just when it had moved leaves it in two; so does a failed directory that is well again,
    /// for what moved out of it when it could not be written. The longer log stays.
    /// </summary>
    /// <param name="assigned">Where the metadata says that a partition lies: it stays there if both are as long.</param>
    /// <param name="setAside">Told of each folder that was kept aside, because it has records that the other has not.</param>
    /// <exception cref="LogIOException">A disk refused.</exception>
    public void SettleDuplicates(Func<TopicPartition, Guid> assigned, Action<TopicPartition, string> setAside)
    {
        var duplicates = _all.Where(directory => !IsOffline(directory.FullPath)).SelectMany(directory => directory.Logs.Select(log => (directory, log.Key)))
            .GroupBy(one => one.Key, one => one.directory).Where(group => group.Count() > 1);
        foreach (var partition in duplicates.ToList())
        {
            var wanted = assigned(partition.Key);
            var inOrder = partition.OrderByDescending(directory => directory.Logs[partition.Key].LeaderEpochs.Latest ?? -1)
                .ThenByDescending(directory => directory.Logs[partition.Key].LogEndOffset)
                .ThenByDescending(directory => directory.Identity.DirectoryId == wanted).ToList();
            foreach (var directory in inOrder[1..])
            {
                Leave(partition.Key, directory, inOrder[0].Logs[partition.Key], setAside);
            }
        }
    }

    /// <summary>A directory whose disk refuses just now goes offline by that, and the next one is tried: nothing lies in it yet.</summary>
    private Log Create(TopicPartition partition, LogSettings settings, Guid wanted, IReadOnlySet<string> cordoned)
    {
        while (true)
        {
            var chosen = _all.Where(directory => !IsOffline(directory.FullPath))
                .OrderBy(directory => cordoned.Contains(directory.FullPath))
                .ThenByDescending(directory => directory.Identity.DirectoryId == wanted).ThenBy(directory => directory.Logs.Count).FirstOrDefault()
                ?? throw new LogIOException("No log directory is left.", _failed.Values.First());
            try
            {
                return chosen.OpenLog(partition, settings);
            }
            catch (LogIOException) when (IsOffline(chosen.FullPath))
            {
            }
        }
    }

    private void Leave(TopicPartition partition, LogDirectory directory, Log kept, Action<TopicPartition, string> setAside)
    {
        var left = directory.Logs[partition];
        if (!LogCopy.IsPartOf(left, kept))
        {
            setAside(partition, directory.SetAsideAsStray(partition)!);
            return;
        }

        // What it knew besides its records may not have been written down beside those that stay.
        kept.AdvanceLogStartOffset(Math.Min(left.LogStartOffset, kept.LogEndOffset));
        _inheritedHighWatermarks[partition] = directory.HighWatermarks.GetValueOrDefault(partition);
        directory.DeleteLog(partition);
    }

    /// <summary>Lets the logs go without another write, as a crash would.</summary>
    public void Dispose()
    {
        foreach (var directory in _all)
        {
            directory.Dispose();
        }
    }
}
