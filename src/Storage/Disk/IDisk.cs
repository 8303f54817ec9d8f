using Microsoft.Win32.SafeHandles;

namespace Milena.Storage;

public enum FileOpening
{
    /// <summary>Read an existing file.</summary>
    Read,

    /// <summary>Read and write; create it when it is missing, keep its content when it is there.</summary>
    ReadWrite,

    /// <summary>Read and write an existing file.</summary>
    Existing,
}

/// <summary>The file operations that a log needs, so that tests can tear, fill, slow down and corrupt a disk.</summary>
/// <remarks>Every failure is an <see cref="IOException"/> or <see cref="UnauthorizedAccessException"/>; a missing file a
/// <see cref="FileNotFoundException"/>. Safe for any number of threads.</remarks>
public interface IDisk
{
    IDiskFile Open(string path, FileOpening opening);

    bool FileExists(string path);

    bool FolderExists(string path);

    /// <summary>Bytes of the file; 0 when it is missing.</summary>
    long FileLength(string path);

    /// <summary>Creates the folder and its parents; nothing happens when it exists.</summary>
    void CreateFolder(string path);

    /// <summary>Deletes the file; nothing happens when it is missing.</summary>
    void DeleteFile(string path);

    void DeleteFolder(string path);

    /// <summary>Replaces an existing target in one step.</summary>
    void MoveFile(string from, string to);

    void MoveFolder(string from, string to);

    /// <summary>Full paths, in no particular order.</summary>
    IReadOnlyList<string> Files(string folder);

    /// <summary>Full paths, in no particular order.</summary>
    IReadOnlyList<string> Folders(string folder);

    /// <summary>Makes creations, renames and deletions in the folder durable.</summary>
    void SyncFolder(string path);

    /// <summary>Bytes of the volume that holds the folder, and how many of them this process may still use.</summary>
    (long TotalBytes, long UsableBytes) Space(string folder);

    /// <summary>An exclusive lock on the file, which is created; null when another process has it.</summary>
    IDisposable? TryLock(string path);
}

/// <summary>An open file. Positional reads are safe beside one writer.</summary>
public interface IDiskFile : IDisposable
{
    /// <returns>Bytes read; fewer than asked for only at the end of the file.</returns>
    int Read(long position, Span<byte> destination);

    void Write(long position, ReadOnlySpan<byte> bytes);

    void SetLength(long length);

    /// <summary>Returns when the file's content is durable.</summary>
    void Sync();

    /// <summary>The system's own handle, closed with the file; null where every read has to go through <see cref="Read"/>.</summary>
    SafeFileHandle? Handle => null;
}

public static class DiskExtensions
{
    /// <summary>What a failing disk throws: these, and no other exceptions, take a log directory offline.</summary>
    public static bool IsDiskError(this Exception exception) => exception is IOException or UnauthorizedAccessException;

    public static byte[] ReadAll(this IDisk disk, string path)
    {
        using var file = disk.Open(path, FileOpening.Read);
        var bytes = new byte[checked((int)disk.FileLength(path))];
        var read = file.Read(0, bytes);
        return read == bytes.Length ? bytes : bytes[..read];
    }

    /// <summary>Replaces a small file as a whole: a reader finds the old content or the new, after a crash too if <paramref name="sync"/>.</summary>
    /// <param name="syncFolder">False when the caller syncs the folder itself, after several files.</param>
    public static void Replace(this IDisk disk, string path, ReadOnlySpan<byte> bytes, bool sync, bool syncFolder = true)
    {
        var temporary = path + LogFiles.TemporarySuffix;
        disk.DeleteFile(temporary);
        using (var file = disk.Open(temporary, FileOpening.ReadWrite))
        {
            file.Write(0, bytes);
            if (sync) file.Sync();
        }
        disk.MoveFile(temporary, path);
        if (sync && syncFolder) disk.SyncFolder(Path.GetDirectoryName(path)!);
    }
}
