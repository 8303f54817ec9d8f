using System.Collections.Concurrent;
using System.Globalization;
using Milena.Model;

namespace Milena.Storage;

/// <summary>The directory cannot be used by this node. The message is one line that says what to do.</summary>
public sealed class LogDirectoryException(string message) : Exception(message);

/// <summary>One of a node's log directories: the partitions' folders, who it belongs to, and how it was last left.</summary>
/// <remarks>Held by one process at a time, through the lock on <c>.lock</c>.</remarks>
public sealed class LogDirectory : IDisposable
{
    private const string CleanMarker = ".kafka_cleanshutdown";
    private const string HighWatermarkFile = "replication-offset-checkpoint";
    private const string LogStartFile = "log-start-offset-checkpoint";

    private readonly FileStream _lock;
    private readonly bool _wasClean;
    private readonly Dictionary<string, long> _highWatermarks;
    private readonly ConcurrentDictionary<string, long> _logStarts;
    private readonly Lock _gate = new();

    private LogDirectory(string path, FileStream @lock, Dictionary<string, string> properties)
    {
        (Path, _lock) = (path, @lock);
        ClusterId = properties["cluster.id"];
        DirectoryId = Uuids.Parse(properties["directory.id"]);
        _wasClean = File.Exists(InDirectory(CleanMarker));
        File.Delete(InDirectory(CleanMarker));
        _highWatermarks = Checkpoints.ReadOffsets(InDirectory(HighWatermarkFile));
        _logStarts = new(Checkpoints.ReadOffsets(InDirectory(LogStartFile)));
    }

    public string Path { get; }
    public string ClusterId { get; }
    public Guid DirectoryId { get; }

    /// <summary>Set when its disk failed: nothing is served from it until the node restarts.</summary>
    public bool IsOffline { get; set; }

