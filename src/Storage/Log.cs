using System.Collections.Immutable;
using Microsoft.Extensions.Logging;
using Milena.Model;

namespace Milena.Storage;

/// <summary>One partition's log on disk: segments, indexes, producer state, leader epochs; in Kafka's files.</summary>
/// <remarks>
/// One writer at a time (the replica's actor) calls everything that changes the log. Beside it any thread may call <see cref="Read"/>, the
/// lookups, the offsets and sizes, <see cref="Flush"/> and slices. Bad requests are answered with an <see cref="ErrorCode"/>; a failing
/// disk is told to the environment's error sink, and throws <see cref="LogIOException"/> from then on: the log has to be opened anew.
/// </remarks>
public sealed partial class Log : IDisposable
{
    private readonly LogEnvironment _environment;
    private readonly ProducerStates _producers;
    private readonly Lock _recoveryPointLock = new();
    private readonly List<(Segment Segment, long DueMs)> _condemned = [];
    private Segment[] _segments;
    private LogSettings _settings;
    private long _logStartOffset;
    private long _logEndOffset;
    private long _recoveryPoint;
    private long _firstUnstableOffset = NoOffset;
    private long _lastFlushMs;
    private int _truncations;
    private int _syncedTruncations;
    private long _rollJitterMs;
    private LogIOException? _failure;
    private bool _closed;

    private const long NoOffset = -1;

    private Log(string folder, TopicPartition topicPartition, LogSettings settings, LogEnvironment environment, LoadedLog loaded)
    {
        Folder = folder;
        TopicPartition = topicPartition;
        _settings = settings;
        _environment = environment;
        _segments = [.. loaded.Segments];
        _producers = loaded.Producers;
        LeaderEpochs = loaded.LeaderEpochs;
        Recovery = loaded.Report;
        _logStartOffset = loaded.LogStartOffset;
        _logEndOffset = loaded.LogEndOffset;
        _recoveryPoint = loaded.RecoveryPoint;
        _lastFlushMs = environment.NowMs;
        _rollJitterMs = NextRollJitter();
        PublishFirstUnstableOffset();
    }

    public string Folder { get; }
    public TopicPartition TopicPartition { get; }
    public LeaderEpochs LeaderEpochs { get; }

    /// <summary>What opening the log repaired.</summary>
    public RecoveryReport Recovery { get; }
    public LogSettings Settings => Volatile.Read(ref _settings);

    /// <summary>The first offset that readers may ask for.</summary>
    public long LogStartOffset => Volatile.Read(ref _logStartOffset);

    /// <summary>The offset that the next record gets.</summary>
    public long LogEndOffset => Volatile.Read(ref _logEndOffset);

    /// <summary>Everything below is durable.</summary>
    public long RecoveryPoint => Volatile.Read(ref _recoveryPoint);

    /// <summary>First offset of the earliest open transaction; null when there is none.</summary>
    public long? FirstUnstableOffset => Volatile.Read(ref _firstUnstableOffset) is var offset and >= 0 ? offset : null;

    /// <summary>Bytes of all segments' records.</summary>
    public long SizeInBytes
    {
        get
        {
            long size = 0;
            foreach (var segment in Segments) size += segment.Size;
            return size;
        }
    }

    /// <summary>Where the first segment begins; the log's start may lie within it.</summary>
    public long FirstSegmentOffset => Segments[0].BaseOffset;
    public int SegmentCount => Segments.Length;
    public int ProducerCount => _producers.Count;

    /// <summary>The disk error that ended this log; null while it works.</summary>
    public Exception? Failure => Volatile.Read(ref _failure);

    private Segment[] Segments => Volatile.Read(ref _segments);
    private Segment Active => _segments[^1];

    /// <summary>Opens a partition's folder, creates it when it is missing, and repairs what a crash left.</summary>
    /// <param name="folder">Named <c>topic-partition</c>, or as <see cref="LogFiles.FutureFolder"/>.</param>
    /// <exception cref="LogIOException">The disk failed; the error sink knows.</exception>
    public static Log Open(string folder, LogSettings settings, LogEnvironment environment, LogRecovery recovery)
    {
        folder = Path.GetFullPath(folder);
        if (!LogFiles.TryParseFolder(Path.GetFileName(folder), out var topicPartition, out _))
        {
            throw new ArgumentException($"'{folder}' is no partition's folder.", nameof(folder));
        }
        var loader = new LogLoader(folder, settings, environment, recovery);
        try
        {
            var loaded = loader.Load();
            var log = new Log(folder, topicPartition, settings, environment, loaded);
            if (loaded.Report.IsClean) return log;
            StorageEvents.Repaired(environment.Logger, topicPartition, loaded.Report);
            return log;
        }
        catch (Exception error) when (error.IsDiskError())
        {
            loader.Abandon();
            environment.Errors.DiskFailed(Path.GetDirectoryName(folder)!, error);
            throw new LogIOException($"Cannot open the log of {topicPartition} in '{folder}': {error.Message}", error);
        }
    }

