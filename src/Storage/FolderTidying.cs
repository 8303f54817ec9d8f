using Milena.Model;

namespace Milena.Storage;

/// <summary>Finishes or undoes what an interrupted process, ours or Kafka's, was doing in a partition's folder.</summary>
internal static class FolderTidying
{
    private static readonly string[] IndexSuffixes = [LogFiles.IndexSuffix, LogFiles.TimeIndexSuffix, LogFiles.TransactionIndexSuffix];

    public static void Run(IDisk disk, string folder)
    {
        foreach (var path in disk.Files(folder))
        {
            if (path.EndsWith(LogFiles.DeletedSuffix, StringComparison.Ordinal)
                || path.EndsWith(LogFiles.CleanedSuffix, StringComparison.Ordinal)
                || path.EndsWith(LogFiles.TemporarySuffix, StringComparison.Ordinal))
            {
                disk.DeleteFile(path);
            }
        }
        foreach (var path in disk.Files(folder))
        {
            if (LogFiles.TryParse(path, LogFiles.LogSuffix + LogFiles.SwapSuffix, out var baseOffset)) CompleteSwap(disk, folder, path, baseOffset);
        }
        foreach (var path in disk.Files(folder))
        {
            // An index without a log, or left over from a swap: both are derived, and rebuilt where they are needed.
            if (path.EndsWith(LogFiles.SwapSuffix, StringComparison.Ordinal) || IsOrphan(disk, folder, path)) disk.DeleteFile(path);
        }
    }

    private static bool IsOrphan(IDisk disk, string folder, string path)
    {
        foreach (var suffix in IndexSuffixes)
        {
            if (LogFiles.TryParse(path, suffix, out var offset)) return !disk.FileExists(LogFiles.Path(folder, offset, LogFiles.LogSuffix));
        }
        return false;
    }

    // The cleaner had written the replacement whole before it was renamed to .swap: the segments that it replaces go, and it takes their place.
    private static void CompleteSwap(IDisk disk, string folder, string path, long baseOffset)
    {
        var end = EndOffsetOf(disk, path, baseOffset);
        foreach (var other in disk.Files(folder))
        {
            if (!LogFiles.TryParse(other, LogFiles.LogSuffix, out var offset)) continue;
            if (offset < baseOffset || offset >= Math.Max(end, baseOffset + 1)) continue;
            disk.DeleteFile(other);
            foreach (var suffix in IndexSuffixes) disk.DeleteFile(LogFiles.Path(folder, offset, suffix));
        }
        disk.MoveFile(path, path[..^LogFiles.SwapSuffix.Length]);
    }

    private static long EndOffsetOf(IDisk disk, string path, long baseOffset)
    {
        using var file = disk.Open(path, FileOpening.Read);
        Span<byte> buffer = stackalloc byte[BatchScanner.BufferBytes];
        var scanner = new BatchScanner(file, 0, (int)Math.Min(int.MaxValue, disk.FileLength(path)), buffer);
        var end = baseOffset;
        while (scanner.MoveNext()) end = scanner.Header.NextOffset;
        return end;
    }
}
