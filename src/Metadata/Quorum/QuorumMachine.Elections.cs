using Milena.Model;
using Milena.Protocol;

namespace Milena.Metadata.Quorum;

/// <summary>Looking for a leader, and standing for election.</summary>
public sealed partial class QuorumMachine
{
    private Ballot _ballot = new();
    private RequestSlot _discovery = new();

    /// <summary>Takes over what a message says of epoch and leader, where it is news.</summary>
    /// <param name="leader">Null when the message names none, or not where it is reached.</param>
    private void Learn(int epoch, QuorumPeer? leader)
    {
        if (epoch < Epoch || (leader?.Id == _self.Key.Id && epoch == Epoch))
        {
            return;
        }

        // A leader by this replica's own id in a later epoch is its predecessor on a disk that is gone.
        var other = leader is { } named && named.Id != _self.Key.Id ? leader : null;
        if (epoch > Epoch)
        {
            LeaveRole();
            SetElection(new ElectionState(epoch, other?.Id, null));
            if (other is { } first)
            {
                EnterFollower(first);
            }
            else
            {
                EnterUnattached();
            }
        }
        else if (other is { } found && Role is QuorumRole.Unattached or QuorumRole.Prospective or QuorumRole.Candidate)
        {
            SetElection(_election with { LeaderId = found.Id });
            EnterFollower(found);
        }
    }

    /// <summary>Where a leader is reached: as the message says, else as the log's voters do.</summary>
    private QuorumPeer? PeerOf(int leaderId, QuorumPeer? said) =>
        leaderId < 0 ? null : said ?? _log.Voters.Find(leaderId)?.Peer;

    private void EnterUnattached()
    {
        Role = QuorumRole.Unattached;
        _leader = null;
        _discovery = new RequestSlot();
        _roleEndsMs = _now + RandomElectionTimeout();
    }

    private long UnattachedDeadline()
    {
        var deadline = IsVoter ? (_log.Voters.Count == 1 ? _now : _roleEndsMs) : long.MaxValue;
        return MayPromise && _discovery.DueMs is { } due ? Math.Min(deadline, due) : deadline;
    }

    private void ProceedUnattached()
    {
        if (IsVoter && (_now >= _roleEndsMs || _log.Voters.Count == 1))
        {
            EnterProspective();
            return;
        }

        if (!MayPromise || !_discovery.IsDue(_now))
        {
            return;
        }

        if (DiscoveryPeers() is { Count: > 0 } peers)
        {
            Send(_discovery, peers[_random.Next(peers.Count)], QuorumMessages.Fetch(_self.ClusterId, _self.Key, Epoch, _log, HighWatermark, _settings));
        }
        else
        {
            _discovery.NotBefore(_now + _settings.ElectionTimeoutMs);
        }
    }

    private List<QuorumPeer> DiscoveryPeers() =>
    [
        .. OtherVoters.Select(voter => voter.Peer),
        .. _bootstrap.Where(peer => !_self.Endpoints.Any(own => own.Host == peer.Host && own.Port == peer.Port)),
    ];

    private void EnterProspective()
    {
        SetElection(_election with { LeaderId = null });
        Role = QuorumRole.Prospective;
        _leader = null;
        _ballot = new Ballot();
        _ballot.Record(_self.Key, granted: true);
        _roleEndsMs = _now + RandomElectionTimeout();
    }

    private void EnterCandidate()
    {
        SetElection(new ElectionState(Epoch + 1, null, _self.Key));
        Role = QuorumRole.Candidate;
        _ballot = new Ballot();
        _ballot.Record(_self.Key, granted: true);
        _roleEndsMs = _now + RandomElectionTimeout();
    }

    private long CampaignDeadline()
    {
        if (!MayPromise)
        {
            return _roleEndsMs;
        }

        return Unasked().Aggregate(_roleEndsMs, (deadline, voter) => Math.Min(deadline, _ballot.SlotOf(voter.Key).DueMs ?? long.MaxValue));
    }

    private IEnumerable<Voter> Unasked() => OtherVoters.Where(voter => !_ballot.HasVoted(voter.Key));

    private void ProceedCampaign()
    {
        // A candidate's own vote counts when it is on the disk, as anybody's does.
        if (!IsVoter)
        {
            EnterUnattached();
        }
        else if (_ballot.IsWon(_log.Voters) && (Role == QuorumRole.Prospective || MayPromise))
        {
            Win();
        }
        else if (_now >= _roleEndsMs)
        {
            // A prospective replica looks around for a leader before it asks again.
            if (Role == QuorumRole.Prospective)
            {
                EnterUnattached();
            }
            else
            {
                EnterProspective();
            }
        }
        else if (MayPromise)
        {
            AskForVotes();
        }
    }

    private void Win()
    {
        if (Role == QuorumRole.Prospective)
        {
            EnterCandidate();
        }
        else
        {
            EnterLeader();
        }
    }

