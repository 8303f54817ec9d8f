using System.Collections.Concurrent;
using Milena.Metadata.Image;
using Milena.Metadata.Snapshots;
using Milena.Model;
using Milena.Protocol;
using Milena.Storage;

namespace Milena.Metadata.Log;

/// <summary>A metadata quorum of one: the log is this node's alone, and a record is committed when it has reached the disk.</summary>
/// <remarks>It leads from its start, in an epoch one above the last one that its log or its newest snapshot knows.</remarks>
public sealed class LocalMetadataLog : IMetadataLog
{
    private sealed record Appended(IReadOnlyList<IMessage> Records, long LastOffset, int Bytes);

    private readonly Storage.Log _log;
    private readonly LogEnvironment _environment;
    private readonly MetadataHistory _history;
    private readonly BlockingCollection<Appended> _appended = [];

    // The log has one writer at a time, and a snapshot rolls and shortens it beside the controller.
    private readonly Lock _writing = new();
    private readonly Lock _ending = new();

    private int _epoch;
    private long _bytesSinceSnapshot;
    private LogIOException? _failure;
    private Task _committing = Task.CompletedTask;

    private LocalMetadataLog(Storage.Log log, LogEnvironment environment, MetadataHistory history) =>
        (_log, _environment, _history) = (log, environment, history);

    /// <summary>What opening it repaired.</summary>
    public RecoveryReport Recovery => _log.Recovery;

    public long EndOffset => _log.LogEndOffset;

    /// <summary>The first offset that is still in the log; what was below it is in a snapshot.</summary>
    public long StartOffset => _log.LogStartOffset;

    public long BytesSinceSnapshot => Interlocked.Read(ref _bytesSinceSnapshot);

    /// <param name="directory">The log directory that holds <c>__cluster_metadata-0</c>, made where it is missing.</param>
    /// <exception cref="LogIOException">The disk refused.</exception>
    public static LocalMetadataLog Open(LogDirectory directory, LogEnvironment environment, MetadataLogSettings settings)
    {
        var history = MetadataHistory.Open(directory.FullPath, directory.WasCleanShutdown, environment, settings);
        return new LocalMetadataLog(history.Log, environment, history);
    }

    /// <exception cref="LogIOException">The disk refused.</exception>
    /// <exception cref="InvalidDataException">What is there cannot be read to the end, or a piece of the history is missing: one sentence says what.</exception>
    public void Start(IMetadataLogListener listener)
    {
        var restored = _history.Restore();
        if (restored is { } snapshot)
        {
            _epoch = snapshot.Id.Epoch;
            listener.Committed(snapshot.Records, snapshot.Id.EndOffset - 1, snapshot.Id.Epoch, isSnapshot: true);
        }

        var from = restored?.Id.EndOffset ?? 0;
        Replay(listener, from);
        _bytesSinceSnapshot = _log.BytesBetween(from, _log.LogEndOffset);
        _epoch++;
        _log.AssignLeaderEpoch(_epoch);
        _committing = Task.Factory.StartNew(() => Commit(listener), TaskCreationOptions.LongRunning);
        listener.BecameLeader(_epoch);
    }

    public long Append(int epoch, IReadOnlyList<IMessage> records)
    {
        if (epoch != _epoch || _appended.IsAddingCompleted)
        {
            throw new NotControllerException(epoch == _epoch ? "The metadata log is closed." : $"The quorum is in epoch {_epoch}, not {epoch}.");
        }

        var batch = MetadataRecords.ToBatch(records, _environment.Clock.GetUtcNow().ToUnixTimeMilliseconds());
        var result = Write(batch, epoch);
        if (result.Error != ErrorCode.None)
        {
            throw new InvalidOperationException($"The metadata log refused its own batch: {result.Error}");
        }

        return TryQueue(new Appended(records, result.LastOffset, batch.Length))
            ? result.LastOffset
            : throw new NotControllerException("The metadata log ended while it was appended to.");
    }

    public void WriteSnapshot(MetadataImage image)
    {
        _history.Write(image);
        lock (_writing)
        {
            // A segment that ends here can go as a whole when the next snapshot has made it superfluous.
            _log.Roll();
            _history.Retain();
        }

        Interlocked.Exchange(ref _bytesSinceSnapshot, _log.BytesBetween(image.Offset + 1, _log.RecoveryPoint));
    }

    public async ValueTask DisposeAsync()
    {
        End();
        await _committing;
        CloseLog();
    }

    private bool TryQueue(Appended appended)
    {
        lock (_ending)
        {
            if (_appended.IsAddingCompleted)
            {
                return false;
            }

            _appended.Add(appended);
            return true;
        }
    }

    /// <summary>What is queued is still committed where the disk allows it; nothing is queued any more.</summary>
    private void End()
    {
        lock (_ending)
        {
            _appended.CompleteAdding();
        }
    }

    private AppendResult Write(byte[] batch, int epoch)
    {
        try
        {
            lock (_writing)
            {
                return _log.Append(batch, epoch);
            }
        }
        catch (LogIOException e)
        {
            // The committing thread may be idle, and has to tell that nothing will be decided any more.
            _failure = e;
            End();
            throw;
        }
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
        var batch = new List<Appended>();
        try
        {
            foreach (var first in _appended.GetConsumingEnumerable())
            {
                batch.Clear();
                batch.Add(first);
                while (_appended.TryTake(out var next))
                {
                    batch.Add(next);
                }

                _log.Flush();
                foreach (var (records, lastOffset, bytes) in batch)
                {
                    Interlocked.Add(ref _bytesSinceSnapshot, bytes);
                    listener.Committed(records, lastOffset, _epoch, isSnapshot: false);
                }
            }
        }
        catch (Exception e)
        {
            // A disk error, or a record that cannot be applied here: either way this node's image stands still, so it must not lead.
            End();
            listener.LostLeadership(e);
            return;
        }

        if (_failure is { } failure)
        {
            listener.LostLeadership(failure);
        }
    }

    /// <summary>Tells the listener batch by batch, as the records were decided.</summary>
    private void Replay(IMetadataLogListener listener, long from)
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

        LogReplay.Run(_log, Math.Max(from, _log.LogStartOffset), _log.LogEndOffset, (in RecordBatchHeader header, in RecordView record) =>
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
