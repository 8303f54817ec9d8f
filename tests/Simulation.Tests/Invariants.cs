using Milena.Metadata.Quorum;
using Milena.Protocol;

namespace Milena.Simulation.Tests;

internal sealed class InvariantViolation(string invariant, string what) : Exception($"{invariant}: {what}");

/// <summary>Something that must hold after every step.</summary>
internal abstract class Invariant
{
    public abstract void Check(SimulatedCluster cluster);

    protected void Require(bool holds, Func<string> otherwise)
    {
        if (!holds)
        {
            throw new InvariantViolation(GetType().Name, otherwise());
        }
    }
}

internal sealed class OneLeaderPerEpoch : Invariant
{
    private readonly Dictionary<int, int> _leaders = [];

    public override void Check(SimulatedCluster cluster)
    {
        foreach (var node in cluster.Nodes.Where(node => node.Leads))
        {
            Require(_leaders.TryAdd(node.Machine!.Epoch, node.Id) || _leaders[node.Machine.Epoch] == node.Id,
                () => $"both {_leaders[node.Machine.Epoch]} and {node.Id} lead in epoch {node.Machine.Epoch}");
        }
    }
}

/// <summary>A vote is one that another replica has been told of, or a candidate's for itself when it asks.</summary>
internal sealed class AtMostOneVotePerEpoch : Invariant
{
    private readonly Dictionary<(ReplicaKey Voter, int Epoch), ReplicaKey> _votes = [];

    public void Voted(ReplicaKey voter, VoteRequest.PartitionData asked)
    {
        var candidate = new ReplicaKey(asked.ReplicaId, asked.ReplicaDirectoryId);
        Require(_votes.TryAdd((voter, asked.ReplicaEpoch), candidate) || _votes[(voter, asked.ReplicaEpoch)] == candidate,
            () => $"{voter} voted for {_votes[(voter, asked.ReplicaEpoch)]} and for {candidate} in epoch {asked.ReplicaEpoch}");
    }

    public override void Check(SimulatedCluster cluster)
    {
        // Checked as the votes leave.
    }
}

internal sealed class MonotonicHighWatermark : Invariant
{
    private readonly Dictionary<(int Node, int Incarnation), long> _seen = [];

    public override void Check(SimulatedCluster cluster)
    {
        foreach (var node in cluster.Nodes.Where(node => node.Machine is not null))
        {
            var (key, now) = ((node.Id, node.Incarnation), node.Machine!.HighWatermark);
            Require(now >= _seen.GetValueOrDefault(key), () => $"{node} went back from {_seen[key]} to {now}");
            _seen[key] = now;
        }
    }
}

/// <summary>What was decided once stays so: at its offset, byte for byte, in the log of every later leader.</summary>
internal sealed class CommittedDataSurvives : Invariant
{
    private readonly HashSet<(int Node, int Epoch)> _checkedLeaders = [];

    public override void Check(SimulatedCluster cluster)
    {
        var committed = cluster.CommittedBatches;
        foreach (var node in cluster.Nodes.Where(node => node.Leads && node.Machine!.Epoch >= cluster.CommittedInEpoch && committed.Count > 0))
        {
            var from = _checkedLeaders.Add((node.Id, node.Machine!.Epoch)) ? 0 : committed.Count - 1;
            for (var i = from; i < committed.Count; i++)
            {
                var at = i;
                Require(at < node.Disk.Log.Count && node.Disk.Log[at].SameAs(committed[at]), () => $"{node} leads without the decided batch {committed[at]}");
            }
        }
    }
}

/// <summary>When a leader calls something decided, a majority of the voters has it on disks that a crash of all would leave.</summary>
internal sealed class CommittedIsDurableOnAMajority : Invariant
{
    private int _checked;

    public override void Check(SimulatedCluster cluster)
    {
        var committed = cluster.CommittedBatches;
        if (committed.Count <= _checked || cluster.CommittedBy is not { Leads: true } leader)
        {
            return;
        }

        _checked = committed.Count;
        var last = committed[^1];
        var voters = leader.Machine!.Log.Voters;
        var holders = cluster.Nodes.Count(node => voters.Contains(node.Identity.Key)
            && node.Disk.DurableLog.Count >= committed.Count && node.Disk.DurableLog[committed.Count - 1].SameAs(last));
        Require(holders >= voters.Majority, () => $"{last} was called decided by {leader} with {holders} durable copies among the voters {voters}");
    }
}

