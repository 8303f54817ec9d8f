using Milena.Model;
using Milena.Protocol;

namespace Milena.Metadata.Quorum.Tests;

/// <summary>One machine, replica 1 of a cluster, whose disk and peers the test plays.</summary>
internal sealed class MachineFixture
{
    public const string ClusterId = "cluster";

    private long _requests;
    private ElectionState _lastWritten = ElectionState.Initial;
    private long _lastVersion;

    /// <param name="voters">How many there are, ids from 1; 0 leaves replica 1 an observer that knows nobody.</param>
    public MachineFixture(int voters = 3, ElectionState? stored = null, QuorumSettings? settings = null, params byte[][] log)
    {
        var outline = new LogOutline(VoterSet.Of(Enumerable.Range(1, voters).Select(VoterOf)));
        foreach (var batch in log)
        {
            outline.Appended(batch);
        }

        outline.Flushed(0, outline.EndOffset);
        Settings = settings ?? new QuorumSettings();
        var self = new QuorumIdentity(ClusterId, KeyOf(1), VoterOf(1).Endpoints);
        Machine = new QuorumMachine(self, Settings, outline, stored ?? ElectionState.Initial, [VoterOf(2).Peer], new Random(1), NowMs);
    }

    public QuorumMachine Machine { get; }

    public QuorumSettings Settings { get; }

    public long NowMs { get; private set; } = 1_000_000;

    public List<QuorumOutput> Outputs { get; } = [];

    public static ReplicaKey KeyOf(int id) => new(id, new Guid(id, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7));

    public static Voter VoterOf(int id) => new(KeyOf(id), [new QuorumEndpoint("QUORUM", "127.0.0.1", (ushort)(9000 + id))]);

    public static byte[] Batch(long baseOffset = 0, int epoch = 0, int records = 1)
    {
        using var builder = new RecordBatchBuilder { BaseOffset = baseOffset, LeaderEpoch = epoch };
        for (var i = 0; i < records; i++)
        {
            builder.Add(1, null, [1, 2, 3]);
        }

        return builder.Build();
    }

    public void Do(Action<QuorumMachine> input)
    {
        input(Machine);
        foreach (var output in Machine.Drain())
        {
            if (output is QuorumOutput.WriteElectionState write)
            {
                (_lastVersion, _lastWritten) = (write.Version, write.State);
            }

            Outputs.Add(output);
        }
    }

    public void Pass(long ms)
    {
        NowMs += ms;
        Do(machine => machine.Tick(NowMs));
    }

    /// <summary>The disk has everything that it was given.</summary>
    public ElectionState SyncElection()
    {
        Do(machine => machine.ElectionStateWritten(_lastVersion, NowMs));
        return _lastWritten;
    }

    public void SyncLog() => Do(machine => machine.Flushed(machine.Log.Generation, machine.Log.EndOffset, NowMs));

    /// <summary>Puts a request, and gives its answer; null while there is none.</summary>
    public T? Ask<T>(IRequestMessage request) where T : class, IResponseMessage
    {
        var id = ++_requests;
        Do(machine => machine.Receive(id, request, NowMs));
        return AnswerTo<T>(id);
    }

    public T? AnswerTo<T>(long requestId) where T : class, IResponseMessage => Outputs.Select(output => output switch
    {
        QuorumOutput.Answer answer when answer.RequestId == requestId => answer.Response,
        QuorumOutput.AnswerWithRecords answer when answer.RequestId == requestId => answer.Response,
        _ => null,
    }).OfType<T>().SingleOrDefault();

    public long LastRequestId => _requests;

    /// <summary>Requests of a kind that are under way and were not taken by the test yet.</summary>
    public List<QuorumOutput.Send> TakeSends<T>() where T : IRequestMessage
    {
        var sends = Outputs.OfType<QuorumOutput.Send>().Where(send => send.Request is T).ToList();
        Outputs.RemoveAll(sends.Contains);
        return sends;
    }

