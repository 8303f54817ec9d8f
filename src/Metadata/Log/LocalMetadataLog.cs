using System.Collections.Concurrent;
using Milena.Model;
using Milena.Protocol;
using Milena.Storage;

namespace Milena.Metadata.Log;

/// <summary>A metadata quorum of one: the log is this node's alone, and a record is committed when it has reached the disk.</summary>
/// <remarks>It leads from its start, in an epoch one above the last one that its log knows.</remarks>
public sealed class LocalMetadataLog : IMetadataLog
{
    private readonly Storage.Log _log;
    private readonly TimeProvider _time;
    private readonly BlockingCollection<(IReadOnlyList<IMessage> Records, long LastOffset)> _appended = [];

    private int _epoch;
    private Task _committing = Task.CompletedTask;

    private LocalMetadataLog(Storage.Log log, TimeProvider time) => (_log, _time) = (log, time);

    /// <summary>What opening it repaired.</summary>
    public RecoveryReport Recovery => _log.Recovery;

    public long EndOffset => _log.LogEndOffset;

    /// <param name="directory">The log directory that holds <c>__cluster_metadata-0</c>, made where it is missing.</param>
    /// <exception cref="LogIOException">The disk refused.</exception>
    public static LocalMetadataLog Open(LogDirectory directory, LogEnvironment environment)
    {
        // Nothing of it is dropped by age or size: the whole history is replayed at start.
        var settings = new LogSettings { RetentionMs = LogSettings.Unlimited, CleanupPolicy = CleanupPolicies.None };
        var folder = Path.Combine(directory.FullPath, new TopicPartition(TopicNames.ClusterMetadata, 0).ToString());
        var log = Storage.Log.Open(folder, settings, environment, new LogRecovery(directory.WasCleanShutdown));
        return new LocalMetadataLog(log, environment.Clock);
    }

    public void Start(IMetadataLogListener listener)
    {
        Replay(listener);
        _epoch++;
        _log.AssignLeaderEpoch(_epoch);
        _committing = Task.Factory.StartNew(() => Commit(listener), TaskCreationOptions.LongRunning);
        listener.BecameLeader(_epoch);
    }

    public long Append(int epoch, IReadOnlyList<IMessage> records)
    {
        if (epoch != _epoch)
        {
            throw new NotControllerException($"The quorum is in epoch {_epoch}, not {epoch}.");
        }

        var result = _log.Append(MetadataRecords.ToBatch(records, _time.GetUtcNow().ToUnixTimeMilliseconds()), epoch);
        if (result.Error != ErrorCode.None)
        {
            throw new InvalidOperationException($"The metadata log refused its own batch: {result.Error}");
        }

        _appended.Add((records, result.LastOffset));
        return result.LastOffset;
    }

    public async ValueTask DisposeAsync()
    {
        _appended.CompleteAdding();
        await _committing;
        CloseLog();
    }

    private void CloseLog()
    {
        try
        {
            _log.Close();
        }
        catch (LogIOException)
        {
            // The disk failed before, and the error sink was told; what was committed is on it.
            _log.Dispose();
        }
    }

    /// <summary>One flush commits all that was appended before it. On a thread of its own, because it waits for the disk.</summary>
    private void Commit(IMetadataLogListener listener)
    {
        var batch = new List<(IReadOnlyList<IMessage> Records, long LastOffset)>();
        foreach (var first in _appended.GetConsumingEnumerable())
        {
            batch.Clear();
            batch.Add(first);
            while (_appended.TryTake(out var next))
            {
                batch.Add(next);
            }

            try
            {
                _log.Flush();
            }
            catch (LogIOException e)
            {
                listener.LostLeadership(e);
                return;
            }

            foreach (var (records, lastOffset) in batch)
            {
                listener.Committed(records, lastOffset, _epoch, isSnapshot: false);
            }
        }
    }

    /// <summary>Tells the listener batch by batch, as the records were decided.</summary>
    private void Replay(IMetadataLogListener listener)
    {
        var decided = new List<IMessage>();
        var current = default(RecordBatchHeader);
        void Tell()
        {
            if (decided.Count > 0)
            {
                listener.Committed([.. decided], current.LastOffset, current.LeaderEpoch, isSnapshot: false);
                decided.Clear();
            }
        }

        LogReplay.Run(_log, _log.LogStartOffset, _log.LogEndOffset, (in RecordBatchHeader header, in RecordView record) =>
        {
            if (header.BaseOffset != current.BaseOffset)
            {
                Tell();
            }

            current = header;
            decided.Add(MetadataRecords.TryDecode(record.Value.ToArray(), out var decoded)
                ? decoded
                : throw new InvalidDataException($"The metadata log holds a record at offset {header.BaseOffset + record.OffsetDelta} that this version cannot read."));
        });
        Tell();
        _epoch = Math.Max(_epoch, _log.LeaderEpochs.Latest ?? 0);
    }
}
