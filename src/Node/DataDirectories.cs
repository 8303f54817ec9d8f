using Microsoft.Extensions.Logging;
using Milena.Model;
using Milena.Node.Configuration;
using Milena.Replication;
using Milena.Storage;

namespace Milena.Node;

/// <summary>The directories of this process: those of <c>log.dirs</c>, and the one of the metadata log, all of the same cluster and node.</summary>
public sealed class DataDirectories : IDisposable
{
    private static readonly string MetadataFolder = new TopicPartition(TopicNames.ClusterMetadata, 0).ToString();

    private readonly bool _ownsMetadata;

    private DataDirectories(LogDirectories logs, LogDirectory metadata, bool ownsMetadata, LogEnvironment environment) =>
        (Logs, Metadata, _ownsMetadata, Environment) = (logs, metadata, ownsMetadata, environment);

    public LogDirectories Logs { get; }

    /// <summary>Where the metadata log lies: <c>metadata.log.dir</c>, or the first of <c>log.dirs</c>.</summary>
    public LogDirectory Metadata { get; }

    public LogEnvironment Environment { get; }

    /// <summary>The epoch of the broker that closed every log of every directory, -1 where there is none that did.</summary>
    public long PreviousBrokerEpoch => Logs.All.Select(directory => directory.PreviousBrokerEpoch).Distinct().ToList() is [{ } epoch] ? epoch : -1;

    /// <summary>Where the metadata log of a node with this configuration lies.</summary>
    public static string MetadataPathOf(NodeConfiguration configuration) => FullPathOf(configuration.Kafka.Find("metadata.log.dir") ?? PathsOf(configuration)[0]);

    /// <summary>The cluster that the directories belong to already; null where all of them are new.</summary>
    /// <exception cref="StartupException">
    /// Their files cannot be used; or a node that meets no others would begin a metadata log anew beside the one that it has, and take all its topics for strays.
    /// </exception>
    public static string? CheckClusterId(NodeConfiguration configuration, IDisk disk)
    {
        var paths = PathsOf(configuration);
        var metadataPath = MetadataPathOf(configuration);
        var clusterId = FindClusterId([.. paths.Append(metadataPath).Distinct()], disk);
        if (configuration.Join.Count == 0 && clusterId is not null)
        {
            CheckMetadataIsThere(paths, metadataPath, disk);
        }

        return clusterId;
    }

    /// <summary>A log directory whose disk fails is left out, as long as another one works and the metadata log is not in it.</summary>
    /// <exception cref="StartupException">One of them is another node's or in use, or none can be written: a line that says what to do.</exception>
    public static DataDirectories Open(NodeConfiguration configuration, string clusterId, ILoggerFactory loggers, TimeProvider time)
    {
        var logs = new LogDirectories();
        var environment = new LogEnvironment(PhysicalDisk.Instance, time, new Random(), logs) { Logger = loggers.CreateLogger("Milena.Storage") };
        try
        {
            var metadataPath = MetadataPathOf(configuration);
            var problems = PathsOf(configuration).Select(path => Add(logs, path, clusterId, configuration.NodeId, environment)).ToList();
            if (logs.All.IsEmpty)
            {
                throw Refusal(problems[0]!);
            }

            var shared = logs.All.FirstOrDefault(directory => directory.FullPath == metadataPath);
            return new DataDirectories(logs, shared ?? Take(metadataPath, clusterId, configuration.NodeId, environment), shared is null, environment);
        }
        catch
        {
            logs.Dispose();
            throw;
        }
    }

    /// <summary>Closes the metadata log's directory where it is not one of <c>log.dirs</c>, which their own owner closes.</summary>
    public void CloseMetadata()
    {
        if (_ownsMetadata)
        {
            Metadata.Close();
        }
    }

    /// <summary>Lets all of them go without another write, as a crash would.</summary>
    public void Dispose()
    {
        Logs.Dispose();
        if (_ownsMetadata)
        {
            Metadata.Dispose();
        }
    }

    private static LogDirectory Take(string path, string clusterId, int nodeId, LogEnvironment environment) =>
        LogDirectory.TryOpen(path, clusterId, nodeId, environment, out var directory, out var problem) ? directory! : throw Refusal(problem);

    /// <returns>What is wrong with the disk of a directory that is left out; null where nothing is.</returns>
    private static string? Add(LogDirectories logs, string path, string clusterId, int nodeId, LogEnvironment environment)
    {
        if (LogDirectory.TryOpen(path, clusterId, nodeId, environment, out var directory, out var problem))
        {
            logs.Add(directory!);
            return null;
        }

        return logs.IsOffline(path) ? problem : throw Refusal(problem);
    }

    private static StartupException Refusal(string problem) => new($"{problem} Give this node a directory of its own with --data.");

    private static List<string> PathsOf(NodeConfiguration configuration) =>
        [.. configuration.DataDirectory.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Select(FullPathOf).Distinct()];

    /// <summary>Without a slash at its end: a log's folder tells its directory by the path.</summary>
    private static string FullPathOf(string path) => Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));

    private static void CheckMetadataIsThere(List<string> paths, string metadataPath, IDisk disk)
    {
        if (disk.FolderExists(Path.Combine(metadataPath, MetadataFolder)))
        {
            return;
        }

        if (paths.Find(path => disk.FolderExists(Path.Combine(path, MetadataFolder))) is { } elsewhere)
        {
            throw new StartupException(
                $"The metadata log lies in '{elsewhere}', and is to be in '{metadataPath}': set metadata.log.dir to where it lies, or move its folder {MetadataFolder}.");
        }

        if (paths.Find(path => HoldsPartitions(path, disk)) is { } holding)
        {
            throw new StartupException(
                $"'{holding}' holds partitions, and the metadata log that knows them is not in '{metadataPath}': set metadata.log.dir to where its folder {MetadataFolder} lies.");
        }
    }

    private static bool HoldsPartitions(string path, IDisk disk) =>
        disk.FolderExists(path) && disk.Folders(path).Any(folder => TopicPartition.TryParse(Path.GetFileName(folder), out _));

    /// <summary>A disk that fails says nothing; whether the node can do without it is decided when it is opened.</summary>
    private static MetaProperties? TryRead(IDisk disk, string path, out string problem)
    {
        try
        {
            return MetaProperties.TryRead(disk, path, out problem);
        }
        catch (Exception e) when (e.IsDiskError())
        {
            problem = "";
            return null;
        }
    }

    private static string? FindClusterId(List<string> paths, IDisk disk)
    {
        foreach (var path in paths)
        {
            var identity = TryRead(disk, path, out var problem);
            if (problem.Length > 0)
            {
                throw new StartupException(problem);
            }

            if (identity is not null)
            {
                return identity.ClusterId;
            }
        }

        return null;
    }
}
