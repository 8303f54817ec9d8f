using System.Collections.Immutable;
using Milena.Protocol;

namespace Milena.Metadata.Quorum;

public enum QuorumRole
{
    /// <summary>Knows no leader.</summary>
    Unattached,

    /// <summary>Asks whether it would be elected, before it disturbs anybody with a new epoch.</summary>
    Prospective,
    Candidate,
    Leader,

    /// <summary>Fetches from a leader: a voter, or an observer when it is none.</summary>
    Follower,

    /// <summary>Led, gave up, and waits for the next leader.</summary>
    Resigned,
}

/// <summary>Who a replica is.</summary>
/// <param name="Endpoints">Where the others reach it; its first is used.</param>
public sealed record QuorumIdentity(string ClusterId, ReplicaKey Key, ImmutableArray<QuorumEndpoint> Endpoints);

/// <summary>One replica of the metadata quorum as a pure state machine, in KRaft's shape: no I/O, no clock, no threads.</summary>
/// <remarks>
/// Time, requests, responses and the disk's notices go in; <see cref="Drain"/> gives what is to be done, in order. Nothing leaves that
/// promises what is not on the disk: while a new epoch or vote is being written, no answer and no request goes out; a follower
/// acknowledges by its next fetch, which it sends when its log is flushed up to the offset that the fetch names; a leader counts itself up to
/// its own flushed offset. Not safe for several threads. An exception is a bug or a broken log: the replica has to stop.
/// </remarks>
public sealed partial class QuorumMachine
{
    private readonly QuorumIdentity _self;
    private readonly QuorumSettings _settings;
    private readonly LogOutline _log;
    private readonly ImmutableArray<QuorumPeer> _bootstrap;
    private readonly Random _random;
    private readonly List<QuorumOutput> _outputs = [];
    private readonly Queue<QuorumOutput.Answer> _parkedAnswers = new();

    private ElectionState _election;
    private long _electionVersion;
    private long _promisedVersion;
    private long _writtenVersion;
    private long _lastToken;
    private long _now;

    /// <summary>When the role ends by itself: an election is lost, a leader unheard of.</summary>
    private long _roleEndsMs;

    /// <param name="stored">As last written; <see cref="ElectionState.Initial"/> when there is none.</param>
    /// <param name="bootstrap">Addresses to ask for a leader while the log names no voters.</param>
    public QuorumMachine(
        QuorumIdentity self, QuorumSettings settings, LogOutline log, ElectionState stored, IEnumerable<QuorumPeer> bootstrap, Random random, long nowMs)
    {
        (_self, _settings, _log, _random, _now) = (self, settings, log, random, nowMs);
        _bootstrap = [.. bootstrap];
        // A log that was written before there was an election state still says which epochs there were.
        _election = stored.Epoch >= log.LastEpoch ? stored with { LeaderId = null } : new ElectionState(log.LastEpoch, null, null);
        // A snapshot holds only what was decided.
        HighWatermark = log.Snapshot?.EndOffset ?? 0;
        EnterUnattached();
    }

    public QuorumRole Role { get; private set; }

    public int Epoch => _election.Epoch;

    /// <summary>Null while unknown.</summary>
    public int? LeaderId => _election.LeaderId;

    /// <summary>Where the leader is reached by the quorum; null while unknown, or while it is this replica.</summary>
    public QuorumPeer? Leader => _leader;

    public long HighWatermark { get; private set; }

    /// <summary>It leads, or the leader that it follows has answered it. Who only knows from others who leads does not hear from him.</summary>
    public bool HearsLeader => Role == QuorumRole.Leader || (Role == QuorumRole.Follower && _hasFetchedFromLeader);

    public bool IsVoter => _log.Voters.Contains(_self.Key);

    /// <summary>By a set that was decided, as far as the log goes back.</summary>
    public bool HasVoted => _log.WasVoter(_self.Key, HighWatermark);

    public LogOutline Log => _log;