    public void Answer(QuorumOutput.Send send, IResponseMessage? response) => Do(machine => machine.Answered(send, response, NowMs));

    public static VoteRequest Vote(int candidate, int epoch, long lastOffset = 0, int lastEpoch = 0, bool preVote = false) => new()
    {
        ClusterId = ClusterId,
        VoterId = 1,
        Topics = [new()
        {
            TopicName = TopicNames.ClusterMetadata,
            Partitions = [new()
            {
                ReplicaEpoch = epoch,
                ReplicaId = candidate,
                ReplicaDirectoryId = KeyOf(candidate).DirectoryId,
                VoterDirectoryId = KeyOf(1).DirectoryId,
                LastOffset = lastOffset,
                LastOffsetEpoch = lastEpoch,
                PreVote = preVote,
            }],
        }],
    };

    public static VoteResponse Voted(int epoch, bool granted, int leader = -1) => new()
    {
        Topics = [new() { TopicName = TopicNames.ClusterMetadata, Partitions = [new() { LeaderEpoch = epoch, LeaderId = leader, VoteGranted = granted }] }],
    };

    public static BeginQuorumEpochRequest Begin(int leader, int epoch) => new()
    {
        ClusterId = ClusterId,
        Topics = [new() { TopicName = TopicNames.ClusterMetadata, Partitions = [new() { LeaderId = leader, LeaderEpoch = epoch }] }],
        LeaderEndpoints = [new() { Name = "QUORUM", Host = "127.0.0.1", Port = (ushort)(9000 + leader) }],
    };

    public static FetchRequest Fetch(int replica, int epoch, long offset, int lastEpoch, long highWatermark = 0, int maxWaitMs = 200) => new()
    {
        ClusterId = ClusterId,
        ReplicaState = new() { ReplicaId = replica },
        MaxWaitMs = maxWaitMs,
        Topics = [new()
        {
            TopicId = new Guid(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1),
            Partitions = [new()
            {
                CurrentLeaderEpoch = epoch,
                FetchOffset = offset,
                LastFetchedEpoch = lastEpoch,
                HighWatermark = highWatermark,
                ReplicaDirectoryId = KeyOf(replica).DirectoryId,
            }],
        }],
    };

    public static FetchResponse Fetched(int leader, int epoch, long highWatermark, byte[]? records = null, (int Epoch, long EndOffset)? diverging = null) => new()
    {
        Responses = [new()
        {
            Partitions = [new()
            {
                HighWatermark = highWatermark,
                CurrentLeader = new() { LeaderId = leader, LeaderEpoch = epoch },
                DivergingEpoch = diverging is { } at ? new() { Epoch = at.Epoch, EndOffset = at.EndOffset } : new(),
                Records = new Records(records ?? []),
            }],
        }],
    };

    /// <summary>Replica 1 wins an election among three and appends its first batch, which is not flushed yet.</summary>
    public MachineFixture Lead()
    {
        Pass(2 * Settings.ElectionTimeoutMs);
        Answer(TakeSends<VoteRequest>()[0], Voted(Machine.Epoch, granted: true));
        SyncElection();
        Answer(TakeSends<VoteRequest>()[0], Voted(Machine.Epoch, granted: true));
        Assert.Equal(QuorumRole.Leader, Machine.Role);
        return this;
    }

    /// <summary>As <see cref="Lead"/>, and its first batch is decided with replica 2.</summary>
    public MachineFixture LeadAndCommit()
    {
        Lead().SyncLog();
        Ask<FetchResponse>(Fetch(2, Machine.Epoch, Machine.Log.EndOffset, Machine.Epoch));
        Assert.Equal(Machine.Log.EndOffset, Machine.HighWatermark);
        return this;
    }

    public MachineFixture Follow(int leader = 2, int epoch = 1)
    {
        Ask<BeginQuorumEpochResponse>(Begin(leader, epoch));
        SyncElection();
        Assert.Equal(QuorumRole.Follower, Machine.Role);
        return this;
    }
}
