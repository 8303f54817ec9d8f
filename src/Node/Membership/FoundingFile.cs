using System.Text;
using Milena.Metadata.Quorum;
using Milena.Model;
using Milena.Storage;

namespace Milena.Node.Membership;

/// <summary>The file <c>milena-founding</c>: what a node that was started to meet others has agreed on with them, from before it has a metadata log.</summary>
/// <param name="ClusterId">Empty while nothing is agreed.</param>
/// <param name="FirstVoters">Who votes while the metadata log does not say so; empty at a node that joined later.</param>
/// <remarks>
/// The directory's id is written before anybody is told of it: a node that comes back with its disk must be the one that the others counted
/// on, and one whose disk was emptied must not.
/// </remarks>
internal sealed record FoundingFile(Guid DirectoryId, string ClusterId, VoterSet FirstVoters)
{
    public const string FileName = "milena-founding";

    /// <summary>Null where there is none.</summary>
    /// <exception cref="InvalidDataException">It is there and cannot be read.</exception>
    public static FoundingFile? TryRead(IDisk disk, string directory)
    {
        var path = Path.Combine(directory, FileName);
        if (!disk.FileExists(path))
        {
            return null;
        }

        var values = Encoding.UTF8.GetString(disk.ReadAll(path)).Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => line.Split('=', 2)).Where(pair => pair.Length == 2).ToDictionary(pair => pair[0], pair => pair[1]);
        return Uuid.TryParse(values.GetValueOrDefault("directory.id", ""), out var directoryId)
            && values.TryGetValue("cluster.id", out var clusterId)
            && values.TryGetValue("first.voters", out var voters)
            && VoterList.TryDecode(Convert.FromHexString(voters)) is { } firstVoters
            ? new FoundingFile(directoryId, clusterId, firstVoters)
            : throw new InvalidDataException($"'{path}' cannot be read: it was damaged. Empty the directory to start this node as a new one.");
    }

    public void Write(IDisk disk, string directory)
    {
        var text = $"version=1\ndirectory.id={Uuid.ToText(DirectoryId)}\ncluster.id={ClusterId}\nfirst.voters={Convert.ToHexString(VoterList.Encode(FirstVoters))}\n";
        disk.Replace(Path.Combine(directory, FileName), Encoding.UTF8.GetBytes(text), sync: true);
    }
}
