using Milena.Model;
using Milena.Storage;

namespace Milena.Metadata.Quorum;

/// <summary>What the quorum has to know of its log without reading it: offsets, epochs, and the voter sets that it declares.</summary>
/// <remarks>Follows every append and truncation at once; <see cref="FlushedOffset"/> follows the disk.</remarks>
public sealed class LogOutline
{
    private readonly VoterSet _configured;
    private readonly List<EpochStart> _epochs = [];
    private readonly List<(long Offset, VoterSet Voters)> _voterSets = [];

    /// <param name="configured">Who votes until the log says so itself: the first voters of a cluster that begins; else empty.</param>
    public LogOutline(VoterSet configured) => _configured = configured;

    public long EndOffset { get; private set; }

    /// <summary>Everything below is on the disk.</summary>
    public long FlushedOffset { get; private set; }

    /// <summary>Counts truncations, so that a flush that began before one does not vouch for what was written after it.</summary>
    public int Generation { get; private set; }

    /// <summary>The epoch of the last batch; 0 for an empty log.</summary>
    public int LastEpoch => _epochs is [.., var last] ? last.Epoch : 0;

    /// <summary>The latest in the log, committed or not: a change is in force at once (KIP-853).</summary>
    public VoterSet Voters => _voterSets is [.., var last] ? last.Voters : _configured;

    /// <summary>Where <see cref="Voters"/> stands in the log; -1 when it is the configured set.</summary>
    public long VotersOffset => _voterSets is [.., var last] ? last.Offset : -1;

    /// <summary>Takes account of whole batches at the log's end.</summary>
    public void Appended(ReadOnlySpan<byte> batches)
    {
        while (RecordBatchHeader.TryRead(batches, out var header) == ErrorCode.None)
        {
            if (header.LeaderEpoch > LastEpoch || _epochs.Count == 0)
            {
                _epochs.Add(new EpochStart(header.LeaderEpoch, header.BaseOffset));
            }

            if (header.IsControl && ControlRecords.VotersIn(batches[..header.SizeInBytes], header) is { } declared)
            {
                _voterSets.Add(declared);
            }

            EndOffset = header.NextOffset;
            batches = batches[header.SizeInBytes..];
        }
    }

    public void TruncateTo(long offset)
    {
        EndOffset = offset;
        FlushedOffset = Math.Min(FlushedOffset, offset);
        Generation++;
        _epochs.RemoveAll(epoch => epoch.StartOffset >= offset);
        _voterSets.RemoveAll(declared => declared.Offset >= offset);
    }

    public void Flushed(int generation, long offset)
    {
        if (generation == Generation)
        {
            FlushedOffset = Math.Max(FlushedOffset, Math.Min(offset, EndOffset));
        }
    }

    /// <summary>The largest epoch of this log that is not above <paramref name="epoch"/>, and where it ends.</summary>
    public EpochEnd EndOf(int epoch)
    {
        for (var i = _epochs.Count - 1; i >= 0; i--)
        {
            if (_epochs[i].Epoch <= epoch)
            {
                return new EpochEnd(_epochs[i].Epoch, i + 1 < _epochs.Count ? _epochs[i + 1].StartOffset : EndOffset);
            }
        }

        // Nothing as old is here: it ends where this log begins.
        return new EpochEnd(epoch, _epochs is [var first, ..] ? first.StartOffset : EndOffset);
    }

    /// <summary>True when a log that ends at (epoch, offset) holds all that a majority may have taken from this one.</summary>
    public bool IsCoveredBy(int epoch, long endOffset) => epoch > LastEpoch || (epoch == LastEpoch && endOffset >= EndOffset);
}
