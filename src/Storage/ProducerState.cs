using System.Runtime.CompilerServices;
using Milena.Model;

namespace Milena.Storage;

/// <summary>What a partition remembers of one batch of an idempotent producer, to recognise it when it is sent again.</summary>
internal readonly record struct ProducerBatch(int LastSequence, long LastOffset, int OffsetDelta, long Timestamp)
{
    public long FirstOffset => LastOffset - OffsetDelta;
    public int FirstSequence => (int)(((long)LastSequence - OffsetDelta) & int.MaxValue);
}

/// <summary>One producer id on one partition: epoch, its last batches, its open transaction.</summary>
internal sealed class ProducerState(long producerId)
{
    /// <summary>A client has at most this many requests in flight, so no older batch can be sent again.</summary>
    public const int RememberedBatches = 5;

    [InlineArray(RememberedBatches)]
    private struct Window
    {
        private ProducerBatch _first;
    }

    private Window _batches;
    private int _oldest;
    private int _count;

    public long ProducerId { get; } = producerId;
    public short Epoch { get; private set; } = RecordBatchHeader.None;
    public int CoordinatorEpoch { get; set; } = RecordBatchHeader.None;
    public long LastTimestamp { get; set; } = RecordBatchHeader.None;

    /// <summary>-1 when no transaction is open.</summary>
    public long TransactionFirstOffset { get; set; } = RecordBatchHeader.None;
    public bool InTransaction => TransactionFirstOffset != RecordBatchHeader.None;

    public ProducerBatch? LastBatch => _count == 0 ? null : _batches[(_oldest + _count - 1) % RememberedBatches];

    /// <summary>A new epoch forgets the batches of the old one.</summary>
    public void MoveTo(short epoch)
    {
        if (epoch == Epoch) return;
        Epoch = epoch;
        _count = 0;
    }

    public void Add(in ProducerBatch batch)
    {
        if (_count == RememberedBatches)
        {
            _batches[_oldest] = batch;
            _oldest = (_oldest + 1) % RememberedBatches;
            return;
        }
        _batches[(_oldest + _count) % RememberedBatches] = batch;
        _count++;
    }

    /// <summary>Remembers what came before the only batch that is known, the oldest first.</summary>
    public void Recall(IReadOnlyCollection<ProducerBatch> earlier)
    {
        if (LastBatch is not { } last) return;
        _count = 0;
        foreach (var batch in earlier) Add(batch);
        Add(last);
    }

    public bool TryFindDuplicate(in RecordBatchHeader header, out ProducerBatch duplicate)
    {
        duplicate = default;
        if (header.ProducerEpoch != Epoch) return false;
        for (var i = 0; i < _count; i++)
        {
            duplicate = _batches[(_oldest + i) % RememberedBatches];
            if (duplicate.FirstSequence == header.BaseSequence && duplicate.LastSequence == header.LastSequence) return true;
        }
        return false;
    }
}
