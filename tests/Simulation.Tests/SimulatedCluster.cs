using Milena.Metadata.Quorum;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Simulation.Tests;

/// <summary>A whole quorum on one seed: clock, network, disks, a client that appends through whoever leads, and the invariants.</summary>
internal sealed class SimulatedCluster
{
    private const long AdministratorRequests = 1L << 40;
    private const int ClientEveryMs = 40;

    private readonly AtMostOneVotePerEpoch _votes = new();
    private readonly List<Invariant> _invariants;
    private readonly Dictionary<long, (SimulatedNode From, int Incarnation, QuorumOutput.Send Sent, int At)> _requests = [];
    private readonly HashSet<(int Node, int Incarnation, long Token)> _unanswered = [];
    private readonly List<(SimulatedNode Node, int Incarnation, int Epoch, Batch Batch)> _appended = [];
    private readonly List<string>? _trace;
    private long _requestsMade;
    private long _administratorRequests = AdministratorRequests;
    private int _clientSequence;

    public SimulatedCluster(int seed, int voters, int observers, List<string>? trace = null)
    {
        _trace = trace;
        Random = new Random(seed);
        Network = new SimulatedNetwork(Clock, Random);
        _invariants =
        [
            new OneLeaderPerEpoch(), _votes, new MonotonicHighWatermark(), new CommittedDataSurvives(), new CommittedIsDurableOnAMajority(),
            new LogsMatchBelowHighWatermark(), new AcknowledgedAppendsSurvive(),
            new SnapshotsHoldWhatWasDecided(), new ImagesHoldWhatWasDecided(),
        ];
        var first = VoterSet.Of(Enumerable.Range(1, voters).Select(VoterOf));
        Bootstrap = [.. first.All.Select(voter => voter.Peer)];
        Nodes = [.. Enumerable.Range(1, voters + observers).Select(id => new SimulatedNode(this, id, id <= voters ? first : VoterSet.Empty))];
        foreach (var node in Nodes)
        {
            Clock.After(Random.Next(200), node.Start);
        }

        Clock.After(ClientEveryMs, AppendAsClient);
    }

    public SimulatedClock Clock { get; } = new();

    public Random Random { get; }

    public SimulatedNetwork Network { get; }

    public QuorumSettings Settings { get; } = new() { FetchMaxBytes = 2000 };

    public IReadOnlyList<SimulatedNode> Nodes { get; }

    public IReadOnlyList<QuorumPeer> Bootstrap { get; }

    /// <summary>Everything that any replica has called decided, in order.</summary>
    public List<Batch> CommittedBatches { get; } = [];

    /// <summary>The epoch of the replica that called the last of it decided, and that replica.</summary>
    public int CommittedInEpoch { get; private set; }

    public SimulatedNode? CommittedBy { get; private set; }

    public List<Batch> Acknowledged { get; } = [];

    public long CommittedOffset => CommittedBatches is [.., var last] ? last.EndOffset : 0;

    public int Steps { get; private set; }

    public static Voter VoterOf(int id) => new(SimulatedNode.IdentityOf(id).Key, SimulatedNode.IdentityOf(id).Endpoints);

    /// <summary>Runs until <paramref name="endMs"/>, or until <paramref name="done"/>, checking the invariants after every step.</summary>
    public bool Run(long endMs, Func<bool>? done = null)
    {
        while (Clock.Step(endMs))
        {
            Steps++;
            foreach (var invariant in _invariants)
            {
                invariant.Check(this);
            }

            if (done?.Invoke() == true)
            {
                return true;
            }
        }

        return false;
    }

    public void Trace(string what) => _trace?.Add($"{Clock.NowMs,6} ms  {what}");

    /// <summary>A candidate that asks for votes has voted for itself.</summary>
    public void Observe(SimulatedNode node, QuorumOutput.Send send)
    {
        if (send.Request is VoteRequest { Topics: [{ Partitions: [{ PreVote: false } asked] }] })
        {
            _votes.Voted(node.Identity.Key, asked);
        }
    }

    public void Request(SimulatedNode from, QuorumOutput.Send send)
    {
        var incarnation = from.Incarnation;
        _unanswered.Add((from.Id, incarnation, send.Token));
        Clock.After(Settings.RequestTimeoutMs, () => End(from, incarnation, send, null));
        var to = Nodes.Single(node => node.Id == send.To.Port);
        Network.Carry(from.Id, to.Id, () =>
        {
            if (to.Machine is not null)
            {
                var id = ++_requestsMade;
                _requests.Add(id, (from, incarnation, send, to.Id));
                to.Do(machine => machine.Receive(id, send.Request, Clock.NowMs));
            }
            else
            {
                Network.Carry(to.Id, from.Id, () => Refuse(from, incarnation, send.To));
            }
        });
    }