    private void AskForVotes()
    {
        foreach (var voter in Unasked())
        {
            var slot = _ballot.SlotOf(voter.Key);
            if (slot.IsDue(_now))
            {
                Send(slot, voter.Peer, QuorumMessages.Vote(_self.ClusterId, _self.Key, voter.Key, Epoch, Role == QuorumRole.Prospective, _log));
            }
        }
    }

    private void OnVote(long requestId, VoteRequest request)
    {
        if (QuorumMessages.Partition(request) is not { } asked)
        {
            _outputs.Add(new QuorumOutput.Drop(requestId));
            return;
        }

        var error = CheckSender(request.ClusterId, request.VoterId, asked.VoterDirectoryId);
        var granted = false;
        if (error == ErrorCode.None)
        {
            Learn(asked.ReplicaEpoch, null);
            error = asked.ReplicaEpoch < Epoch ? ErrorCode.FencedLeaderEpoch : ErrorCode.None;
            granted = error == ErrorCode.None && TryGrant(asked);
        }

        Answer(requestId, VoteResponseOf(error, granted));
    }

    /// <summary>A request for another cluster, or for the replica that was on this node's disk before it was emptied, is not this one's.</summary>
    private ErrorCode CheckSender(string? clusterId, int voterId, Guid voterDirectoryId)
    {
        if (clusterId is not null && clusterId != _self.ClusterId)
        {
            return ErrorCode.InconsistentClusterId;
        }

        var isMine = (voterId < 0 || voterId == _self.Key.Id) && (voterDirectoryId == Guid.Empty || voterDirectoryId == _self.Key.DirectoryId);
        return isMine ? ErrorCode.None : ErrorCode.InvalidVoterKey;
    }

    private bool TryGrant(VoteRequest.PartitionData asked)
    {
        var candidate = new ReplicaKey(asked.ReplicaId, asked.ReplicaDirectoryId);
        if (!_log.IsCoveredBy(asked.LastOffsetEpoch, asked.LastOffset))
        {
            return false;
        }

        if (asked.PreVote)
        {
            // Who hears from a leader sees no reason for an election.
            return Role != QuorumRole.Leader && !(Role == QuorumRole.Follower && _hasFetchedFromLeader);
        }

        if (Role is not (QuorumRole.Unattached or QuorumRole.Prospective) || (_election.Voted is { } voted && voted != candidate))
        {
            return false;
        }

        SetElection(_election with { Voted = candidate });
        EnterUnattached();
        return true;
    }

    private VoteResponse VoteResponseOf(ErrorCode error, bool granted) => new()
    {
        ErrorCode = error is ErrorCode.InconsistentClusterId ? error : ErrorCode.None,
        Topics = [new()
        {
            TopicName = QuorumMessages.Topic,
            Partitions = [new() { ErrorCode = error, LeaderId = LeaderId ?? -1, LeaderEpoch = Epoch, VoteGranted = granted }],
        }],
        NodeEndpoints = LeaderAddress() is { } at ? [new() { NodeId = at.Id, Host = at.Host, Port = at.Port }] : [],
    };

    private void OnVoteAnswered(QuorumOutput.Send sent, VoteRequest request, VoteResponse? response)
    {
        var asked = QuorumMessages.Partition(request)!;
        var voter = new ReplicaKey(request.VoterId, asked.VoterDirectoryId);
        var isCurrent = _ballot.SlotOf(voter).TryEnd(sent.Token, _now + _settings.RetryBackoffMs);
        if (response is not { ErrorCode: ErrorCode.None } || QuorumMessages.Partition(response) is not { } answer)
        {
            if (isCurrent)
            {
                _ballot.RecordSilence(voter);
                ShortenIfHopeless();
            }

            return;
        }

        // Who grants does not hear from the leader that it names; to go back to that one would end every election.
        var said = response.NodeEndpoints.Find(one => one.NodeId == answer.LeaderId);
        var leader = answer.VoteGranted ? null : PeerOf(answer.LeaderId, said is null ? null : new QuorumPeer(said.NodeId, said.Host, said.Port));
        Learn(answer.LeaderEpoch, leader);
        var isCampaign = Role == (asked.PreVote ? QuorumRole.Prospective : QuorumRole.Candidate) && asked.ReplicaEpoch == Epoch;
        if (!isCurrent || !isCampaign || answer.ErrorCode != ErrorCode.None)
        {
            return;
        }

        _ballot.Record(voter, answer.VoteGranted);
        ShortenIfHopeless();
    }

    /// <summary>There is no use in waiting for the election's end; chance decides which of two that met tries again first.</summary>
    private void ShortenIfHopeless()
    {
        if (_ballot.IsLost(_log.Voters) || (Role == QuorumRole.Candidate && _ballot.IsStuck(_log.Voters)))
        {
            _roleEndsMs = Math.Min(_roleEndsMs, _now + 1 + _random.Next(_settings.ElectionBackoffMaxMs));
        }
    }
}