    /// <summary>Takes the directory for this process, and makes it where it is not there.</summary>
    /// <exception cref="LogDirectoryException">It belongs to another node or cluster, is in use, or cannot be written.</exception>
    public static LogDirectory Open(string path, int nodeId, Func<Guid> newId)
    {
        path = System.IO.Path.GetFullPath(path);
        FileStream? taken = null;
        try
        {
            Directory.CreateDirectory(path);
            taken = new FileStream(System.IO.Path.Combine(path, ".lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            return new LogDirectory(path, taken, ReadOrMakeProperties(path, nodeId, newId));
        }
        catch (LogDirectoryException)
        {
            taken?.Dispose();
            throw;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            var why = taken is null && File.Exists(System.IO.Path.Combine(path, ".lock")) ? "it is in use by another process" : e.Message;
            taken?.Dispose();
            throw new LogDirectoryException($"The data directory {path} cannot be used: {why}. Stop the other node, or give this one a directory of its own with --data.");
        }
    }

    /// <summary>Opens a partition's log, and verifies it when the node was not stopped cleanly.</summary>
    public Log OpenLog(TopicPartition partition, Guid topicId, LogSettings settings, TimeProvider time)
    {
        var folder = InDirectory(partition.ToString());
        var log = Log.Open(folder, settings, time, _wasClean ? long.MaxValue : 0, _logStarts.GetValueOrDefault(partition.ToString()));
        var metadata = System.IO.Path.Combine(folder, "partition.metadata");
        if (!File.Exists(metadata))
        {
            File.WriteAllText(metadata, $"version: 0\ntopic_id: {Uuids.Format(topicId)}");
        }

        return log;
    }

    /// <summary>The topic id that a partition's folder says it belongs to; null where there is no such folder or file.</summary>
    public Guid? TopicIdOf(TopicPartition partition)
    {
        var metadata = System.IO.Path.Combine(InDirectory(partition.ToString()), "partition.metadata");
        return File.Exists(metadata) && File.ReadAllText(metadata).Split("topic_id:") is [_, var id] ? Uuids.Parse(id.Trim()) : null;
    }

    /// <summary>Moves a deleted partition's folder aside and removes it.</summary>
    public void Delete(TopicPartition partition)
    {
        var doomed = InDirectory($"{partition}.{Guid.NewGuid():N}-delete");
        Directory.Move(InDirectory(partition.ToString()), doomed);
        Directory.Delete(doomed, recursive: true);
        if (_logStarts.TryRemove(partition.ToString(), out _))
        {
            SaveLogStarts();
        }
    }

    /// <summary>The names of the folders that look like partitions.</summary>
    public IEnumerable<string> PartitionFolders =>
        Directory.GetDirectories(Path).Select(folder => System.IO.Path.GetFileName(folder)!).Where(name => int.TryParse(name[(name.LastIndexOf('-') + 1)..], out _));

    public long HighWatermarkOf(TopicPartition partition) => _highWatermarks.GetValueOrDefault(partition.ToString());

    public void SaveHighWatermarks(IEnumerable<(TopicPartition Partition, long Offset)> offsets) => Save(HighWatermarkFile, offsets);

    public void SaveLogStart(TopicPartition partition, long offset)
    {
        _logStarts[partition.ToString()] = offset;
        SaveLogStarts();
    }

    /// <summary>All of the directory's space and what is left of it, in bytes.</summary>
    public (long TotalBytes, long UsableBytes) Space()
    {
        var drive = new DriveInfo(Path);
        return (drive.TotalSize, drive.AvailableFreeSpace);
    }

    /// <summary>All logs are closed: the next start need not verify them.</summary>
    public void MarkClean() => File.WriteAllText(InDirectory(CleanMarker), "{\"version\":0,\"brokerEpoch\":-1}");

    public void Dispose() => _lock.Dispose();

    private void SaveLogStarts()
    {
        lock (_gate)
        {
            Save(LogStartFile, _logStarts.Select(entry => (FromFolder(entry.Key), entry.Value)));
        }
    }

    private void Save(string file, IEnumerable<(TopicPartition Partition, long Offset)> offsets) => Checkpoints.WriteAtomically(
        InDirectory(file),
        [.. offsets.Select(entry => string.Create(CultureInfo.InvariantCulture, $"{entry.Partition.Topic} {entry.Partition.Partition} {entry.Offset}"))]);

    private static TopicPartition FromFolder(string name) =>
        new(name[..name.LastIndexOf('-')], int.Parse(name.AsSpan(name.LastIndexOf('-') + 1), CultureInfo.InvariantCulture));

    private static Dictionary<string, string> ReadOrMakeProperties(string path, int nodeId, Func<Guid> newId)
    {
        var file = System.IO.Path.Combine(path, "meta.properties");
        if (!File.Exists(file))
        {
            File.WriteAllText(
                file, $"version=1\nnode.id={nodeId.ToString(CultureInfo.InvariantCulture)}\ncluster.id={Uuids.Format(newId())}\ndirectory.id={Uuids.Format(newId())}\n");
        }

        var properties = File.ReadAllLines(file).Where(line => !line.StartsWith('#') && line.Contains('='))
            .Select(line => line.Split('=', 2)).ToDictionary(pair => pair[0].Trim(), pair => pair[1].Trim());
        if (!properties.ContainsKey("cluster.id") || !properties.ContainsKey("directory.id") || !properties.TryGetValue("node.id", out var owner))
        {
            throw new LogDirectoryException($"{file} lacks cluster.id, node.id or directory.id: it was not written by a node of this kind.");
        }

        return owner == nodeId.ToString(CultureInfo.InvariantCulture)
            ? properties
            : throw new LogDirectoryException($"The data directory {path} belongs to node {owner}, not to {nodeId}: start with --node-id {owner}, or with another --data.");
    }

    private string InDirectory(string name) => System.IO.Path.Combine(Path, name);
}

/// <summary>Kafka's text form of ids: 16 bytes in URL-safe base64 without padding.</summary>
public static class Uuids
{
    public static string Format(Guid id) => Convert.ToBase64String(id.ToByteArray(bigEndian: true)).TrimEnd('=').Replace('+', '-').Replace('/', '_');

    public static Guid Parse(string text) => new(Convert.FromBase64String(text.Replace('-', '+').Replace('_', '/').PadRight((text.Length + 3) / 4 * 4, '=')), bigEndian: true);
}
