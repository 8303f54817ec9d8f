using Milena.Metadata.Quorum;
using Milena.Metadata.Snapshots;
using Milena.Protocol;

namespace Milena.Simulation.Tests;

/// <summary>One replica: the machine under test, driven as the runtime drives it, on a disk that takes its time and can crash.</summary>
internal sealed class SimulatedNode
{
    private readonly SimulatedCluster _cluster;
    private readonly VoterSet _configured;
    private long _nextTickMs = long.MaxValue;
    private bool _isSyncing;
    private bool _isWritingElection;
    private (long Version, ElectionState State)? _electionToWrite;
    private (SnapshotId Id, List<byte> Bytes)? _part;

    public SimulatedNode(SimulatedCluster cluster, int id, VoterSet configured)
    {
        (_cluster, _configured) = (cluster, configured);
        Identity = IdentityOf(id);
    }

    public QuorumIdentity Identity { get; }

    public int Id => Identity.Key.Id;

    public SimulatedDisk Disk { get; } = new();

    /// <summary>Null while the node is down.</summary>
    public QuorumMachine? Machine { get; private set; }

    public int Incarnation { get; private set; }

    /// <summary>What whoever listens to this replica has been told: a snapshot, then batch after batch.</summary>
    public List<Batch> Image { get; private set; } = [];

    /// <summary>Counts how often the image was replaced.</summary>
    public int Images { get; private set; }

    /// <summary>How often the log gave way to a snapshot that the leader sent.</summary>
    public int SnapshotsTaken { get; private set; }

    /// <summary>The longest that a sync takes.</summary>
    public int DiskMs { get; set; } = 3;

    public bool Leads => Machine?.Role == QuorumRole.Leader;

    public static QuorumIdentity IdentityOf(int id) =>
        new("simulated", new ReplicaKey(id, new Guid(id, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0)), [new QuorumEndpoint("QUORUM", $"node-{id}", (ushort)id)]);

    public void Start()
    {
        Incarnation++;
        (_isSyncing, _isWritingElection, _electionToWrite, _part, _nextTickMs) = (false, false, null, null, long.MaxValue);
        Disk.Restore();
        var outline = Outline();
        Replace(Disk.NewestSnapshot);
        Machine = new QuorumMachine(
            Identity, _cluster.Settings, outline, Disk.DurableElection, _cluster.Bootstrap, new Random(_cluster.Random.Next()), _cluster.Clock.NowMs);
        _cluster.Trace($"{this} starts, epoch {Machine.Epoch}, end {outline.EndOffset}, voters {outline.Voters}");
        Do(machine => machine.Tick(_cluster.Clock.NowMs));
    }

    public void Crash()
    {
        _cluster.Trace($"{this} crashes");
        Machine = null;
        Incarnation++;
        Disk.Crash(_cluster.Random);
    }

    /// <summary>Writes down what is decided; a while later it is durable.</summary>
    public void WriteSnapshot()
    {
        var decided = Disk.Log.TakeWhile(batch => batch.EndOffset <= Machine!.HighWatermark).ToList();
        if (decided.Count > 0 && decided[^1].EndOffset > (Disk.NewestSnapshot?.Id.EndOffset ?? 0))
        {
            var snapshot = SimulatedSnapshot.Of(decided, Machine!.Log.VotersAt(decided[^1].EndOffset - 1));
            Later(_cluster.Random.Next(DiskMs + 1), () =>
            {
                _cluster.Trace($"{this} wrote a snapshot up to {snapshot.Id.EndOffset}");
                Disk.Freeze(snapshot);
                Do(machine => machine.SnapshotWritten(snapshot.Id));
            });
        }
    }

    /// <summary>Lets go of the log below one of the snapshots.</summary>
    public void Retain()
    {
        var candidates = Disk.Snapshots.Where(one => one.Id.EndOffset > Disk.StartOffset).ToList();
        if (candidates.Count > 0)
        {
            var first = candidates[_cluster.Random.Next(candidates.Count)];
            _cluster.Trace($"{this} lets go of what is below {first.Id.EndOffset}");
            Disk.CutBelow(first);
            Do(machine => machine.LogCut(first.Id));
        }
    }

    /// <summary>Gives the machine something, and does what it wants done.</summary>
    public void Do(Action<QuorumMachine> input)
    {
        input(Machine!);
        foreach (var output in Machine!.Drain())
        {
            Perform(output);
        }

        SyncIfNeeded();
        WriteElectionIfNeeded();
        var deadline = Machine.NextDeadlineMs;
        if (deadline < _nextTickMs)
        {
            _nextTickMs = deadline;
            Later(deadline - _cluster.Clock.NowMs, () =>
            {
                if (_nextTickMs <= _cluster.Clock.NowMs)
                {
                    _nextTickMs = long.MaxValue;
                    Do(machine => machine.Tick(_cluster.Clock.NowMs));
                }
            });
        }
    }

    public override string ToString() => Machine is null ? $"node {Id} (down)" : $"node {Id} ({Machine.Role}, epoch {Machine.Epoch})";

