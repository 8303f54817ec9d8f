using Milena.Metadata.Quorum;
using Milena.Metadata.Settings;
using Milena.Storage;

namespace Milena.Node.Membership;

/// <summary>Whether this node may be made a voter of the metadata quorum without anybody asking for it.</summary>
/// <remarks>
/// Who votes, or has, is not made a voter again: an administrator took the vote away, and is to give it back. The file <c>milena-voted</c>
/// beside the metadata log says so where the log does not any more, because a snapshot has taken its beginning's place. Safe for several threads.
/// </remarks>
internal sealed class OwnVote
{
    public const string FileName = "milena-voted";

    private readonly IDisk _disk;
    private readonly string _path;
    private readonly bool _isWanted;
    private volatile bool _hasVoted;

    /// <param name="directory">The metadata log's.</param>
    public OwnVote(IDisk disk, string directory, StaticSettings settings)
    {
        (_disk, _path) = (disk, Path.Combine(directory, FileName));
        _isWanted = settings.FindSet("controller.quorum.auto.join.enable") is not { } set || bool.Parse(set);
        _hasVoted = disk.FileExists(_path);
    }

    public bool MayBeGiven(QuorumStatus status) => _isWanted && !_hasVoted && !status.HasVoted;

    /// <summary>Looks whether it votes or has, and remembers it.</summary>
    public void Saw(QuorumStatus status)
    {
        if (status.HasVoted && !_hasVoted)
        {
            _disk.Replace(_path, [], sync: true);
            _hasVoted = true;
        }
    }
}
