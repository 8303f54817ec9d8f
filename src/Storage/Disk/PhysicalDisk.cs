using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Milena.Storage;

/// <summary>The machine's own disk.</summary>
public sealed class PhysicalDisk : IDisk
{
    public static PhysicalDisk Instance { get; } = new();

    public IDiskFile Open(string path, FileOpening opening) => new PhysicalFile(File.OpenHandle(
        path,
        opening == FileOpening.ReadWrite ? FileMode.OpenOrCreate : FileMode.Open,
        opening == FileOpening.Read ? FileAccess.Read : FileAccess.ReadWrite,
        FileShare.ReadWrite | FileShare.Delete));

    public bool FileExists(string path) => File.Exists(path);

    public bool FolderExists(string path) => Directory.Exists(path);

    public long FileLength(string path) => new FileInfo(path) is { Exists: true } file ? file.Length : 0;

    public void CreateFolder(string path) => Directory.CreateDirectory(path);

    public void DeleteFile(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (DirectoryNotFoundException)
        {
            // The file is as gone as its folder.
        }
    }

    public void DeleteFolder(string path) => Directory.Delete(path, recursive: true);

    public void MoveFile(string from, string to) => File.Move(from, to, overwrite: true);

    public void MoveFolder(string from, string to) => Directory.Move(from, to);

    public IReadOnlyList<string> Files(string folder) => Directory.GetFiles(folder);

    public IReadOnlyList<string> Folders(string folder) => Directory.GetDirectories(folder);

    public void SyncFolder(string path)
    {
        // Windows has no such call, and its file systems journal names themselves.
        if (OperatingSystem.IsWindows()) return;
        var descriptor = LibC.Open(path, LibC.ReadOnly);
        if (descriptor < 0) throw new IOException($"Cannot open the folder '{path}' to sync it (errno {Marshal.GetLastPInvokeError()}).");
        var result = LibC.Fsync(descriptor);
        var error = Marshal.GetLastPInvokeError();
        _ = LibC.Close(descriptor);
        if (result != 0) throw new IOException($"Cannot sync the folder '{path}' (errno {error}).");
    }

    public (long TotalBytes, long UsableBytes) Space(string folder)
    {
        var drive = new DriveInfo(folder);
        return (drive.TotalSize, drive.AvailableFreeSpace);
    }

    public IDisposable? TryLock(string path)
    {
        try
        {
            return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException) when (File.Exists(path))
        {
            return null;
        }
    }

    private sealed class PhysicalFile(SafeFileHandle handle) : IDiskFile
    {
        public int Read(long position, Span<byte> destination)
        {
            var total = 0;
            while (total < destination.Length)
            {
                var read = RandomAccess.Read(handle, destination[total..], position + total);
                if (read == 0) break;
                total += read;
            }
            return total;
        }

        public void Write(long position, ReadOnlySpan<byte> bytes) => RandomAccess.Write(handle, bytes, position);

        public void SetLength(long length) => RandomAccess.SetLength(handle, length);

        public SafeFileHandle Handle => handle;

        public void Sync() => RandomAccess.FlushToDisk(handle);

        public void Dispose() => handle.Dispose();
    }
}

internal static partial class LibC
{
    public const int ReadOnly = 0;

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    public static partial int Fsync(int descriptor);

    [LibraryImport("libc", EntryPoint = "close")]
    public static partial int Close(int descriptor);
}
