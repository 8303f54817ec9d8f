using System.Globalization;
using Milena.Faults.Nodes;

namespace Milena.Faults;

/// <summary>Files that take what the nodes and the clients say, and what lay on the disks where that was wrong.</summary>
/// <param name="folder">Null: nothing is kept.</param>
/// <param name="nodes">How many there are.</param>
internal sealed class CampaignLogs(string? folder, int nodes) : IDisposable
{
    private readonly Dictionary<int, TextWriter> _nodes = folder is null ? [] : Enumerable.Range(1, nodes).ToDictionary(
        id => id,
        id => Create(folder!, string.Create(CultureInfo.InvariantCulture, $"node-{id}.log")));

    private readonly TextWriter? _writers = folder is null ? null : Create(folder, "writers.log");

    private readonly TextWriter? _groups = folder is null ? null : Create(folder, "groups.log");

    /// <summary>Null where nothing is kept.</summary>
    public Action<string>? Group => _groups is null ? null : line => WriteTo(_groups, line);

    public void Node(int id, string line) => _nodes.GetValueOrDefault(id)?.WriteLine(line);

    public void Writer(string line) => WriteTo(_writers, line);

    /// <summary>Copies the replicas of some partitions.</summary>
    /// <param name="replicas">The nodes that hold a partition's.</param>
    public void Keep(RealCluster cluster, string topic, IEnumerable<int> partitions, Func<int, IEnumerable<int>> replicas)
    {
        if (folder is null)
        {
            return;
        }

        foreach (var (partition, id) in from partition in partitions from id in replicas(partition) select (partition, id))
        {
            var to = Directory.CreateDirectory(Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $"node-{id}"), $"{topic}-{partition}"));
            foreach (var file in Directory.EnumerateFiles(cluster.FolderOf(id, topic, partition)))
            {
                File.Copy(file, Path.Combine(to.FullName, Path.GetFileName(file)), overwrite: true);
            }
        }
    }

    public void Dispose()
    {
        _writers?.Dispose();
        _groups?.Dispose();
        foreach (var file in _nodes.Values)
        {
            file.Dispose();
        }
    }

    private static void WriteTo(TextWriter? file, string line) => file?.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{DateTime.UtcNow:HH:mm:ss.fff} {line}"));

    private static TextWriter Create(string folder, string name) =>
        TextWriter.Synchronized(new StreamWriter(Path.Combine(Directory.CreateDirectory(folder).FullName, name)) { AutoFlush = true });
}
