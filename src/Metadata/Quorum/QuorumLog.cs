using Milena.Metadata.Image;
using Milena.Metadata.Log;
using Milena.Metadata.Snapshots;
using Milena.Model;
using Milena.Protocol;
using Milena.Storage;

namespace Milena.Metadata.Quorum;

/// <summary>The quorum's log and its snapshots on disk: the folder <c>__cluster_metadata-0</c>, as a quorum of one wrote it, and <c>quorum-state</c> in it.</summary>
/// <remarks>
/// One writer; beside it any thread may <see cref="Flush"/>, read, and write or freeze a snapshot. A failed disk throws
/// <see cref="LogIOException"/> from then on.
/// </remarks>
public sealed class QuorumLog : IDisposable
{
    private const int ChunkBytes = 1 << 20;

    private readonly Storage.Log _log;
    private readonly MetadataHistory _history;
    private readonly QuorumStateFile _election;
    private readonly LogEnvironment _environment;
    private Snapshot? _restored;

    private QuorumLog(MetadataHistory history, QuorumStateFile election, LogEnvironment environment)
    {
        (_log, _history, _election, _environment) = (history.Log, history, election, environment);
        _restored = history.Restore();
    }

    /// <summary>What opening it repaired.</summary>
    public RecoveryReport Recovery => _log.Recovery;

    /// <summary>The first offset that is still in the log; what was below it is in a snapshot.</summary>
    public long StartOffset => _log.LogStartOffset;

    /// <param name="directory">The log directory that holds the folder, which is made where it is missing.</param>
    /// <exception cref="LogIOException">The disk refused.</exception>
    /// <exception cref="InvalidDataException">A piece of the history is missing, or a later version wrote the newest snapshot.</exception>
    public static QuorumLog Open(string directory, bool wasCleanShutdown, LogEnvironment environment, MetadataLogSettings settings)
    {
        var history = MetadataHistory.Open(directory, wasCleanShutdown, environment, settings);
        try
        {
            return new QuorumLog(history, new QuorumStateFile(environment.Disk, history.Log.Folder), environment);
        }
        catch
        {
            history.Log.Dispose();
            throw;
        }
    }

    /// <summary>The newest snapshot as it was when the log was opened, to be applied before the log above it; given out once, because it is large.</summary>
    public Snapshot? TakeRestored() => Interlocked.Exchange(ref _restored, null);

    /// <summary>Reads the log through, before <see cref="TakeRestored"/>. What was opened is durable: recovery flushed what it kept.</summary>
    /// <param name="configured">Who votes while neither log nor snapshot says so.</param>
    public LogOutline Outline(VoterSet configured)
    {
        var outline = new LogOutline(configured);
        if (_restored is { } newest)
        {
            // Where the snapshot that the log begins behind has been damaged since, it counts from the newest on.
            var start = _history.Snapshots.All().LastOrDefault(one => one.EndOffset == _log.LogStartOffset, newest.Id);
            if (_log.LogStartOffset > 0)
            {
                outline.StartAt(start, VotersOf(newest));
            }

            outline.SnapshotWritten(newest.Id);
        }

        while (outline.EndOffset < _log.LogEndOffset)
        {
            outline.Appended(Read(outline.EndOffset, _log.LogEndOffset, ChunkBytes));
        }

        outline.Flushed(outline.Generation, outline.EndOffset);
        return outline;
    }

    /// <exception cref="InvalidDataException">They are no voters: one without an address, or twice the same.</exception>
    public static VoterSet? VotersOf(Snapshot snapshot) => snapshot.Voters is not { } record ? null
        : VoterSet.FromRecord(record) ?? throw new InvalidDataException($"The voters in the metadata snapshot {snapshot.Id.FileName} cannot be.");

    /// <summary>The epoch and the vote. A log that a quorum of one wrote has no such file, but knows the epochs in which that one led.</summary>
    /// <exception cref="InvalidDataException">The file is damaged.</exception>
    public ElectionState ReadElectionState()
    {
        var stored = _election.Read();
        return _log.LeaderEpochs.Latest is { } latest && latest > stored.Epoch ? new ElectionState(latest, null, null) : stored;
    }