    public void Respond(SimulatedNode by, long requestId, IResponseMessage response)
    {
        if (requestId > AdministratorRequests)
        {
            Trace($"{by} answers the administrator: {(response as AddRaftVoterResponse)?.ErrorCode ?? (response as RemoveRaftVoterResponse)?.ErrorCode}");
            return;
        }

        if (_requests.Remove(requestId, out var asked))
        {
            if (response is VoteResponse { Topics: [{ Partitions: [{ VoteGranted: true }] }] }
                && asked.Sent.Request is VoteRequest { Topics: [{ Partitions: [{ PreVote: false } vote] }] })
            {
                _votes.Voted(by.Identity.Key, vote);
            }

            Network.Carry(by.Id, asked.From.Id, () => End(asked.From, asked.Incarnation, asked.Sent, response));
        }
    }

    /// <summary>A replica's high watermark moved: what is new below it was decided now, and the client is told of its own.</summary>
    public void Committed(SimulatedNode node)
    {
        var machine = node.Machine!;
        for (var i = CommittedBatches.Count; i < node.Disk.Log.Count && node.Disk.Log[i].EndOffset <= machine.HighWatermark; i++)
        {
            CommittedBatches.Add(node.Disk.Log[i]);
            (CommittedInEpoch, CommittedBy) = (machine.Epoch, node);
        }

        foreach (var mine in _appended.Where(one => one.Node == node && one.Incarnation == node.Incarnation && one.Batch.EndOffset <= machine.HighWatermark).ToList())
        {
            _appended.Remove(mine);
            if (node.Leads && machine.Epoch == mine.Epoch)
            {
                Acknowledged.Add(mine.Batch);
            }
        }
    }

    public void AddVoter(int id, SimulatedNode at) => Administrate(at, new AddRaftVoterRequest
    {
        ClusterId = "simulated",
        TimeoutMs = 2000,
        VoterId = id,
        VoterDirectoryId = SimulatedNode.IdentityOf(id).Key.DirectoryId,
        Listeners = [new() { Name = "QUORUM", Host = $"node-{id}", Port = (ushort)id }],
    });

    public void RemoveVoter(int id, SimulatedNode at) => Administrate(at, new RemoveRaftVoterRequest
    {
        ClusterId = "simulated",
        VoterId = id,
        VoterDirectoryId = SimulatedNode.IdentityOf(id).Key.DirectoryId,
    });

    private void Administrate(SimulatedNode at, IRequestMessage request)
    {
        Trace($"{at} is asked: {request.GetType().Name} {(request as AddRaftVoterRequest)?.VoterId ?? (request as RemoveRaftVoterRequest)?.VoterId}");
        at.Do(machine => machine.Receive(++_administratorRequests, request, Clock.NowMs));
    }

    /// <summary>The machine of a replica that is down says that nobody listens there; who asked may hear it after the replica is back.</summary>
    private void Refuse(SimulatedNode from, int incarnation, QuorumPeer peer)
    {
        if (from.Incarnation == incarnation && from.Machine is not null)
        {
            from.Do(machine => machine.PeerGone(peer, Clock.NowMs));
        }
    }

    private void End(SimulatedNode from, int incarnation, QuorumOutput.Send send, IResponseMessage? response)
    {
        // A request ends once: with its first answer, or without one.
        if (_unanswered.Remove((from.Id, incarnation, send.Token)) && from.Incarnation == incarnation && from.Machine is not null)
        {
            from.Do(machine => machine.Answered(send, response, Clock.NowMs));
        }
    }

    private void AppendAsClient()
    {
        Clock.After(1 + Random.Next(2 * ClientEveryMs), AppendAsClient);
        var leaders = Nodes.Where(node => node.Leads).ToList();
        if (leaders.Count == 0)
        {
            return;
        }

        var leader = leaders[Random.Next(leaders.Count)];
        using var builder = new RecordBatchBuilder();
        for (var i = Random.Next(3); i >= 0; i--)
        {
            builder.Add(Clock.NowMs, null, BitConverter.GetBytes(++_clientSequence));
        }

        var bytes = builder.Build();
        var epoch = leader.Machine!.Epoch;
        leader.Do(machine =>
        {
            if (machine.Append(epoch, bytes, Clock.NowMs) is not null)
            {
                _appended.Add((leader, leader.Incarnation, epoch, Batch.Split(bytes).Single()));
            }
        });
    }
}
