using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Text;
using System.Text.Json;
using Milena.Model;

namespace Milena.Storage;

/// <summary>What loading a log directory found besides its logs.</summary>
/// <param name="StrayFolders">Named <c>…-stray</c>: set aside by an earlier start, and never deleted.</param>
/// <param name="UnknownFolders">No partition's folder by its name; left alone.</param>
/// <param name="RemovedFolders">Named <c>…-delete</c>: an earlier process had begun to delete them.</param>
/// <param name="Repaired">Partitions that had to be repaired.</param>
public sealed record LoadReport(
    ImmutableArray<string> StrayFolders,
    ImmutableArray<string> UnknownFolders,
    ImmutableArray<string> RemovedFolders,
    ImmutableDictionary<TopicPartition, RecoveryReport> Repaired);

/// <summary>One entry of <c>log.dirs</c>: its lock, identity, checkpoints, clean-shutdown marker and partitions.</summary>
/// <remarks>A disk error reaches the environment's sink and throws <see cref="LogIOException"/>. Safe for several threads.</remarks>
public sealed partial class LogDirectory : IDisposable
{
    public const string LockFile = ".lock";
    public const string CleanShutdownFile = ".kafka_cleanshutdown";

    private const int ClosingThreads = 16;

    private readonly LogEnvironment _environment;
    private readonly IDisposable _lock;
    private readonly Dictionary<TopicPartition, long> _recoveryPoints;
    private readonly Dictionary<TopicPartition, long> _logStartOffsets;
    private readonly OffsetCheckpoint _recoveryPointFile;
    private readonly OffsetCheckpoint _logStartOffsetFile;
    private readonly OffsetCheckpoint _highWatermarkFile;
    private readonly Lock _writing = new();
    private readonly Lock _opening = new();
    private readonly ConcurrentDictionary<TopicPartition, Log> _logs = new();
    private ImmutableDictionary<TopicPartition, long> _checkpointedRecoveryPoints;
    private bool _closed;

    private LogDirectory(string path, MetaProperties identity, LogEnvironment environment, IDisposable directoryLock)
    {
        FullPath = path;
        Identity = identity;
        _environment = environment;
        _lock = directoryLock;
        _recoveryPointFile = new OffsetCheckpoint(environment.Disk, path, OffsetCheckpoint.RecoveryPoints, environment.Logger);
        _logStartOffsetFile = new OffsetCheckpoint(environment.Disk, path, OffsetCheckpoint.LogStartOffsets, environment.Logger);
        _highWatermarkFile = new OffsetCheckpoint(environment.Disk, path, OffsetCheckpoint.HighWatermarks, environment.Logger);
        _recoveryPoints = _recoveryPointFile.Read();
        _checkpointedRecoveryPoints = _recoveryPoints.ToImmutableDictionary();
        _logStartOffsets = _logStartOffsetFile.Read();
        HighWatermarks = _highWatermarkFile.Read();
        var marker = Path.Combine(path, CleanShutdownFile);
        WasCleanShutdown = environment.Disk.FileExists(marker);
        PreviousBrokerEpoch = WasCleanShutdown ? ReadBrokerEpoch(environment.Disk.ReadAll(marker)) : null;
    }

    public string FullPath { get; }
    public MetaProperties Identity { get; }

    /// <summary>The last process closed every log of the directory.</summary>
    public bool WasCleanShutdown { get; }

    /// <summary>The broker epoch of the process that closed cleanly; null when it did not, or did not know one.</summary>
    public long? PreviousBrokerEpoch { get; }

    /// <summary>As last checkpointed, from before this start.</summary>
    public IReadOnlyDictionary<TopicPartition, long> HighWatermarks { get; }
    public IReadOnlyDictionary<TopicPartition, Log> Logs => _logs;

    /// <summary>Locks the directory, which is created when it is missing, and checks or writes whose it is.</summary>
    /// <param name="clusterId">The cluster that this node belongs to.</param>
    /// <param name="problem">What to do about it, in a sentence, when the answer is false.</param>
    public static bool TryOpen(
        string path, string clusterId, int nodeId, LogEnvironment environment, out LogDirectory? directory, out string problem)
    {
        directory = null;
        path = Path.GetFullPath(path);
        IDisposable? held = null;
        try
        {
            var disk = environment.Disk;
            disk.CreateFolder(path);
            held = disk.TryLock(Path.Combine(path, LockFile));
            if (held is null)
            {
                problem = $"The log directory '{path}' is already in use by another process.";
                return false;
            }
            if (!TryIdentify(disk, path, clusterId, nodeId, environment, out var identity, out problem))
            {
                held.Dispose();
                return false;
            }
            directory = new LogDirectory(path, identity!, environment, held);
            return true;
        }
        catch (Exception error) when (error.IsDiskError())
        {
            held?.Dispose();
            environment.Errors.DiskFailed(path, error);
            problem = $"The log directory '{path}' cannot be used: {error.Message}";
            return false;
        }
    }

