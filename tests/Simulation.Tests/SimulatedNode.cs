using Milena.Metadata.Quorum;
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

    /// <summary>The longest that a sync takes.</summary>
    public int DiskMs { get; set; } = 3;

    public bool Leads => Machine?.Role == QuorumRole.Leader;

    public static QuorumIdentity IdentityOf(int id) =>
        new("simulated", new ReplicaKey(id, new Guid(id, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0)), [new QuorumEndpoint("QUORUM", $"node-{id}", (ushort)id)]);

    public void Start()
    {
        Incarnation++;
        (_isSyncing, _isWritingElection, _electionToWrite, _nextTickMs) = (false, false, null, long.MaxValue);
        var outline = new LogOutline(_configured);
        Disk.Log.ForEach(batch => outline.Appended(batch.Bytes.Span));
        outline.Flushed(outline.Generation, outline.EndOffset);
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
                _cluster.Committed(this);
                break;
            case QuorumOutput.BecameLeader or QuorumOutput.LostLeadership:
                _cluster.Trace($"{this} {output.GetType().Name}");
                break;
            case QuorumOutput.Drop:
                break;
        }
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