    /// <summary>When <see cref="Tick"/> has something to do next, if nothing comes in before.</summary>
    public long NextDeadlineMs => Math.Max(_now, Role switch
    {
        QuorumRole.Unattached => UnattachedDeadline(),
        QuorumRole.Prospective or QuorumRole.Candidate => CampaignDeadline(),
        QuorumRole.Leader => LeaderDeadline(),
        QuorumRole.Follower => FollowerDeadline(),
        QuorumRole.Resigned => ResignedDeadline(),
        _ => throw new InvalidOperationException($"No such role: {Role}"),
    });

    /// <summary>True when no promise waits for the election state to reach the disk.</summary>
    private bool MayPromise => _writtenVersion >= _promisedVersion;

    /// <summary>What is to be done since the last call, in order.</summary>
    public IReadOnlyList<QuorumOutput> Drain()
    {
        if (_outputs.Count == 0)
        {
            return [];
        }

        QuorumOutput[] drained = [.. _outputs];
        _outputs.Clear();
        return drained;
    }

    public void Tick(long nowMs)
    {
        _now = Math.Max(_now, nowMs);
        Proceed();
    }

    /// <summary>The log is on the disk below <paramref name="offset"/>, as it was in <paramref name="generation"/>.</summary>
    public void Flushed(int generation, long offset, long nowMs)
    {
        _now = Math.Max(_now, nowMs);
        _log.Flushed(generation, offset);
        AdvanceHighWatermark();
        Proceed();
    }

    public void ElectionStateWritten(long version, long nowMs)
    {
        _now = Math.Max(_now, nowMs);
        _writtenVersion = Math.Max(_writtenVersion, version);
        if (MayPromise)
        {
            while (_parkedAnswers.TryDequeue(out var answer))
            {
                _outputs.Add(answer);
            }
        }

        Proceed();
    }

    /// <summary>A request from another replica, or from an administrator; it ends in an answer, at once or later, or in a drop.</summary>
    public void Receive(long requestId, IRequestMessage request, long nowMs)
    {
        _now = Math.Max(_now, nowMs);
        if (_parkedAnswers.Count >= _settings.MaxParkedAnswers)
        {
            _outputs.Add(new QuorumOutput.Drop(requestId));
            return;
        }

        switch (request)
        {
            case VoteRequest vote:
                OnVote(requestId, vote);
                break;
            case BeginQuorumEpochRequest begin:
                OnBegin(requestId, begin);
                break;
            case EndQuorumEpochRequest end:
                OnEnd(requestId, end);
                break;
            case FetchRequest fetch:
                OnFetch(requestId, fetch);
                break;
            case FetchSnapshotRequest fetch:
                OnFetchSnapshot(requestId, fetch);
                break;
            case AddRaftVoterRequest add:
                OnAddVoter(requestId, add);
                break;
            case RemoveRaftVoterRequest remove:
                OnRemoveVoter(requestId, remove);
                break;
            case UpdateRaftVoterRequest update:
                OnUpdateVoter(requestId, update);
                break;
            case ApiVersionsRequest:
                Answer(requestId, QuorumApis.Versions());
                break;
            default:
                _outputs.Add(new QuorumOutput.Drop(requestId));
                break;
        }

        Proceed();
    }

    /// <param name="response">Null when there was none in time, or the peer was not reached.</param>
    public void Answered(QuorumOutput.Send sent, IResponseMessage? response, long nowMs)
    {
        _now = Math.Max(_now, nowMs);
        switch (sent.Request, response)
        {
            case (VoteRequest request, _):
                OnVoteAnswered(sent, request, response as VoteResponse);
                break;
            case (BeginQuorumEpochRequest request, _):
                OnBeginAnswered(sent, request, response as BeginQuorumEpochResponse);
                break;
            case (EndQuorumEpochRequest, _):
                OnEndAnswered(sent, response as EndQuorumEpochResponse);
                break;
            case (FetchRequest, _):
                OnFetchAnswered(sent, response as FetchResponse);
                break;
            case (FetchSnapshotRequest, _):
                OnPieceAnswered(sent, response as FetchSnapshotResponse);
                break;
            case (UpdateRaftVoterRequest, _):
                OnUpdateVoterAnswered(sent, response as UpdateRaftVoterResponse);
                break;
            case (ApiVersionsRequest, _):
                OnNewcomerAnswered(sent, response as ApiVersionsResponse);
                break;
            default:
                throw new ArgumentException($"This machine does not send {sent.Request.GetType().Name}.");
        }

        Proceed();
    }

