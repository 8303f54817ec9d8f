using Milena.Model;
using Milena.Storage;

namespace Milena.Metadata.Quorum;

/// <summary>The quorum's log on disk: the folder <c>__cluster_metadata-0</c>, as a quorum of one wrote it, and <c>quorum-state</c> in it.</summary>
/// <remarks>One writer; beside it any thread may <see cref="Flush"/> and read. A failed disk throws <see cref="LogIOException"/> from then on.</remarks>
public sealed class QuorumLog : IDisposable
{
    private const int ChunkBytes = 1 << 20;

    private readonly Storage.Log _log;
    private readonly QuorumStateFile _election;
    private readonly LogEnvironment _environment;

    private QuorumLog(Storage.Log log, QuorumStateFile election, LogEnvironment environment) => (_log, _election, _environment) = (log, election, environment);

    /// <summary>What opening it repaired.</summary>
    public RecoveryReport Recovery => _log.Recovery;

    /// <param name="directory">The log directory that holds the folder, which is made where it is missing.</param>
    public static QuorumLog Open(string directory, bool wasCleanShutdown, LogEnvironment environment)
    {
        // Nothing is dropped by age or size: what is decided stays until a snapshot stands for it.
        var settings = new LogSettings { RetentionMs = LogSettings.Unlimited, CleanupPolicy = CleanupPolicies.None };
        var folder = Path.Combine(directory, new TopicPartition(TopicNames.ClusterMetadata, 0).ToString());
        var log = Storage.Log.Open(folder, settings, environment, new LogRecovery(wasCleanShutdown));
        return new QuorumLog(log, new QuorumStateFile(environment.Disk, folder), environment);
    }

    /// <summary>Reads the log through. What was opened is durable: recovery flushed what it kept.</summary>
    /// <param name="configured">Who votes while the log does not say so.</param>
    public LogOutline Outline(VoterSet configured)
    {
        var outline = new LogOutline(configured);
        while (outline.EndOffset < _log.LogEndOffset)
        {
            var chunk = Read(outline.EndOffset, _log.LogEndOffset, ChunkBytes);
            outline.Appended(chunk);
        }

        outline.Flushed(outline.Generation, outline.EndOffset);
        return outline;
    }

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