internal sealed class LogsMatchBelowHighWatermark : Invariant
{
    private readonly Dictionary<(int Node, int Incarnation), (int Generation, int Count)> _compared = [];

    public override void Check(SimulatedCluster cluster)
    {
        var committed = cluster.CommittedBatches;
        foreach (var node in cluster.Nodes.Where(node => node.Machine is not null))
        {
            var key = (node.Id, node.Incarnation);
            var before = _compared.GetValueOrDefault(key);
            var at = before.Generation == node.Disk.Generation ? before.Count : 0;
            for (; at < committed.Count && committed[at].EndOffset <= node.Machine!.HighWatermark; at++)
            {
                var index = at;
                Require(index < node.Disk.Log.Count && node.Disk.Log[index].SameAs(committed[index]),
                    () => $"{node} has {(index < node.Disk.Log.Count ? node.Disk.Log[index] : "nothing")} where {committed[index]} was decided, below its high watermark");
            }

            _compared[key] = (node.Disk.Generation, at);
        }
    }
}

/// <summary>A snapshot names the decided records below its end, all of them and no other, and who voted then.</summary>
internal sealed class SnapshotsHoldWhatWasDecided : Invariant
{
    private readonly Dictionary<int, SimulatedSnapshot> _newest = [];

    public override void Check(SimulatedCluster cluster)
    {
        foreach (var node in cluster.Nodes)
        {
            if (node.Disk.NewestSnapshot is not { } snapshot || _newest.GetValueOrDefault(node.Id) == snapshot)
            {
                continue;
            }

            _newest[node.Id] = snapshot;
            var decided = cluster.CommittedBatches.TakeWhile(batch => batch.EndOffset <= snapshot.Id.EndOffset).ToList();
            Require(decided.Count == snapshot.Batches.Count && decided.Zip(snapshot.Batches).All(pair => pair.First.SameAs(pair.Second)),
                () => $"{node} has a snapshot up to {snapshot.Id.EndOffset} that is not what was decided");
            var outline = new LogOutline(VoterSet.Empty);
            decided.ForEach(batch => outline.Appended(batch.Bytes.Span));
            Require(snapshot.Voters is { } voters && voters.All.SequenceEqual(outline.Voters.All, SameVoter),
                () => $"{node} has a snapshot up to {snapshot.Id.EndOffset} with the voters {snapshot.Voters}, where {outline.Voters} were decided");
        }
    }

    private static readonly EqualityComparer<Voter> SameVoter = EqualityComparer<Voter>.Create(
        (one, other) => one!.Key == other!.Key && one.HasEndpoints(other.Endpoints), voter => voter.Key.GetHashCode());
}

/// <summary>Whoever listens to a replica has the image of what is decided, whether it came as a snapshot or record by record.</summary>
internal sealed class ImagesHoldWhatWasDecided : Invariant
{
    private readonly Dictionary<int, (int Images, int Count)> _compared = [];

    public override void Check(SimulatedCluster cluster)
    {
        var committed = cluster.CommittedBatches;
        foreach (var node in cluster.Nodes.Where(node => node.Machine is not null))
        {
            var before = _compared.GetValueOrDefault(node.Id);
            for (var at = before.Images == node.Images ? before.Count : 0; at < node.Image.Count; at++)
            {
                var index = at;
                Require(index < committed.Count && node.Image[index].SameAs(committed[index]),
                    () => $"{node} was told of {node.Image[index]}, where {(index < committed.Count ? committed[index] : "nothing")} was decided");
            }

            _compared[node.Id] = (node.Images, node.Image.Count);
            var end = node.Image is [.., var last] ? last.EndOffset : 0;
            Require(end == node.Machine!.HighWatermark, () => $"{node} was told of what is below {end}, and {node.Machine.HighWatermark} is decided");
        }
    }
}

/// <summary>What a client was told is decided, at the offset that it was told.</summary>
internal sealed class AcknowledgedAppendsSurvive : Invariant
{
    private int _checked;

    public override void Check(SimulatedCluster cluster)
    {
        for (; _checked < cluster.Acknowledged.Count; _checked++)
        {
            var acknowledged = cluster.Acknowledged[_checked];
            Require(cluster.CommittedBatches.BinarySearch(acknowledged, ByOffset) is >= 0 and var at && cluster.CommittedBatches[at].SameAs(acknowledged),
                () => $"the client was told of {acknowledged}, which was not decided");
        }
    }

    private static readonly Comparer<Batch> ByOffset = Comparer<Batch>.Create((one, other) => one.BaseOffset.CompareTo(other.BaseOffset));
}