    /// <summary>Appends one batch as the leader of <paramref name="epoch"/>, stamping its offset and epoch in place.</summary>
    /// <returns>The offset of its last record; null when this replica does not lead in that epoch.</returns>
    public long? Append(int epoch, Memory<byte> batch, long nowMs)
    {
        _now = Math.Max(_now, nowMs);
        if (Role != QuorumRole.Leader || epoch != Epoch)
        {
            return null;
        }

        AppendOwn(batch);
        Proceed();
        return _log.EndOffset - 1;
    }

    /// <summary>Gives leadership up, as before a shutdown: the voters are told, those first who have most of the log.</summary>
    public void ResignLeadership(long nowMs)
    {
        _now = Math.Max(_now, nowMs);
        if (Role == QuorumRole.Leader)
        {
            Resign();
        }

        Proceed();
    }

    /// <summary>Does what time and the last event made due. Nothing is sent while a promise waits for the disk.</summary>
    private void Proceed()
    {
        // A role that ends hands over to the next, which may have to send at once: a few steps, never many.
        QuorumRole before;
        do
        {
            before = Role;
            switch (Role)
            {
                case QuorumRole.Unattached:
                    ProceedUnattached();
                    break;
                case QuorumRole.Prospective:
                case QuorumRole.Candidate:
                    ProceedCampaign();
                    break;
                case QuorumRole.Leader:
                    ProceedLeader();
                    break;
                case QuorumRole.Follower:
                    ProceedFollower();
                    break;
                case QuorumRole.Resigned:
                    ProceedResigned();
                    break;
            }
        }
        while (Role != before);
    }

    /// <summary>An epoch or a vote is a promise, and everything that leaves waits for it; the leader's id is not.</summary>
    private void SetElection(ElectionState state)
    {
        if (state == _election)
        {
            return;
        }

        var promises = state.Epoch != _election.Epoch || state.Voted != _election.Voted;
        _election = state;
        _electionVersion++;
        if (promises)
        {
            _promisedVersion = _electionVersion;
        }

        _outputs.Add(new QuorumOutput.WriteElectionState(_electionVersion, state));
    }

    private void Answer(long requestId, IResponseMessage response)
    {
        var answer = new QuorumOutput.Answer(requestId, response);
        if (MayPromise)
        {
            _outputs.Add(answer);
        }
        else
        {
            _parkedAnswers.Enqueue(answer);
        }
    }

    private void Send(RequestSlot slot, QuorumPeer to, IRequestMessage request)
    {
        var token = ++_lastToken;
        slot.Sent(token);
        _outputs.Add(new QuorumOutput.Send(token, to, request));
    }

    /// <summary>Appends this leader's own batch, which is stamped here.</summary>
    private void AppendOwn(Memory<byte> batch)
    {
        Model.RecordBatchHeader.SetBaseOffset(batch.Span, _log.EndOffset);
        Model.RecordBatchHeader.SetLeaderEpoch(batch.Span, Epoch);
        AppendToLog(batch);
        AnswerParkedFetches();
    }

    private void AppendToLog(ReadOnlyMemory<byte> batches)
    {
        _log.Appended(batches.Span);
        _outputs.Add(new QuorumOutput.Append(batches));
    }

    private long RandomElectionTimeout() => _settings.ElectionTimeoutMs + _random.Next(_settings.ElectionTimeoutMs);

    private IEnumerable<Voter> OtherVoters => _log.Voters.All.Where(voter => voter.Key != _self.Key);
}
