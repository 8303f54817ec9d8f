using System.Diagnostics.CodeAnalysis;
using Milena.Protocol;
using Milena.Storage;

namespace Milena.Metadata.Snapshots;

/// <summary>The snapshots that lie in a metadata log's folder. All calls wait for the disk, and throw what a disk throws.</summary>
public sealed class SnapshotFolder(IDisk disk, string folder)
{
    /// <summary>The mark of a file that was found damaged: kept for whoever wants to look into it, never read again.</summary>
    public const string DamagedSuffix = ".damaged";

    /// <summary>The oldest first.</summary>
    public IReadOnlyList<SnapshotId> All()
    {
        var found = new List<SnapshotId>();
        foreach (var path in disk.Files(folder))
        {
            if (SnapshotId.TryParse(path, out var id))
            {
                found.Add(id);
            }
        }

        found.Sort();
        return found;
    }

    /// <summary>Deletes what an interrupted process was still writing.</summary>
    public void DeleteParts()
    {
        foreach (var path in disk.Files(folder).Where(path => path.EndsWith(SnapshotId.Suffix + SnapshotPart.Suffix, StringComparison.Ordinal)))
        {
            disk.DeleteFile(path);
        }
    }

    /// <summary>Begins a snapshot of which the bytes come from elsewhere.</summary>
    public SnapshotPart Begin(SnapshotId id) => new(disk, folder, id);

    /// <summary>Writes a snapshot; when this returns it is durable under its name.</summary>
    /// <param name="voters">The quorum's, where there is one.</param>
    public void Write(SnapshotId id, long lastContainedTimestampMs, IEnumerable<IMessage> records, VotersRecord? voters = null)
    {
        using var part = Begin(id);
        foreach (var batch in SnapshotBatches.Of(id, lastContainedTimestampMs, records, voters))
        {
            part.Append(batch);
        }

        part.Freeze();
    }

    /// <inheritdoc cref="SnapshotReader.TryRead"/>
    public bool TryRead(SnapshotId id, [NotNullWhen(true)] out Snapshot? snapshot, out string problem)
    {
        using var file = disk.Open(PathOf(id), FileOpening.Read);
        return SnapshotReader.TryRead(file, LengthOf(id), id, out snapshot, out problem);
    }

    /// <inheritdoc cref="SnapshotReader.TryReadTimestamp"/>
    public long? TryReadTimestamp(SnapshotId id)
    {
        using var file = disk.Open(PathOf(id), FileOpening.Read);
        return SnapshotReader.TryReadTimestamp(file, LengthOf(id));
    }

    /// <summary>Bytes of the file, which a follower fetches piece by piece.</summary>
    public long LengthOf(SnapshotId id) => disk.FileLength(PathOf(id));

    /// <returns>Bytes read; fewer than asked for only at the snapshot's end.</returns>
    public int Read(SnapshotId id, long position, Span<byte> destination)
    {
        using var file = disk.Open(PathOf(id), FileOpening.Read);
        return file.Read(position, destination);
    }

    public bool Exists(SnapshotId id) => disk.FileExists(PathOf(id));

    public void Delete(SnapshotId id) => disk.DeleteFile(PathOf(id));

    public void SetAsideAsDamaged(SnapshotId id) => disk.MoveFile(PathOf(id), PathOf(id) + DamagedSuffix);

    private string PathOf(SnapshotId id) => Path.Combine(folder, id.FileName);
}
