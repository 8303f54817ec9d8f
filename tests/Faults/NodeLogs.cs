using System.Globalization;
using Milena.Faults.Nodes;

namespace Milena.Faults;

/// <summary>Files that take what each node prints.</summary>
/// <param name="folder">Null: it is not kept.</param>
internal sealed class NodeLogs(string? folder) : IDisposable
{
    private readonly Dictionary<int, TextWriter> _files = folder is null ? [] : ThreeNodes.Ids.ToDictionary(
        id => id,
        id => TextWriter.Synchronized(new StreamWriter(PathOf(folder, id)) { AutoFlush = true }));

    public void Write(int id, string line) => _files.GetValueOrDefault(id)?.WriteLine(line);

    public void Dispose()
    {
        foreach (var file in _files.Values)
        {
            file.Dispose();
        }
    }

    private static string PathOf(string folder, int id) =>
        Path.Combine(Directory.CreateDirectory(folder).FullName, string.Create(CultureInfo.InvariantCulture, $"node-{id}.log"));
}