    private void Perform(QuorumOutput output)
    {
        switch (output)
        {
            case QuorumOutput.Send send:
                _cluster.Observe(this, send);
                _cluster.Request(this, send);
                break;
            case QuorumOutput.Answer answer:
                _cluster.Respond(this, answer.RequestId, answer.Response);
                break;
            case QuorumOutput.AnswerWithRecords answer:
                answer.Response.Responses[0].Partitions[0].Records = new Records(Disk.Read(answer.FromOffset, answer.MaxBytes));
                _cluster.Respond(this, answer.RequestId, answer.Response);
                break;
            case QuorumOutput.AnswerWithSnapshot answer:
                var asked = Disk.Find(answer.Snapshot);
                _cluster.Respond(this, answer.RequestId, answer.Fill(asked?.Size, asked?.Read(answer.Position, answer.MaxBytes) ?? []));
                break;
            case QuorumOutput.BeginSnapshot begin:
                _cluster.Trace($"{this} fetches the snapshot up to {begin.Snapshot.EndOffset}");
                _part = (begin.Snapshot, []);
                break;
            case QuorumOutput.AppendSnapshotPiece append:
                _part!.Value.Bytes.AddRange(append.Piece.Span);
                break;
            case QuorumOutput.DropSnapshot:
                _part = null;
                break;
            case QuorumOutput.FreezeSnapshot:
                Freeze();
                break;
            case QuorumOutput.ReplaceLog replace:
                _cluster.Trace($"{this} goes on from the snapshot up to {replace.Snapshot.EndOffset}");
                SnapshotsTaken++;
                Disk.GoOnFrom(Disk.Find(replace.Snapshot)!);
                Replace(Disk.NewestSnapshot);
                break;
            case QuorumOutput.Append append:
                Disk.Append(append.Batches);
                break;
            case QuorumOutput.Truncate truncate:
                _cluster.Trace($"{this} truncates to {truncate.Offset}");
                Disk.Truncate(truncate.Offset);
                break;
            case QuorumOutput.WriteElectionState write:
                _electionToWrite = (write.Version, write.State);
                break;
            case QuorumOutput.HighWatermarkMoved moved:
                _cluster.Trace($"{this} high watermark {moved.Offset}");
                Image.AddRange(Disk.Log.Skip(Image.Count).TakeWhile(batch => batch.EndOffset <= moved.Offset));
                _cluster.Committed(this);
                break;
            case QuorumOutput.BecameLeader or QuorumOutput.LostLeadership:
                _cluster.Trace($"{this} {output.GetType().Name}");
                break;
            case QuorumOutput.Drop:
                break;
        }
    }

    private LogOutline Outline()
    {
        var outline = new LogOutline(_configured);
        if (Disk.NewestSnapshot is { } newest)
        {
            if (Disk.StartOffset > 0)
            {
                outline.StartAt(Disk.Snapshots.LastOrDefault(one => one.Id.EndOffset == Disk.StartOffset, newest).Id, newest.Voters);
            }

            outline.SnapshotWritten(newest.Id);
        }

        foreach (var batch in Disk.Log.Where(batch => batch.BaseOffset >= outline.EndOffset).ToList())
        {
            outline.Appended(batch.Bytes.Span);
        }

        outline.Flushed(outline.Generation, outline.EndOffset);
        return outline;
    }

    private void Replace(SimulatedSnapshot? snapshot)
    {
        Image = [.. snapshot?.Batches ?? []];
        Images++;
    }

    /// <summary>Durable at one moment, and known to be so at a later one: a crash may come between.</summary>
    private void Freeze()
    {
        var (id, bytes) = _part!.Value;
        _part = null;
        Later(_cluster.Random.Next(DiskMs + 1), () =>
        {
            if (SimulatedSnapshot.TryParse(id, [.. bytes]) is not { } snapshot)
            {
                throw new InvariantViolation(nameof(SimulatedSnapshot), $"{this} fetched a snapshot up to {id.EndOffset} that is none");
            }

            Disk.Freeze(snapshot);
            Later(_cluster.Random.Next(DiskMs + 1), () => Do(machine => machine.SnapshotFrozen(id, snapshot.Voters, _cluster.Clock.NowMs)));
        });
    }

    private void SyncIfNeeded()
    {
        var log = Machine!.Log;
        if (_isSyncing || log.FlushedOffset == log.EndOffset)
        {
            return;
        }

        _isSyncing = true;
        var (generation, diskGeneration, count, end) = (log.Generation, Disk.Generation, Disk.Log.Count, log.EndOffset);
        Later(_cluster.Random.Next(DiskMs + 1), () =>
        {
            _isSyncing = false;
            Disk.Synced(diskGeneration, count);
            Do(machine => machine.Flushed(generation, end, _cluster.Clock.NowMs));
        });
    }

    private void WriteElectionIfNeeded()
    {
        if (_isWritingElection || _electionToWrite is not { } write)
        {
            return;
        }

        (_isWritingElection, _electionToWrite) = (true, null);
        Disk.ElectionWriteBegan(write.State);
        Later(_cluster.Random.Next(DiskMs + 1), () =>
        {
            _isWritingElection = false;
            Disk.ElectionWritten(write.State);
            Do(machine => machine.ElectionStateWritten(write.Version, _cluster.Clock.NowMs));
        });
    }

    /// <summary>What a process that is gone had in hand does not happen.</summary>
    private void Later(long delayMs, Action action)
    {
        var incarnation = Incarnation;
        _cluster.Clock.After(delayMs, () =>
        {
            if (incarnation == Incarnation)
            {
                action();
            }
        });
    }
}
