using Milena.Model;

namespace Milena.Storage;

/// <summary>Who sent a batch, and so which checks it has to pass.</summary>
public enum AppendOrigin
{
    Client,

    /// <summary>Markers and coordinators' own records: epochs are checked, sequences are not.</summary>
    Coordinator,

    /// <summary>Checked by the leader already.</summary>
    Replication,
}

/// <summary>A transaction that a marker ended.</summary>
internal readonly record struct CompletedTransaction(long ProducerId, long FirstOffset, long LastOffset, bool Aborted);

/// <summary>Every producer of one partition: sequences, duplicates, open transactions (KIP-98). No I/O; one writer.</summary>
/// <remarks>As in Kafka 4, a producer that is not known may start with any sequence: UNKNOWN_PRODUCER_ID is no longer an answer.</remarks>
internal sealed class ProducerStates
{
    private readonly Dictionary<long, ProducerState> _producers = [];

    // First offset → last offset, which is unknown until the marker comes.
    private readonly SortedDictionary<long, long> _ongoing = [];
    private readonly SortedDictionary<long, long> _unreplicated = [];

    public int Count => _producers.Count;
    public IReadOnlyDictionary<long, ProducerState> Producers => _producers;

    /// <summary>The offset that this state has seen everything below.</summary>
    public long EndOffset { get; set; }

    /// <summary>First offset of the earliest transaction that is open, or whose marker is not yet below the high watermark.</summary>
    public long? FirstUnstableOffset
    {
        get
        {
            var ongoing = _ongoing.Count > 0 ? _ongoing.First().Key : long.MaxValue;
            var unreplicated = _unreplicated.Count > 0 ? _unreplicated.First().Key : long.MaxValue;
            return Math.Min(ongoing, unreplicated) is var first and < long.MaxValue ? first : null;
        }
    }

    /// <param name="duplicate">The batch as it was first appended, when the answer is <see cref="ErrorCode.DuplicateSequenceNumber"/>.</param>
    public ErrorCode Check(
        in RecordBatchHeader header, AppendOrigin origin, in EndTransactionMarker? marker, out ProducerBatch duplicate, out string? message)
    {
        duplicate = default;
        message = null;
        if (origin == AppendOrigin.Replication || !_producers.TryGetValue(header.ProducerId, out var producer)) return ErrorCode.None;
        if (origin == AppendOrigin.Client && producer.TryFindDuplicate(header, out duplicate)) return ErrorCode.DuplicateSequenceNumber;
        if (header.ProducerEpoch < producer.Epoch)
        {
            message = $"Epoch {header.ProducerEpoch} of producer {header.ProducerId} is smaller than the last seen epoch {producer.Epoch}.";
            return ErrorCode.InvalidProducerEpoch;
        }
        if (marker is { } end)
        {
            if (end.CoordinatorEpoch >= producer.CoordinatorEpoch) return ErrorCode.None;
            message = $"Coordinator epoch {end.CoordinatorEpoch} for producer {header.ProducerId} is older than {producer.CoordinatorEpoch}.";
            return ErrorCode.TransactionCoordinatorFenced;
        }
        if (origin == AppendOrigin.Client && !IsInSequence(producer, header))
        {
            message = $"Out of order sequence number for producer {header.ProducerId}: {header.BaseSequence} at epoch {header.ProducerEpoch}, after "
                + $"{producer.LastBatch?.LastSequence ?? RecordBatchHeader.None} at epoch {producer.Epoch}.";
            return ErrorCode.OutOfOrderSequenceNumber;
        }
        if (!producer.InTransaction || header.IsTransactional) return ErrorCode.None;
        message = $"Expected a transactional write from producer {header.ProducerId}.";
        return ErrorCode.InvalidTxnState;
    }

    /// <summary>Takes note of an appended batch.</summary>
    public CompletedTransaction? Apply(in RecordBatchHeader header, in EndTransactionMarker? marker)
    {
        EndOffset = header.NextOffset;
        if (!header.HasProducerId) return null;
        if (header.IsControl && marker is null) return null;
        if (!_producers.TryGetValue(header.ProducerId, out var producer))
        {
            _producers.Add(header.ProducerId, producer = new ProducerState(header.ProducerId));
        }
        producer.MoveTo(header.ProducerEpoch);
        producer.LastTimestamp = header.MaxTimestamp;
        if (marker is { } end) return Complete(producer, end, header.BaseOffset);
        producer.Add(new ProducerBatch(header.LastSequence, header.LastOffset, header.LastOffsetDelta, header.MaxTimestamp));
        if (header.IsTransactional && !producer.InTransaction)
        {
            producer.TransactionFirstOffset = header.BaseOffset;
            _ongoing.Add(header.BaseOffset, long.MaxValue);
        }
        return null;
    }

    /// <summary>Below it no other transaction was open when <paramref name="completed"/> ended.</summary>
    public long LastStableOffset(in CompletedTransaction completed) =>
        _ongoing.Count > 0 ? Math.Min(_ongoing.First().Key, completed.LastOffset + 1) : completed.LastOffset + 1;

    /// <summary>Transactions that ended below <paramref name="highWatermark"/> hold nobody back any more.</summary>
    public void OnHighWatermark(long highWatermark)
    {
        while (_unreplicated.Count > 0 && _unreplicated.First() is var first && first.Value < highWatermark) _unreplicated.Remove(first.Key);
    }

    /// <summary>Transactions that ended below the log's start are gone with their records.</summary>
    public void OnLogStart(long logStartOffset)
    {
        while (_unreplicated.Count > 0 && _unreplicated.First() is var first && first.Value < logStartOffset) _unreplicated.Remove(first.Key);
    }

    /// <summary>Forgets producers that were silent for the expiration time and have no open transaction.</summary>
    public void Expire(long nowMs, long expirationMs)
    {
        List<long>? expired = null;
        foreach (var producer in _producers.Values)
        {
            if (!producer.InTransaction && nowMs - producer.LastTimestamp >= expirationMs) (expired ??= []).Add(producer.ProducerId);
        }
        foreach (var producerId in expired ?? []) _producers.Remove(producerId);
    }

    public void Clear(long endOffset)
    {
        _producers.Clear();
        _ongoing.Clear();
        _unreplicated.Clear();
        EndOffset = endOffset;
    }

    public void Restore(IEnumerable<ProducerState> producers, long endOffset)
    {
        Clear(endOffset);
        foreach (var producer in producers)
        {
            _producers[producer.ProducerId] = producer;
            if (producer.InTransaction) _ongoing[producer.TransactionFirstOffset] = long.MaxValue;
        }
    }

    private static bool IsInSequence(ProducerState producer, in RecordBatchHeader header)
    {
        if (header.ProducerEpoch != producer.Epoch) return header.BaseSequence == 0 || producer.Epoch == RecordBatchHeader.None;
        var last = producer.LastBatch?.LastSequence ?? RecordBatchHeader.None;
        return header.BaseSequence == last + 1L || (header.BaseSequence == 0 && last == int.MaxValue);
    }

    private CompletedTransaction? Complete(ProducerState producer, in EndTransactionMarker end, long offset)
    {
        producer.CoordinatorEpoch = end.CoordinatorEpoch;
        if (!producer.InTransaction) return null;
        var first = producer.TransactionFirstOffset;
        producer.TransactionFirstOffset = RecordBatchHeader.None;
        _ongoing.Remove(first);
        _unreplicated[first] = offset;
        return new CompletedTransaction(producer.ProducerId, first, offset, end.Type == ControlRecordType.Abort);
    }
}
