using Milena.Metadata.Image;
using Milena.Metadata.Snapshots;
using Milena.Model;
using Milena.Storage;

namespace Milena.Metadata.Log;

/// <summary>Keeps a metadata log and its snapshots one history: at any time some snapshot, or offset 0, and the log above it give the image.</summary>
internal sealed class MetadataHistory(Storage.Log log, SnapshotFolder snapshots, LogEnvironment environment, MetadataLogSettings settings)
{
    /// <summary>The newest intact snapshot, and a log that goes on from it; null when there is none and the log is the whole history.</summary>
    /// <exception cref="InvalidDataException">What lies between the snapshot and the log's start is gone, or a later version wrote the snapshot.</exception>
    public Snapshot? Restore()
    {
        snapshots.DeleteParts();
        var snapshot = NewestIntact();
        var endOffset = snapshot?.Id.EndOffset ?? 0;
        if (log.LogStartOffset > endOffset)
        {
            throw new InvalidDataException(
                $"The metadata log in '{log.Folder}' begins at offset {log.LogStartOffset}, and no intact snapshot reaches up to there: "
                + "restore the folder from a copy.");
        }

        if (log.LogEndOffset < endOffset)
        {
            // Rot or a crash took the log's end; the snapshot holds only what was committed, so nothing decided is lost up to it.
            MetadataEvents.LogBehindSnapshot(environment.Logger, log.LogEndOffset, endOffset);
            log.TruncateFullyAndStartAt(endOffset);
            log.DeleteFilesDue();
        }

        return snapshot;
    }

    public void Write(MetadataImage image)
    {
        var id = new SnapshotId(image.Offset + 1, image.Epoch);
        if (image.Offset < 0 || (snapshots.All() is [.., var newest] && newest.EndOffset >= id.EndOffset))
        {
            return;
        }

        var began = environment.Clock.GetTimestamp();
        snapshots.Write(id, TimestampOf(image.Offset), ImageRecords.Of(image));
        var elapsed = environment.Clock.GetElapsedTime(began);
        MetadataEvents.SnapshotWritten(environment.Logger, id.FileName, image.TopicsById.Count, snapshots.LengthOf(id), elapsed);
    }

    /// <summary>Drops the oldest beginning of the history as long as it is too large or too old, and another one follows it.</summary>
    /// <remarks>The caller is the log's one writer.</remarks>
    public void Retain()
    {
        while (true)
        {
            var all = snapshots.All();
            var wholeLog = log.LogStartOffset == 0;
            if (all.Count < (wholeLog ? 1 : 2) || !IsTooMuch(all, next: all[wholeLog ? 0 : 1]))
            {
                return;
            }

            if (!wholeLog)
            {
                snapshots.Delete(all[0]);
            }

            // The names of the deleted go to the disk before those of the next ones, lest a crash leave a hole in the middle.
            log.AdvanceLogStartOffset(all[wholeLog ? 0 : 1].EndOffset);
            log.DeleteFilesDue();
            environment.Disk.SyncFolder(log.Folder);
            MetadataEvents.HistoryDropped(environment.Logger, log.LogStartOffset);
        }
    }

    private Snapshot? NewestIntact()
    {
        foreach (var id in snapshots.All().Reverse())
        {
            if (snapshots.TryRead(id, out var snapshot, out var problem))
            {
                return snapshot;
            }

            MetadataEvents.SnapshotDamaged(environment.Logger, id.FileName, problem);
            snapshots.SetAsideAsDamaged(id);
        }

        return null;
    }

    /// <param name="next">The snapshot with which the history would begin afterwards.</param>
    private bool IsTooMuch(IReadOnlyList<SnapshotId> all, SnapshotId next)
    {
        var bytes = log.SizeInBytes + all.Sum(snapshots.LengthOf);
        if (settings.MaxRetentionBytes >= 0 && bytes > settings.MaxRetentionBytes)
        {
            return true;
        }

        var now = environment.Clock.GetUtcNow().ToUnixTimeMilliseconds();
        return settings.MaxRetentionMs >= 0 && snapshots.TryReadTimestamp(next) is { } written && now - written > settings.MaxRetentionMs;
    }

    private long TimestampOf(long offset)
    {
        using var slice = log.Read(offset, offset + 1, RecordBatchHeader.Size, atLeastOneBatch: false, out _);
        return slice is not null && RecordBatchHeader.TryRead(slice.ToArray(), out var header) == ErrorCode.None
            ? header.MaxTimestamp
            : environment.Clock.GetUtcNow().ToUnixTimeMilliseconds();
    }
}
