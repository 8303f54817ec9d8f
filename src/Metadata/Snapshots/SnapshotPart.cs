using System.Diagnostics.CodeAnalysis;
using Milena.Storage;

namespace Milena.Metadata.Snapshots;

/// <summary>A snapshot on its way to the disk, from an image or from the quorum's leader: nobody takes it for one before it is whole.</summary>
/// <remarks>Written under the name <c>….checkpoint.part</c>. One writer; every call may throw what a disk throws, and then the part is given up.</remarks>
public sealed class SnapshotPart : IDisposable
{
    public const string Suffix = ".part";

    private readonly IDisk _disk;
    private readonly string _target;
    private readonly string _path;
    private IDiskFile? _file;

    internal SnapshotPart(IDisk disk, string folder, SnapshotId id)
    {
        _disk = disk;
        Id = id;
        _target = Path.Combine(folder, id.FileName);
        _path = _target + Suffix;
        disk.DeleteFile(_path);
        _file = disk.Open(_path, FileOpening.ReadWrite);
    }

    public SnapshotId Id { get; }

    public long Length { get; private set; }

    public void Append(ReadOnlySpan<byte> bytes)
    {
        ObjectDisposedException.ThrowIf(_file is null, this);
        _file.Write(Length, bytes);
        Length += bytes.Length;
    }

    /// <summary>Reads what was appended, as <see cref="SnapshotReader.TryRead"/> does: bytes that came from elsewhere are not to be frozen unread.</summary>
    public bool TryRead([NotNullWhen(true)] out Snapshot? snapshot, out string problem)
    {
        ObjectDisposedException.ThrowIf(_file is null, this);
        return SnapshotReader.TryRead(_file, Length, Id, out snapshot, out problem);
    }

    /// <summary>Makes the bytes durable, then gives them their name, then makes the name durable: in this order a crash leaves all of it or none.</summary>
    public void Freeze()
    {
        ObjectDisposedException.ThrowIf(_file is null, this);
        _file.Sync();
        Close();
        _disk.MoveFile(_path, _target);
        _disk.SyncFolder(Path.GetDirectoryName(_target)!);
    }

    /// <summary>Gives the part up, unless it was frozen.</summary>
    public void Dispose()
    {
        if (_file is not null)
        {
            Close();
            _disk.DeleteFile(_path);
        }
    }

    private void Close()
    {
        _file?.Dispose();
        _file = null;
    }
}
