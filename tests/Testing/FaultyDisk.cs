using Milena.Storage;

namespace Milena.Testing;

public enum DiskOperation
{
    Open,
    Read,
    Write,
    SetLength,
    Sync,
    Move,
    Delete,
}

/// <summary>A disk in memory that fills up, fails, corrupts, and forgets in a crash what was not synced.</summary>
/// <remarks>Names (creations, renames, deletions) are durable at once; contents only by a sync of their file.</remarks>
public sealed class FaultyDisk : IDisk
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, FaultyFile> _files = [];
    private readonly HashSet<string> _folders = [];
    private readonly HashSet<string> _locked = [];

    /// <summary>Throws an exception to fail an operation on a path.</summary>
    public Action<DiskOperation, string>? Fault { get; set; }

    /// <summary>Bytes that all files may hold together. A write beyond it stores what fits, then fails.</summary>
    public long CapacityBytes { get; set; } = long.MaxValue;

    public long UsedBytes
    {
        get
        {
            lock (_lock) return _files.Values.Sum(file => (long)file.Length);
        }
    }

    public IReadOnlyList<string> AllFiles
    {
        get
        {
            lock (_lock) return [.. _files.Keys.Order(StringComparer.Ordinal)];
        }
    }

    /// <summary>The machine loses power: of each file's unsynced writes a random part survives, the last one perhaps torn. Locks are gone.</summary>
    public void Crash(Random random)
    {
        lock (_lock)
        {
            foreach (var file in _files.Values) file.Crash(random);
            _locked.Clear();
        }
    }

    public void CorruptByte(string path, long position)
    {
        lock (_lock) _files[path].Corrupt((int)position);
    }

    public byte[] Content(string path)
    {
        lock (_lock) return _files[path].ToArray();
    }

    public void SetContent(string path, byte[] content)
    {
        using var file = Open(path, FileOpening.ReadWrite);
        file.SetLength(0);
        file.Write(0, content);
        file.Sync();
    }

    public IDiskFile Open(string path, FileOpening opening)
    {
        Fault?.Invoke(DiskOperation.Open, path);
        lock (_lock)
        {
            if (_files.TryGetValue(path, out var file)) return new Handle(this, file);
            if (opening != FileOpening.ReadWrite) throw new FileNotFoundException("No such file.", path);
            if (!_folders.Contains(Path.GetDirectoryName(path)!)) throw new DirectoryNotFoundException(path);
            _files.Add(path, file = new FaultyFile(path));
            return new Handle(this, file);
        }
    }

    public bool FileExists(string path)
    {
        lock (_lock) return _files.ContainsKey(path);
    }

    public bool FolderExists(string path)
    {
        lock (_lock) return _folders.Contains(path);
    }

    public long FileLength(string path)
    {
        lock (_lock) return _files.TryGetValue(path, out var file) ? file.Length : 0;
    }

    public void CreateFolder(string path)
    {
        lock (_lock)
        {
            for (var folder = path; folder is not null; folder = Path.GetDirectoryName(folder)) _folders.Add(folder);
        }
    }

    public void DeleteFile(string path)
    {
        Fault?.Invoke(DiskOperation.Delete, path);
        lock (_lock) _files.Remove(path);
    }

    public void DeleteFolder(string path)
    {
        Fault?.Invoke(DiskOperation.Delete, path);
        lock (_lock)
        {
            foreach (var file in _files.Keys.Where(file => IsBelow(file, path)).ToList()) _files.Remove(file);
            _folders.RemoveWhere(folder => folder == path || IsBelow(folder, path));
        }
    }

    public void MoveFile(string from, string to)
    {
        Fault?.Invoke(DiskOperation.Move, from);
        lock (_lock)
        {
            if (!_files.Remove(from, out var file)) throw new FileNotFoundException("No such file.", from);
            file.Path = to;
            _files[to] = file;
        }
    }

    public void MoveFolder(string from, string to)
    {
        Fault?.Invoke(DiskOperation.Move, from);
        lock (_lock)
        {
            foreach (var path in _files.Keys.Where(file => IsBelow(file, from)).ToList())
            {
                _files.Remove(path, out var file);
                file!.Path = to + path[from.Length..];
                _files[file.Path] = file;
            }
            _folders.Remove(from);
            _folders.Add(to);
        }
    }

    public IReadOnlyList<string> Files(string folder)
    {
        lock (_lock) return [.. _files.Keys.Where(file => Path.GetDirectoryName(file) == folder)];
    }

    public IReadOnlyList<string> Folders(string folder)
    {
        lock (_lock) return [.. _folders.Where(each => Path.GetDirectoryName(each) == folder)];
    }

    public void SyncFolder(string path) => Fault?.Invoke(DiskOperation.Sync, path);

    public (long TotalBytes, long UsableBytes) Space(string folder) => (CapacityBytes, CapacityBytes - UsedBytes);

    public IDisposable? TryLock(string path)
    {
        lock (_lock)
        {
            if (!_locked.Add(path)) return null;
            return new Unlocking(() =>
            {
                lock (_lock) _locked.Remove(path);
            });
        }
    }

    private static bool IsBelow(string path, string folder) => path.StartsWith(folder + Path.DirectorySeparatorChar, StringComparison.Ordinal);

    private sealed class Unlocking(Action unlock) : IDisposable
    {
        public void Dispose() => unlock();
    }

    private sealed class Handle(FaultyDisk disk, FaultyFile file) : IDiskFile
    {
        private bool _disposed;

        public int Read(long position, Span<byte> destination)
        {
            Check(DiskOperation.Read);
            lock (disk._lock) return file.Read((int)position, destination);
        }

        public void Write(long position, ReadOnlySpan<byte> bytes)
        {
            Check(DiskOperation.Write);
            lock (disk._lock)
            {
                var growth = Math.Max(0, position + bytes.Length - file.Length);
                var missing = disk.UsedBytes + growth - disk.CapacityBytes;
                if (missing > 0 && growth > 0)
                {
                    file.Write((int)position, bytes[..(int)Math.Max(0, bytes.Length - missing)]);
                    throw new IOException("No space left on device.");
                }
                file.Write((int)position, bytes);
            }
        }

        public void SetLength(long length)
        {
            Check(DiskOperation.SetLength);
            lock (disk._lock) file.SetLength((int)length);
        }

        public void Sync()
        {
            Check(DiskOperation.Sync);
            lock (disk._lock) file.Sync();
        }

        public void Dispose() => _disposed = true;

        private void Check(DiskOperation operation)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            disk.Fault?.Invoke(operation, file.Path);
        }
    }
}
