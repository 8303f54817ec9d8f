using Milena.Metadata.Image;
using Milena.Metadata.Snapshots;
using Milena.Model;
using Milena.Protocol;
using Milena.Storage;

namespace Milena.Metadata.Log;

/// <summary>Keeps a metadata log and its snapshots one history: at any time some snapshot, or offset 0, and the log above it give the image.</summary>
/// <remarks>Whoever appends to the log is the one to call what changes it: <see cref="Restore"/>, <see cref="GoOnFrom"/>, <see cref="TryDropOldest"/>.</remarks>
internal sealed class MetadataHistory
{
    private readonly SnapshotFolder _snapshots;
    private readonly LogEnvironment _environment;
    private readonly MetadataLogSettings _settings;

    private MetadataHistory(Storage.Log log, SnapshotFolder snapshots, LogEnvironment environment, MetadataLogSettings settings) =>
        (Log, _snapshots, _environment, _settings) = (log, snapshots, environment, settings);

    public Storage.Log Log { get; }

    public SnapshotFolder Snapshots => _snapshots;

    /// <param name="directory">The log directory that holds <c>__cluster_metadata-0</c>, made where it is missing.</param>
    /// <exception cref="LogIOException">The disk refused.</exception>
    public static MetadataHistory Open(string directory, bool wasCleanShutdown, LogEnvironment environment, MetadataLogSettings settings)
    {
        // Only a snapshot lets go of records, so the log's own retention is off; nobody reads a file that was deleted, so none is kept.
        var logSettings = new LogSettings
        {
            SegmentBytes = settings.SegmentBytes,
            SegmentMs = settings.SegmentMs,
            RetentionMs = LogSettings.Unlimited,
            CleanupPolicy = CleanupPolicies.None,
            FileDeleteDelayMs = 0,
        };
        var folder = Path.Combine(directory, new TopicPartition(TopicNames.ClusterMetadata, 0).ToString());
        var log = Storage.Log.Open(folder, logSettings, environment, new LogRecovery(wasCleanShutdown));
        return new MetadataHistory(log, new SnapshotFolder(environment.Disk, folder), environment, settings);
    }

    /// <summary>The newest intact snapshot, and a log that goes on from it; null when there is none and the log is the whole history.</summary>
    /// <exception cref="LogIOException">The disk refused.</exception>
    /// <exception cref="InvalidDataException">What lies between the snapshot and the log's start is gone, or a later version wrote the snapshot.</exception>
    public Snapshot? Restore() => Guarded(() =>
    {
        _snapshots.DeleteParts();
        var snapshot = NewestIntact();
        var endOffset = snapshot?.Id.EndOffset ?? 0;
        if (Log.LogStartOffset > endOffset)
        {
            throw new InvalidDataException(
                $"The metadata log in '{Log.Folder}' begins at offset {Log.LogStartOffset}, and no intact snapshot reaches up to there: "
                + "restore the folder from a copy.");
        }

        if (snapshot is not null && !Holds(snapshot.Id))
        {
            // Rot or a crash took the log's end, or a crash came before a fetched snapshot replaced a log that differs. The snapshot holds only
            // what was committed, so nothing decided is lost up to it; what a log that differs has above it never can be.
            MetadataEvents.LogIsNotTheSnapshots(_environment.Logger, Log.LogEndOffset, endOffset);
            GoOnFrom(snapshot.Id);
        }

        return snapshot;
    });

    /// <summary>Empties the log, which goes on from a snapshot that is durable; what it and older snapshots said is in that one.</summary>
    public void GoOnFrom(SnapshotId snapshot)
    {
        if (Log.LogEndOffset > snapshot.EndOffset)
        {
            // First and durably what lies above, or a crash could leave it alone, and with it a hole in the history.
            Log.TruncateTo(snapshot.EndOffset);
            Log.DeleteFilesDue();
            SyncDropped();
        }

        Log.TruncateFullyAndStartAt(snapshot.EndOffset);
        Log.DeleteFilesDue();
        foreach (var older in _snapshots.All().TakeWhile(one => one < snapshot))
        {
            _snapshots.Delete(older);
        }
    }

