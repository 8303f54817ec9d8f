using System.Threading.Channels;
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
    private readonly Channel<(IReadOnlyList<IMessage> Records, long LastOffset)> _appended = Channel.CreateUnbounded<(IReadOnlyList<IMessage>, long)>(
        new UnboundedChannelOptions { SingleReader = true });

    private int _epoch;
    private Task _committing = Task.CompletedTask;

    private LocalMetadataLog(Storage.Log log, TimeProvider time) => (_log, _time) = (log, time);

    public long EndOffset => _log.LogEndOffset;

    /// <param name="directory">The log directory that holds <c>__cluster_metadata-0</c>, made where it is missing.</param>
    /// <exception cref="LogIOException">The disk refused.</exception>
    public static LocalMetadataLog Open(string directory, TimeProvider time)
    {
        // Nothing of it is dropped by age or size: the whole history is replayed at start.
        var settings = new LogSettings { RetentionMs = -1, DeletesOldSegments = false };
        return new LocalMetadataLog(Storage.Log.Open(Path.Combine(directory, "__cluster_metadata-0"), settings, time), time);
    }

    public void Start(IMetadataLogListener listener)
    {
        foreach (var batch in RecordSearch.Batches(_log, _log.LogStartOffset, _log.LogEndOffset))
        {
            RecordBatchHeader.TryRead(batch.Span, out var header);
            _epoch = Math.Max(_epoch, header.LeaderEpoch);
            listener.Committed(Decode(batch), header.LastOffset, header.LeaderEpoch, isSnapshot: false);
        }

        _epoch++;
        _log.AssignEpoch(_epoch, _log.LogEndOffset);
        _committing = Task.Factory.StartNew(() => CommitAsync(listener), TaskCreationOptions.LongRunning).Unwrap();
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

        _appended.Writer.TryWrite((records, result.LastOffset));
        return result.LastOffset;
    }

    public async ValueTask DisposeAsync()
    {
        _appended.Writer.TryComplete();
        await _committing;
        _log.Dispose();
    }

    /// <summary>One flush commits all that was appended before it.</summary>
    private async Task CommitAsync(IMetadataLogListener listener)
    {
        var batch = new List<(IReadOnlyList<IMessage> Records, long LastOffset)>();
        while (await _appended.Reader.WaitToReadAsync())
        {
            batch.Clear();
            while (_appended.Reader.TryRead(out var one))
            {
                batch.Add(one);
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

    private static List<IMessage> Decode(ReadOnlyMemory<byte> batch)
    {
        RecordBatchHeader.TryRead(batch.Span, out var header);
        var records = new List<IMessage>(header.RecordCount);
        if (header.IsControl || !RecordSearch.TryUnpack(batch, header, out var section))
        {
            return records;
        }

        var reader = new RecordReader(section.Span);
        while (!reader.IsAtEnd && reader.TryRead(out var record))
        {
            records.Add(MetadataRecords.TryDecode(record.Value.ToArray(), out var decoded)
                ? decoded
                : throw new InvalidDataException($"The metadata log holds a record at offset {header.BaseOffset + record.OffsetDelta} that this version cannot read."));
        }

        return records;
    }
}
