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
    private readonly Lock _choosing = new();
    private ImmutableArray<LogDirectory> _all = [];

    /// <summary>Told once for each directory that fails, with the path; on the thread that met the error, so it must not block.</summary>
    public event Action<string, Exception>? Failed;

    public ImmutableArray<LogDirectory> All => _all;

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

    /// <summary>Which directory holds the partition; null where none does.</summary>
    public LogDirectory? Holding(TopicPartition partition) => _all.FirstOrDefault(directory => directory.Logs.ContainsKey(partition));

    /// <summary>The partition's log, made in the directory with the fewest when it is in none.</summary>
    /// <exception cref="LogIOException">The disk refused, or none is left.</exception>
    public Log Open(TopicPartition partition, Guid topicId, LogSettings settings)
    {
        lock (_choosing)
        {
            if (Holding(partition) is { } home)
            {
                return home.Logs[partition];
            }

            var roomiest = _all.Where(directory => !IsOffline(directory.FullPath)).MinBy(directory => directory.Logs.Count)
                ?? throw new LogIOException("No log directory is left.", _failed.Values.First());
            var log = roomiest.OpenLog(partition, settings);
            log.WriteTopicId(topicId);
            return log;
        }
    }

    /// <summary>As it was checkpointed before this start; 0 where nothing is known.</summary>
    public long CheckpointedHighWatermark(TopicPartition partition) =>
        Holding(partition) is { } directory && directory.HighWatermarks.TryGetValue(partition, out var offset) ? offset : 0;

    /// <summary>Lets the logs go without another write, as a crash would.</summary>
    public void Dispose()
    {
        foreach (var directory in _all)
        {
            directory.Dispose();
        }
    }
}