    /// <summary>Takes the clean-shutdown marker away: from here on this process appends, and should it die, nothing is clean any more.</summary>
    public void Enter() => Guarded(() =>
    {
        _environment.Disk.DeleteFile(Path.Combine(FullPath, CleanShutdownFile));
        _environment.Disk.SyncFolder(FullPath);
    });

    /// <summary>Opens every partition's folder, several at a time, having entered.</summary>
    /// <param name="settings">Of a topic that may no longer exist, too: what the metadata does not know is the caller's to set aside.</param>
    /// <param name="threads">The broker's <c>num.recovery.threads.per.data.dir</c>.</param>
    public LoadReport LoadLogs(Func<TopicPartition, LogSettings> settings, int threads) => Guarded(() =>
    {
        Enter();
        var found = FolderSurvey.Take(_environment.Disk, FullPath);
        foreach (var folder in found.ToDelete) _environment.Disk.DeleteFolder(folder);
        var repaired = new ConcurrentDictionary<TopicPartition, RecoveryReport>();
        InParallel(found.Partitions, threads, partition =>
        {
            var log = Log.Open(Path.Combine(FullPath, partition.ToString()), settings(partition), _environment, RecoveryOf(partition));
            _logs[partition] = log;
            if (!log.Recovery.IsClean) repaired[partition] = log.Recovery;
        });
        InParallel(found.Futures, threads, folder => LoadFuture(folder, settings));
        return new LoadReport(found.Stray, found.Unknown, found.ToDelete, repaired.ToImmutableDictionary());
    });

    /// <summary>Creates or opens one partition's log; the folder's name is made durable.</summary>
    public Log OpenLog(TopicPartition topicPartition, LogSettings settings) => Guarded(() =>
    {
        lock (_opening)
        {
            if (_logs.TryGetValue(topicPartition, out var open)) return open;
            var folder = Path.Combine(FullPath, topicPartition.ToString());
            var log = Log.Open(folder, settings, _environment, RecoveryOf(topicPartition));
            _environment.Disk.SyncFolder(FullPath);
            return _logs[topicPartition] = log;
        }
    });

    /// <summary>Closes a partition's log and deletes its folder, which is renamed first, so that a crash in between leaves no half topic.</summary>
    public void DeleteLog(TopicPartition topicPartition)
    {
        if (MarkDeleted(topicPartition) is { } folder) DeleteMarked(folder);
    }

    /// <summary>The first half of <see cref="DeleteLog"/>, which takes no time.</summary>
    /// <returns>What is left to be deleted, by the next start at the latest; null when there is no such log.</returns>
    public string? MarkDeleted(TopicPartition topicPartition) => MoveAside(topicPartition, LogFiles.DeletedFolder);

    /// <param name="folder">From <see cref="MarkDeleted"/>.</param>
    public void DeleteMarked(string folder) => Guarded(() => _environment.Disk.DeleteFolder(folder));

    /// <summary>Closes the log of a partition that the metadata does not know, and renames its folder; the records stay there.</summary>
    /// <returns>The folder's new path; null when there is no such log.</returns>
    public string? SetAsideAsStray(TopicPartition topicPartition) => MoveAside(topicPartition, LogFiles.StrayFolder);

    /// <summary>The volume's size and what is left of it, for DescribeLogDirs (KIP-827).</summary>
    public (long TotalBytes, long UsableBytes) Space() => Guarded(() => _environment.Disk.Space(FullPath));

    /// <summary>Writes how far each log is durable.</summary>
    public void WriteRecoveryPoints() => Guarded(() =>
    {
        lock (_writing)
        {
            if (_closed) return;
            var points = _logs.Values.ToImmutableDictionary(log => log.TopicPartition, log => log.RecoveryPoint);
            WriteInOrder(_recoveryPointFile, points);
            _checkpointedRecoveryPoints = points;
        }
    });

    /// <summary>Due after a truncation, before anything is appended where the records were that it took away: the next start must not take
    /// for durable what lies there then.</summary>
    public void LowerRecoveryPoint(TopicPartition topicPartition)
    {
        lock (_writing)
        {
            if (!_logs.TryGetValue(topicPartition, out var log) || _checkpointedRecoveryPoints.GetValueOrDefault(topicPartition) <= log.RecoveryPoint) return;
        }
        WriteRecoveryPoints();
    }

    /// <summary>Writes the start of each log that does not begin with its first segment.</summary>
    public void WriteLogStartOffsets() => Guarded(() =>
    {
        lock (_writing)
        {
            if (_closed) return;
            WriteInOrder(
                _logStartOffsetFile,
                _logs.Values.Where(log => log.LogStartOffset > log.FirstSegmentOffset).Select(log => KeyValuePair.Create(log.TopicPartition, log.LogStartOffset)));
        }
    });

    public void WriteHighWatermarks(IEnumerable<KeyValuePair<TopicPartition, long>> highWatermarks) =>
        Guarded(() =>
        {
            lock (_writing)
            {
                if (!_closed) WriteInOrder(_highWatermarkFile, highWatermarks);
            }
        });