    /// <summary>Durable on return.</summary>
    public void WriteElectionState(ElectionState state)
    {
        try
        {
            _election.Write(state);
        }
        catch (Exception error) when (error.IsDiskError())
        {
            _environment.Errors.DiskFailed(Path.GetDirectoryName(_log.Folder)!, error);
            throw new LogIOException($"The disk under the metadata log failed, so that this replica cannot vote: {error.Message}", error);
        }
    }

    /// <summary>Appends whole batches at the end, offsets and epochs as they are stamped.</summary>
    public void Append(ReadOnlySpan<byte> batches)
    {
        var result = _log.AppendAsFollower(batches);
        if (result.Error != ErrorCode.None)
        {
            throw new InvalidDataException($"The metadata log refused its own batch: {result.Message}");
        }
    }

    public void TruncateTo(long offset) => _log.TruncateTo(offset);

    /// <summary>Empties the log, which goes on from a snapshot that is frozen.</summary>
    public void GoOnFrom(SnapshotId snapshot) => _history.GoOnFrom(snapshot);

    /// <inheritdoc cref="MetadataHistory.Write"/>
    /// <remarks>Waits for the disk, beside the writer.</remarks>
    public SnapshotId? WriteSnapshot(MetadataImage image, VotersRecord? voters) => _history.Write(image, voters);

    /// <summary>Begins a snapshot of which the bytes come from the leader.</summary>
    public SnapshotPart BeginSnapshot(SnapshotId snapshot) => _history.Snapshots.Begin(snapshot);

    /// <summary>A piece of a snapshot: fewer bytes than asked for only at its end. No size where there is no such snapshot.</summary>
    public (long? Size, byte[] Piece) ReadSnapshot(SnapshotId snapshot, long position, int maxBytes)
    {
        if (!_history.Snapshots.Exists(snapshot))
        {
            return (null, []);
        }

        var size = _history.Snapshots.LengthOf(snapshot);
        var piece = new byte[Math.Clamp(size - position, 0, maxBytes)];
        var read = _history.Snapshots.Read(snapshot, position, piece);
        return (size, piece[..read]);
    }

    /// <summary>Ends the segment, so that it can go as a whole when the next snapshot has made it superfluous.</summary>
    public void Roll() => _log.Roll();

    /// <summary>Drops the oldest piece of the history that retention no longer wants; <see cref="SyncDropped"/> is due before the next one.</summary>
    /// <returns>The snapshot with which the history begins now; null where nothing was dropped.</returns>
    public SnapshotId? TryDropOldest() =>
        _history.TryDropOldest() ? _history.Snapshots.All().First(one => one.EndOffset == _log.LogStartOffset) : null;

    /// <summary>Waits for the disk, beside the writer.</summary>
    public void SyncDropped() => _history.SyncDropped();

    public long BytesBetween(long from, long toExclusive) => _log.BytesBetween(from, toExclusive);

    /// <summary>Waits for the disk: on a thread of its own.</summary>
    public void Flush() => _log.Flush();

    /// <summary>Whole batches from <paramref name="from"/> on, below <paramref name="toExclusive"/>: at least one, however large.</summary>
    public byte[] Read(long from, long toExclusive, int maxBytes)
    {
        using var slice = _log.Read(from, toExclusive, maxBytes, atLeastOneBatch: true, out var info);
        if (slice is null)
        {
            return info.Error == ErrorCode.None ? [] : throw new InvalidDataException($"The metadata log cannot be read from offset {from}: {info.Error}");
        }

        var bytes = slice.ToArray();
        var whole = 0;
        while (RecordBatchHeader.TryRead(bytes.AsSpan(whole), out var header) == ErrorCode.None && header.SizeInBytes <= bytes.Length - whole)
        {
            whole += header.SizeInBytes;
        }

        return whole == bytes.Length ? bytes : bytes[..whole];
    }

    public void Close()
    {
        try
        {
            _log.Close();
        }
        catch (LogIOException)
        {
            // The disk failed before, and the error sink was told; what was promised is on it.
            _log.Dispose();
        }
    }

    /// <summary>Closes the files as a crash would.</summary>
    public void Dispose() => _log.Dispose();
}
