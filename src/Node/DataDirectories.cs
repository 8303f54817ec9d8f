using Microsoft.Extensions.Logging;
using Milena.Model;
using Milena.Node.Configuration;
using Milena.Replication;
using Milena.Storage;

namespace Milena.Node;

/// <summary>Takes the directories of <c>log.dirs</c> for this process, all of the same cluster and node.</summary>
public static class DataDirectories
{
    /// <exception cref="StartupException">One of them is another node's, in use, or cannot be written: a line that says what to do.</exception>
    public static (LogDirectories Directories, LogEnvironment Environment) Open(NodeConfiguration configuration, ILoggerFactory logs, TimeProvider time)
    {
        var directories = new LogDirectories();
        var environment = new LogEnvironment(PhysicalDisk.Instance, time, new Random(), directories) { Logger = logs.CreateLogger("Milena.Storage") };
        try
        {
            var paths = configuration.DataDirectory.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)
                .Select(Path.GetFullPath).Distinct().ToList();
            var clusterId = FindClusterId(paths, environment) ?? Uuid.ToText(Guid.NewGuid());
            foreach (var path in paths)
            {
                if (!LogDirectory.TryOpen(path, clusterId, configuration.NodeId, environment, out var directory, out var problem))
                {
                    throw new StartupException($"{problem} Give this node a directory of its own with --data.");
                }

                directories.Add(directory!);
            }

            return (directories, environment);
        }
        catch
        {
            directories.Dispose();
            throw;
        }
    }

    private static string? FindClusterId(List<string> paths, LogEnvironment environment)
    {
        foreach (var path in paths)
        {
            var identity = MetaProperties.TryRead(environment.Disk, path, out var problem);
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
