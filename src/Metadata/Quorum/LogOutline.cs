using Milena.Metadata.Snapshots;
using Milena.Model;
using Milena.Storage;

namespace Milena.Metadata.Quorum;

/// <summary>What the quorum has to know of its log without reading it: offsets, epochs, the voter sets that it declares, and the newest snapshot.</summary>
/// <remarks>Follows every append and truncation at once; <see cref="FlushedOffset"/> follows the disk.</remarks>
public sealed class LogOutline
{
    private readonly VoterSet _configured;
    private readonly List<EpochStart> _epochs = [];
    private readonly List<(long Offset, VoterSet Voters)> _voterSets = [];

    /// <param name="configured">Who votes until the log says so itself: the first voters of a cluster that begins; else empty.</param>
    public LogOutline(VoterSet configured) => _configured = configured;

    /// <summary>What is below is in a snapshot, and no longer here; 0 when the log is whole.</summary>
    public long StartOffset { get; private set; }

    /// <summary>The epoch of the last record below <see cref="StartOffset"/>; 0 when there is none.</summary>
    public int StartEpoch { get; private set; }

    public long EndOffset { get; private set; }

    /// <summary>Everything below is on the disk, in the log or in a snapshot.</summary>
    public long FlushedOffset { get; private set; }

    /// <summary>The newest one on this replica's disk; null when there is none.</summary>
    public SnapshotId? Snapshot { get; private set; }

    /// <summary>Counts truncations, so that a flush that began before one does not vouch for what was written after it.</summary>
    public int Generation { get; private set; }

    /// <summary>The epoch of the last record, be it in the log or just below its start; 0 for an empty log.</summary>
    public int LastEpoch => _epochs is [.., var last] ? last.Epoch : StartEpoch;

    /// <summary>The latest in log and snapshot, committed or not: a change is in force at once (KIP-853).</summary>
    public VoterSet Voters => _voterSets is [.., var last] ? last.Voters : _configured;

    /// <summary>Where <see cref="Voters"/> stands in the log, at the latest; -1 when it is the configured set.</summary>
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

    /// <summary>The log is empty and begins behind a snapshot, which is on the disk.</summary>
    /// <param name="voters">The ones that the snapshot names; null when it names none.</param>
    public void StartAt(SnapshotId snapshot, VoterSet? voters)
    {
        TruncateTo(0);
        (StartOffset, StartEpoch) = (snapshot.EndOffset, snapshot.Epoch);
        EndOffset = FlushedOffset = snapshot.EndOffset;
        if (voters is not null)
        {
            _voterSets.Add((snapshot.EndOffset - 1, voters));
        }

        SnapshotWritten(snapshot);
    }

    public void SnapshotWritten(SnapshotId snapshot) => Snapshot = Snapshot is { } newest && newest >= snapshot ? newest : snapshot;

    /// <summary>The log no longer has what is below a snapshot that is still there.</summary>
    public void CutBelow(SnapshotId snapshot)
    {
        if (snapshot.EndOffset <= StartOffset)
        {
            return;
        }

        (StartOffset, StartEpoch) = (snapshot.EndOffset, snapshot.Epoch);
        _epochs.RemoveRange(0, CountBefore(_epochs.ConvertAll(epoch => epoch.StartOffset)));
        _voterSets.RemoveRange(0, CountBefore(_voterSets.ConvertAll(declared => declared.Offset + 1)));
        if (EndOffset == StartOffset)
        {
            _epochs.Clear();
        }
    }

    /// <summary>True when a snapshot says nothing that the log does not: two logs with a record of the same epoch at an offset are the same up to there.</summary>
    public bool Holds(SnapshotId snapshot) => EndOffset >= snapshot.EndOffset && EpochAt(snapshot.EndOffset - 1) == snapshot.Epoch;

    /// <summary>Who voted when the record at an offset was written; null when neither log nor snapshot says so.</summary>
    public VoterSet? VotersAt(long offset) => _voterSets.FindLast(declared => declared.Offset <= offset).Voters;

    /// <summary>Whether a set that is declared below an offset, as far as log and snapshot go back, has the replica; or the configured one.</summary>
    public bool WasVoter(ReplicaKey key, long endOffset) => _configured.Contains(key) || _voterSets.Exists(declared => declared.Offset < endOffset && declared.Voters.Contains(key));

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
        return new EpochEnd(Math.Min(epoch, StartEpoch), _epochs is [var first, ..] ? first.StartOffset : EndOffset);
    }

    /// <summary>True when a replica whose log ends at (epoch, offset) can go on only from a snapshot of this one.</summary>
    public bool IsOutOfReach(int epoch, long endOffset) =>
        StartOffset > 0 && (endOffset < StartOffset || epoch < StartEpoch || (endOffset == StartOffset && epoch != StartEpoch));

    /// <summary>True when a log that ends at (epoch, offset) holds all that a majority may have taken from this one.</summary>
    public bool IsCoveredBy(int epoch, long endOffset) => epoch > LastEpoch || (epoch == LastEpoch && endOffset >= EndOffset);

    private int EpochAt(long offset) => _epochs.FindLastIndex(epoch => epoch.StartOffset <= offset) is >= 0 and var at ? _epochs[at].Epoch : StartEpoch;

    /// <summary>How many of the first entries another one replaces at or below the log's start.</summary>
    private int CountBefore(List<long> offsets) => Math.Max(0, offsets.FindLastIndex(offset => offset <= StartOffset));
}
