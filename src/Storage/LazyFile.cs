namespace Milena.Storage;

/// <summary>A file that is opened by its first use, since most segments of most partitions are never read again.</summary>
internal sealed class LazyFile(IDisk disk, string path) : IDisposable
{
    private readonly Lock _lock = new();
    private volatile IDiskFile? _file;
    private bool _disposed;

    public string Path { get; private set; } = path;

    public IDiskFile Get() => _file ?? OpenNow();

    /// <summary>Renames the file; whoever has it open keeps reading it.</summary>
    public void Rename(string path)
    {
        lock (_lock)
        {
            if (disk.FileExists(Path)) disk.MoveFile(Path, path);
            Path = path;
        }
    }

    public void Delete()
    {
        Dispose();
        disk.DeleteFile(Path);
    }

    public void Dispose()
    {
        lock (_lock)
        {
            _disposed = true;
            _file?.Dispose();
            _file = null;
        }
    }

    private IDiskFile OpenNow()
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return _file ??= disk.Open(Path, FileOpening.ReadWrite);
        }
    }
}
