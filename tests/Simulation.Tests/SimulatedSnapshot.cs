using Milena.Metadata.Quorum;
using Milena.Metadata.Snapshots;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Simulation.Tests;

/// <summary>A snapshot as bytes that travel in pieces: a control batch with the voters, then the decided batches, which are the simulated image.</summary>
internal sealed class SimulatedSnapshot
{
    private readonly byte[] _bytes;

    private SimulatedSnapshot(SnapshotId id, byte[] bytes, VoterSet? voters, List<Batch> batches) => (Id, _bytes, Voters, Batches) = (id, bytes, voters, batches);

    public SnapshotId Id { get; }

    public VoterSet? Voters { get; }

    public IReadOnlyList<Batch> Batches { get; }

    public long Size => _bytes.Length;

    public static SimulatedSnapshot Of(IReadOnlyList<Batch> decided, VoterSet? voters)
    {
        IMessage[] first = voters is null ? [new KRaftVersionRecord()] : [new KRaftVersionRecord { KRaftVersion = 1 }, voters.ToRecord()];
        byte[] bytes = [.. ControlRecords.ToBatch(0, first), .. decided.SelectMany(batch => batch.Bytes.ToArray())];
        return new SimulatedSnapshot(new SnapshotId(decided[^1].EndOffset, decided[^1].Epoch), bytes, voters, [.. decided]);
    }

    /// <summary>Null for bytes that are not the whole snapshot of that name.</summary>
    public static SimulatedSnapshot? TryParse(SnapshotId id, byte[] bytes)
    {
        if (RecordBatchHeader.TryRead(bytes, out var header) != ErrorCode.None)
        {
            return null;
        }

        var batches = Batch.Split(bytes.AsMemory(header.SizeInBytes)).ToList();
        var isWhole = batches is [{ BaseOffset: 0 }, ..] && batches[^1].EndOffset == id.EndOffset && batches[^1].Epoch == id.Epoch
            && batches.Zip(batches.Skip(1)).All(pair => pair.First.EndOffset == pair.Second.BaseOffset)
            && header.SizeInBytes + batches.Sum(batch => batch.Bytes.Length) == bytes.Length;
        return isWhole ? new SimulatedSnapshot(id, bytes, ControlRecords.VotersIn(bytes.AsSpan(0, header.SizeInBytes), header)?.Voters, batches) : null;
    }

    public byte[] Read(long position, int maxBytes) => position >= Size ? [] : _bytes[(int)position..(int)Math.Min(Size, position + maxBytes)];
}