    /// <param name="voters">Who voted when the image's last record was decided; null where there is no quorum to speak of.</param>
    /// <returns>The snapshot that was written; null where the image is in a snapshot already.</returns>
    public SnapshotId? Write(MetadataImage image, VotersRecord? voters = null)
    {
        var id = new SnapshotId(image.Offset + 1, image.Epoch);
        if (image.Offset < 0 || (_snapshots.All() is [.., var newest] && newest.EndOffset >= id.EndOffset))
        {
            return null;
        }

        var began = _environment.Clock.GetTimestamp();
        _snapshots.Write(id, TimestampOf(image.Offset), ImageRecords.Of(image), voters);
        var elapsed = _environment.Clock.GetElapsedTime(began);
        MetadataEvents.SnapshotWritten(_environment.Logger, id.FileName, image.TopicsById.Count, _snapshots.LengthOf(id), elapsed);
        return id;
    }

    /// <summary>Drops the oldest beginning of the history as long as it is too large or too old, and another one follows it.</summary>
    public void Retain()
    {
        while (TryDropOldest())
        {
            SyncDropped();
        }
    }

    /// <summary>One step of <see cref="Retain"/>; <see cref="SyncDropped"/> belongs between it and the next.</summary>
    /// <returns>False where nothing is to be dropped.</returns>
    public bool TryDropOldest()
    {
        var all = _snapshots.All();
        var wholeLog = Log.LogStartOffset == 0;
        if (all.Count < (wholeLog ? 1 : 2) || !IsTooMuch(all, next: all[wholeLog ? 0 : 1]))
        {
            return false;
        }

        if (!wholeLog)
        {
            _snapshots.Delete(all[0]);
        }

        Log.AdvanceLogStartOffset(all[wholeLog ? 0 : 1].EndOffset);
        Log.DeleteFilesDue();
        MetadataEvents.HistoryDropped(_environment.Logger, Log.LogStartOffset);
        return true;
    }

    /// <summary>The names of the deleted go to the disk before those of the next ones, lest a crash leave a hole in the middle.</summary>
    public void SyncDropped() => _environment.Disk.SyncFolder(Log.Folder);

    /// <summary>True where the log has what the snapshot says: two logs with a record of the same epoch at an offset are the same up to there.</summary>
    private bool Holds(SnapshotId snapshot)
    {
        if (Log.LogStartOffset == snapshot.EndOffset)
        {
            // Its first record tells as well: no leader that has the snapshot's last record writes in an earlier epoch.
            return Log.LogEndOffset == snapshot.EndOffset || HeaderAt(snapshot.EndOffset)?.LeaderEpoch >= snapshot.Epoch;
        }

        return Log.LogEndOffset >= snapshot.EndOffset && HeaderAt(snapshot.EndOffset - 1)?.LeaderEpoch == snapshot.Epoch;
    }

    private Snapshot? NewestIntact()
    {
        foreach (var id in _snapshots.All().Reverse())
        {
            if (_snapshots.TryRead(id, out var snapshot, out var problem))
            {
                return snapshot;
            }

            MetadataEvents.SnapshotDamaged(_environment.Logger, id.FileName, problem);
            _snapshots.SetAsideAsDamaged(id);
        }

        return null;
    }

    /// <param name="next">The snapshot with which the history would begin afterwards.</param>
    private bool IsTooMuch(IReadOnlyList<SnapshotId> all, SnapshotId next)
    {
        var bytes = Log.SizeInBytes + all.Sum(_snapshots.LengthOf);
        if (_settings.MaxRetentionBytes >= 0 && bytes > _settings.MaxRetentionBytes)
        {
            return true;
        }

        var now = _environment.Clock.GetUtcNow().ToUnixTimeMilliseconds();
        return _settings.MaxRetentionMs >= 0 && _snapshots.TryReadTimestamp(next) is { } written && now - written > _settings.MaxRetentionMs;
    }

    private long TimestampOf(long offset) => HeaderAt(offset)?.MaxTimestamp ?? _environment.Clock.GetUtcNow().ToUnixTimeMilliseconds();

    private RecordBatchHeader? HeaderAt(long offset)
    {
        using var slice = Log.Read(offset, long.MaxValue, RecordBatchHeader.Size, atLeastOneBatch: false, out _);
        return slice is not null && RecordBatchHeader.TryRead(slice.ToArray(), out var header) == ErrorCode.None ? header : null;
    }

    private T Guarded<T>(Func<T> function)
    {
        try
        {
            return function();
        }
        catch (Exception e) when (e.IsDiskError() && e is not LogIOException)
        {
            var directory = Path.GetDirectoryName(Log.Folder)!;
            _environment.Errors.DiskFailed(directory, e);
            throw new LogIOException($"The metadata log in '{directory}' cannot be read: {e.Message}", e);
        }
    }
}
