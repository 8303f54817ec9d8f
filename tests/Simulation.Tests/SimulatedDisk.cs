using Milena.Metadata.Quorum;
using Milena.Metadata.Snapshots;
using Milena.Model;

namespace Milena.Simulation.Tests;

/// <summary>A batch of the metadata log; two are the same when every byte is.</summary>
internal sealed class Batch
{
    private readonly byte[] _bytes;

    private Batch(byte[] bytes, in RecordBatchHeader header) => (_bytes, BaseOffset, EndOffset, Epoch) = (bytes, header.BaseOffset, header.NextOffset, header.LeaderEpoch);

    public ReadOnlyMemory<byte> Bytes => _bytes;

    public long BaseOffset { get; }

    public long EndOffset { get; }

    public int Epoch { get; }

    public static IEnumerable<Batch> Split(ReadOnlyMemory<byte> batches)
    {
        while (RecordBatchHeader.TryRead(batches.Span, out var header) == ErrorCode.None)
        {
            yield return new Batch(batches[..header.SizeInBytes].ToArray(), header);
            batches = batches[header.SizeInBytes..];
        }
    }

    public bool SameAs(Batch other) => ReferenceEquals(this, other) || _bytes.AsSpan().SequenceEqual(other._bytes);

    public override string ToString() => $"[{BaseOffset}..{EndOffset}) of epoch {Epoch}";
}

/// <summary>What a node has written, and what of it a crash leaves: the log, the snapshots, and the election state.</summary>
/// <remarks><see cref="Log"/> goes on above its snapshot but holds what that says too, so that one place in it is one place in every log.</remarks>
internal sealed class SimulatedDisk
{
    private readonly SortedDictionary<SnapshotId, SimulatedSnapshot> _snapshots = [];
    private List<Batch> _durable = [];
    private long _durableStart;
    private int _survivesTruncation;
    private int _durableGeneration;
    private ElectionState? _writing;

    public List<Batch> Log { get; private set; } = [];

    /// <summary>Below it, there is only a snapshot.</summary>
    public long StartOffset { get; private set; }

    /// <summary>Those under their names, and so durable; the oldest first.</summary>
    public IReadOnlyCollection<SimulatedSnapshot> Snapshots => _snapshots.Values;

    public SimulatedSnapshot? NewestSnapshot => _snapshots.Count == 0 ? null : _snapshots.Values.Last();

    public IReadOnlyList<Batch> DurableLog => _durable;

    public ElectionState DurableElection { get; private set; } = ElectionState.Initial;

    public int Generation { get; private set; }

    public void Append(ReadOnlyMemory<byte> batches) => Log.AddRange(Batch.Split(batches));

    public void Truncate(long offset)
    {
        Log.RemoveAll(batch => batch.BaseOffset >= offset);
        _survivesTruncation = Math.Min(_survivesTruncation, Log.Count);
        Generation++;
    }

    public void Freeze(SimulatedSnapshot snapshot) => _snapshots[snapshot.Id] = snapshot;

    public SimulatedSnapshot? Find(SnapshotId id) => _snapshots.GetValueOrDefault(id);

    /// <summary>The log goes on from a snapshot; until the next sync a crash may bring back the one that was there.</summary>
    public void GoOnFrom(SimulatedSnapshot snapshot)
    {
        Log = [.. snapshot.Batches];
        StartOffset = snapshot.Id.EndOffset;
        _survivesTruncation = Log.Count;
        Generation++;
        DeleteOlderThan(snapshot.Id);
    }

    public void CutBelow(SimulatedSnapshot snapshot)
    {
        StartOffset = _durableStart = Math.Max(StartOffset, snapshot.Id.EndOffset);
        DeleteOlderThan(snapshot.Id);
    }

    /// <summary>As a start does: a log that does not hold what the newest snapshot says gives way to it.</summary>
    public void Restore()
    {
        if (NewestSnapshot is { } newest && Log.Find(batch => batch.EndOffset == newest.Id.EndOffset)?.Epoch != newest.Id.Epoch)
        {
            GoOnFrom(newest);
        }
    }

    /// <summary>A sync that began at <paramref name="generation"/> with <paramref name="count"/> batches is over. One that a truncation overtook counts for nothing.</summary>
    public void Synced(int generation, int count)
    {
        if (generation == Generation)
        {
            _durable = _durableGeneration == generation ? [.. _durable, .. Log[_durable.Count..count]] : Log[..count];
            _durableGeneration = generation;
            _survivesTruncation = count;
            _durableStart = StartOffset;
        }
    }

    public void ElectionWriteBegan(ElectionState state) => _writing = state;

    public void ElectionWritten(ElectionState state) => (DurableElection, _writing) = (state, null);

    /// <summary>Power loss: of what was not synced nothing is left, or by chance a part; a truncation that was not synced may be undone.</summary>
    public void Crash(Random random)
    {
        if (random.Next(2) == 0)
        {
            Log = [.. _durable];
            StartOffset = _durableStart;
        }
        else
        {
            Log = Log[..random.Next(_survivesTruncation, Log.Count + 1)];
            _durable = [.. Log];
            _durableStart = StartOffset;
        }

        _survivesTruncation = _durable.Count;
        _durableGeneration = ++Generation;
        if (_writing is { } half && random.Next(2) == 0)
        {
            DurableElection = half;
        }

        _writing = null;
    }

    public byte[] Read(long fromOffset, int maxBytes)
    {
        if (fromOffset < StartOffset)
        {
            throw new InvariantViolation(nameof(SimulatedDisk), $"offset {fromOffset} is read, where the log begins at {StartOffset}");
        }

        var bytes = new List<byte>();
        for (var i = IndexOf(fromOffset); i < Log.Count && (bytes.Count == 0 || bytes.Count + Log[i].Bytes.Length <= maxBytes); i++)
        {
            bytes.AddRange(Log[i].Bytes.Span);
        }

        return [.. bytes];
    }

    private void DeleteOlderThan(SnapshotId id)
    {
        foreach (var older in _snapshots.Keys.Where(one => one < id).ToList())
        {
            _snapshots.Remove(older);
        }
    }

    private int IndexOf(long offset)
    {
        var (low, high) = (0, Log.Count);
        while (low < high)
        {
            var middle = (low + high) / 2;
            (low, high) = Log[middle].EndOffset <= offset ? (middle + 1, high) : (low, middle);
        }

        return low;
    }
}