    /// <summary>Closes every log, writes the checkpoints and, when all went well, the clean-shutdown marker; then lets the directory go.</summary>
    /// <param name="brokerEpoch">-1 when it is not known.</param>
    public void Close(long brokerEpoch = -1)
    {
        if (_closed) return;
        try
        {
            // Syncs of many files at once cost the disk little more than one.
            Parallel.ForEach(_logs.Values.Concat(_futures.Values), new ParallelOptions { MaxDegreeOfParallelism = ClosingThreads }, TryClose);
            if (_logs.Values.Concat(_futures.Values).All(log => log.Failure is null))
            {
                WriteRecoveryPoints();
                WriteLogStartOffsets();
                var marker = Encoding.UTF8.GetBytes($"{{\"version\":0,\"brokerEpoch\":{brokerEpoch}}}");
                Guarded(() => _environment.Disk.Replace(Path.Combine(FullPath, CleanShutdownFile), marker, sync: true));
            }
        }
        finally
        {
            Dispose();
        }
    }

    /// <summary>Lets everything go without writing, as a crash would.</summary>
    public void Dispose()
    {
        lock (_writing)
        {
            // The directory may be opened again at once, in this process too, and then only one may write its files.
            if (_closed) return;
            _closed = true;
        }
        foreach (var log in _logs.Values.Concat(_futures.Values)) log.Dispose();
        _lock.Dispose();
    }

    // A log that fails while it is closed has told the sink, and leaves the directory without its marker; the others close.
    private static void TryClose(Log log)
    {
        try
        {
            log.Close();
        }
        catch (LogIOException)
        {
            log.Dispose();
        }
    }

    private static bool TryIdentify(
        IDisk disk, string path, string clusterId, int nodeId, LogEnvironment environment, out MetaProperties? identity, out string problem)
    {
        identity = MetaProperties.TryRead(disk, path, out problem);
        if (problem.Length > 0) return false;
        if (identity is null)
        {
            identity = new MetaProperties(clusterId, nodeId, environment.NextUuid());
            identity.Write(disk, path);
        }
        else if (identity.ClusterId != clusterId)
        {
            problem = $"The log directory '{path}' belongs to the cluster '{identity.ClusterId}', and this node to '{clusterId}'.";
        }
        else if (identity.NodeId != nodeId)
        {
            problem = $"The log directory '{path}' belongs to node {identity.NodeId}, and this is node {nodeId}.";
        }
        return problem.Length == 0;
    }

    private static long? ReadBrokerEpoch(byte[] marker)
    {
        try
        {
            using var json = JsonDocument.Parse(marker);
            return json.RootElement.TryGetProperty("brokerEpoch", out var epoch) && epoch.TryGetInt64(out var value) && value >= 0 ? value : null;
        }
        catch (JsonException)
        {
            // Older brokers leave the marker empty; that it is there is what counts.
            return null;
        }
    }

    private LogRecovery RecoveryOf(TopicPartition partition) => new(
        WasCleanShutdown, _recoveryPoints.GetValueOrDefault(partition), _logStartOffsets.GetValueOrDefault(partition));

    private string? MoveAside(TopicPartition topicPartition, Func<TopicPartition, Guid, string> name)
    {
        if (!_logs.TryRemove(topicPartition, out var log)) return null;
        return Guarded(() =>
        {
            lock (_opening)
            {
                _recoveryPoints.Remove(topicPartition);
                _logStartOffsets.Remove(topicPartition);
            }
            return Rename(log, name(topicPartition, _environment.NextUuid()));
        });
    }

    private string Rename(Log log, string name)
    {
        log.Dispose();
        var target = Path.Combine(FullPath, name);
        _environment.Disk.MoveFolder(log.Folder, target);
        _environment.Disk.SyncFolder(FullPath);
        return target;
    }

    /// <exception cref="LogIOException">The first of those that the actions threw; what could be done is done.</exception>
    private static void InParallel<T>(IEnumerable<T> items, int threads, Action<T> action)
    {
        var failures = new ConcurrentQueue<LogIOException>();
        Parallel.ForEach(items, new ParallelOptions { MaxDegreeOfParallelism = Math.Max(1, threads) }, item =>
        {
            try
            {
                action(item);
            }
            catch (LogIOException error)
            {
                failures.Enqueue(error);
            }
        });
        if (failures.TryPeek(out var failure)) throw failure;
    }

    private static void WriteInOrder(OffsetCheckpoint file, IEnumerable<KeyValuePair<TopicPartition, long>> offsets) =>
        file.Write(offsets.OrderBy(entry => entry.Key.Topic, StringComparer.Ordinal).ThenBy(entry => entry.Key.Partition));

    private void Guarded(Action action) => Guarded(() =>
    {
        action();
        return true;
    });

    private T Guarded<T>(Func<T> function)
    {
        try
        {
            return function();
        }
        catch (LogIOException)
        {
            throw;
        }
        catch (Exception error) when (error.IsDiskError())
        {
            _environment.Errors.DiskFailed(FullPath, error);
            throw new LogIOException($"The log directory '{FullPath}' failed: {error.Message}", error);
        }
    }
}
