using Milena.Model;

namespace Milena.Storage;

/// <summary>What a log remembers of each idempotent producer: its epoch and its last five batches (KIP-98).</summary>
/// <remarks>Used by the log's one writer only.</remarks>
internal sealed class ProducerStates
{
    private const int RememberedBatches = 5;

    private readonly Dictionary<long, State> _producers = [];

    private sealed class State
    {
        public short Epoch { get; set; }
        public long LastTimestamp { get; set; }
        public Queue<(int First, int Last, long BaseOffset, long LastOffset)> Batches { get; } = new();
    }

    public int Count => _producers.Count;

    /// <summary>Whether a batch may be appended next.</summary>
    /// <param name="duplicate">The offsets that the same batch was given when it came first.</param>
    public ErrorCode Check(in RecordBatchHeader header, out (long BaseOffset, long LastOffset)? duplicate)
    {
        duplicate = null;
        if (header.ProducerId < 0 || !_producers.TryGetValue(header.ProducerId, out var state))
        {
            // A producer that is not known here, or not any more, may begin with any sequence: its earlier records may be deleted.
            return ErrorCode.None;
        }

        if (header.ProducerEpoch < state.Epoch)
        {
            return ErrorCode.InvalidProducerEpoch;
        }

        if (header.ProducerEpoch > state.Epoch)
        {
            return header.BaseSequence == 0 ? ErrorCode.None : ErrorCode.OutOfOrderSequenceNumber;
        }

        var last = Next(header.BaseSequence, header.LastOffsetDelta);
        var expected = 0;
        foreach (var batch in state.Batches)
        {
            if (batch.First == header.BaseSequence && batch.Last == last)
            {
                duplicate = (batch.BaseOffset, batch.LastOffset);
                return ErrorCode.None;
            }

            expected = Next(batch.Last, 1);
        }

        return state.Batches.Count == 0 || header.BaseSequence == expected ? ErrorCode.None : ErrorCode.OutOfOrderSequenceNumber;
    }

    public void Appended(in RecordBatchHeader header)
    {
        if (header.ProducerId < 0 || header.IsControl)
        {
            return;
        }

        if (!_producers.TryGetValue(header.ProducerId, out var state))
        {
            state = new State { Epoch = header.ProducerEpoch };
            _producers.Add(header.ProducerId, state);
        }

        if (header.ProducerEpoch != state.Epoch)
        {
            state.Epoch = header.ProducerEpoch;
            state.Batches.Clear();
        }

        state.LastTimestamp = header.MaxTimestamp;
        state.Batches.Enqueue((header.BaseSequence, Next(header.BaseSequence, header.LastOffsetDelta), header.BaseOffset, header.LastOffset));
        if (state.Batches.Count > RememberedBatches)
        {
            state.Batches.Dequeue();
        }
    }

    public void Expire(long olderThanMs)
    {
        foreach (var id in _producers.Where(producer => producer.Value.LastTimestamp < olderThanMs).Select(producer => producer.Key).ToList())
        {
            _producers.Remove(id);
        }
    }

    public void Clear() => _producers.Clear();

    /// <summary>Sequences wrap from the largest int to 0.</summary>
    private static int Next(int sequence, int steps) => (int)(((long)sequence + steps) & int.MaxValue);
}