    /// <summary>The last stable offset for a high watermark: below it no transaction is open.</summary>
    public long LastStableOffset(long highWatermark) =>
        FirstUnstableOffset is { } unstable && unstable < highWatermark ? unstable : highWatermark;

    /// <summary>Tells the log that everything below is committed: ended transactions below it become stable.</summary>
    public void OnHighWatermark(long highWatermark)
    {
        if (Volatile.Read(ref _firstUnstableOffset) < 0) return;
        _producers.OnHighWatermark(highWatermark);
        PublishFirstUnstableOffset();
    }

    /// <summary>Says that a leader epoch begins at the log end offset, as a leader does before its first append; an older epoch is ignored.</summary>
    public void AssignLeaderEpoch(int epoch) => Guarded(() => LeaderEpochs.Assign(epoch, _logEndOffset));

    /// <summary>New settings hold from the next append, roll and retention check on.</summary>
    public void UpdateSettings(LogSettings settings)
    {
        Volatile.Write(ref _settings, settings);
        _rollJitterMs = NextRollJitter();
    }

    /// <summary>Forgets producers that were silent for <c>producer.id.expiration.ms</c>.</summary>
    public void ExpireProducers() => _producers.Expire(_environment.NowMs, _settings.ProducerIdExpirationMs);

    /// <summary>Binds the folder to a topic id, or reads which it is bound to.</summary>
    public Guid? TopicId => Guarded(() => PartitionMetadata.TryRead(_environment.Disk, Folder));

    public void WriteTopicId(Guid topicId) => Guarded(() => PartitionMetadata.Write(_environment.Disk, Folder, topicId));

    /// <summary>Makes everything durable, writes the producer snapshot and closes the files. A failed log only closes them.</summary>
    public void Close()
    {
        if (_closed) return;
        try
        {
            if (_failure is null)
            {
                Guarded(() =>
                {
                    Active.Seal(trim: _settings.Preallocate);
                    // What was not touched since it was opened costs no sync, and most partitions of a large node are not.
                    var snapshotWritten = WriteProducerSnapshot(sync: true);
                    if (!FlushNow(long.MaxValue) && snapshotWritten) _environment.Disk.SyncFolder(Folder);
                });
            }
        }
        finally
        {
            ReleaseAll();
        }
    }

    /// <summary>Closes the files without writing anything, as a crash would.</summary>
    public void Dispose() => ReleaseAll();

    internal LogIOException Fail(Exception error)
    {
        if (error is LogIOException known) return known;
        // Its folder may be gone or renamed under a reader that came late: no fault of the disk.
        if (Volatile.Read(ref _closed)) return new LogIOException($"The log of {TopicPartition} is closed.", error);
        var failure = new LogIOException($"The disk under {TopicPartition} in '{Folder}' failed: {error.Message}", error);
        if (Interlocked.CompareExchange(ref _failure, failure, null) is { } earlier) return earlier;
        StorageEvents.Failed(_environment.Logger, TopicPartition, Folder, error);
        _environment.Errors.DiskFailed(Path.GetDirectoryName(Folder)!, error);
        return failure;
    }

    internal void Release(Segment segment)
    {
        try
        {
            segment.Release();
        }
        catch (Exception error) when (error.IsDiskError())
        {
            // Who lets go has what it wanted; the file that could not be deleted is the log's trouble.
            Fail(error);
        }
    }

    private void ReleaseAll()
    {
        if (_closed) return;
        Volatile.Write(ref _closed, true);
        foreach (var segment in _segments) segment.Release();
        // Their delay is for readers of this process; what is still held is deleted by the last reader.
        foreach (var (segment, _) in _condemned) Release(segment);
        _condemned.Clear();
    }

    private void ThrowIfUnusable()
    {
        if (_failure is { } failure) throw failure;
        ObjectDisposedException.ThrowIf(_closed, this);
    }

    private void Guarded(Action action)
    {
        ThrowIfUnusable();
        try
        {
            action();
        }
        catch (Exception error) when (error.IsDiskError())
        {
            throw Fail(error);
        }
    }

    private T Guarded<T>(Func<T> function)
    {
        ThrowIfUnusable();
        try
        {
            return function();
        }
        catch (Exception error) when (error.IsDiskError())
        {
            throw Fail(error);
        }
    }

    private void PublishFirstUnstableOffset() => Volatile.Write(ref _firstUnstableOffset, _producers.FirstUnstableOffset ?? NoOffset);

    /// <returns>False when the file says the same already.</returns>
    private bool WriteProducerSnapshot(bool sync)
    {
        var path = LogFiles.Path(Folder, _producers.EndOffset, LogFiles.SnapshotSuffix);
        var bytes = ProducerSnapshot.Write(_producers.Producers.Values);
        if (_environment.Disk.FileExists(path) && _environment.Disk.ReadAll(path).AsSpan().SequenceEqual(bytes)) return false;
        _environment.Disk.Replace(path, bytes, sync, syncFolder: false);
        return true;
    }

    private long NextRollJitter() => _settings.SegmentJitterMs <= 0
        ? 0
        : _environment.NextRandom() % Math.Max(1, Math.Min(_settings.SegmentJitterMs, _settings.SegmentMs));
}
