using System.Globalization;
using System.Text;
using Milena.Model;

namespace Milena.Storage;

/// <summary>The file <c>meta.properties</c>: whose log directory this is.</summary>
/// <param name="DirectoryId">Tells the directories of one node apart (KIP-858).</param>
public sealed record MetaProperties(string ClusterId, int NodeId, Guid DirectoryId)
{
    public const string FileName = "meta.properties";
    private const string CurrentVersion = "1";

    /// <summary>Null with an empty <paramref name="problem"/> when there is no file; null with a sentence when it cannot be used.</summary>
    public static MetaProperties? TryRead(IDisk disk, string directory, out string problem)
    {
        problem = "";
        var path = Path.Combine(directory, FileName);
        if (!disk.FileExists(path)) return null;
        var values = new Dictionary<string, string>();
        const StringSplitOptions Trimmed = StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries;
        foreach (var line in Encoding.UTF8.GetString(disk.ReadAll(path)).Split('\n', Trimmed))
        {
            if (line[0] is '#' or '!' || line.Split('=', 2) is not [var key, var value]) continue;
            values[key.TrimEnd()] = value.TrimStart();
        }
        if (values.GetValueOrDefault("version") != CurrentVersion)
        {
            problem = $"'{path}' has the version '{values.GetValueOrDefault("version")}', but only {CurrentVersion} can be read.";
        }
        else if (!values.TryGetValue("cluster.id", out var clusterId)
            || !int.TryParse(values.GetValueOrDefault("node.id"), NumberStyles.None, CultureInfo.InvariantCulture, out var nodeId))
        {
            problem = $"'{path}' lacks a cluster.id or a node.id.";
        }
        else if (!Uuid.TryParse(values.GetValueOrDefault("directory.id", ""), out var directoryId))
        {
            problem = $"'{path}' lacks a valid directory.id.";
        }
        else
        {
            return new MetaProperties(clusterId, nodeId, directoryId);
        }
        return null;
    }

    public void Write(IDisk disk, string directory)
    {
        var text = string.Create(
            CultureInfo.InvariantCulture,
            $"#\nnode.id={NodeId}\ndirectory.id={Uuid.ToText(DirectoryId)}\nversion={CurrentVersion}\ncluster.id={ClusterId}\n");
        disk.Replace(Path.Combine(directory, FileName), Encoding.UTF8.GetBytes(text), sync: true);
    }
}
