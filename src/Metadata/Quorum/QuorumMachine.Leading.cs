using Milena.Metadata.Snapshots;
using Milena.Model;
using Milena.Protocol;
using Milena.Storage;

namespace Milena.Metadata.Quorum;

/// <summary>Leading: serving fetches, deciding what is committed, and knowing when to give up.</summary>
public sealed partial class QuorumMachine
{
    private sealed record ParkedFetch(long RequestId, ReplicaKey Replica, FetchRequest.FetchPartition Asked, int MaxBytes, long DeadlineMs);

    private readonly List<ParkedFetch> _parkedFetches = [];
    private readonly Dictionary<ReplicaKey, RequestSlot> _endings = [];

    /// <summary>Null unless this replica leads.</summary>
    private Leadership? _leadership;

    /// <summary>What this leader knows of its voters, in the order of their ids, and then of its observers; nothing where it does not lead.</summary>
    public IReadOnlyList<ReplicaStatus> Replicas(long nowMs)
    {
        if (Role != QuorumRole.Leader)
        {
            return [];
        }

        var observers = _leadership!.Replicas.Where(one => one.Value.HasFetched && !_log.Voters.Contains(one.Key))
            .Select(one => one.Key).OrderBy(key => key.Id).ThenBy(key => key.DirectoryId);
        return [.. _log.Voters.All.Select(voter => voter.Key).Concat(observers).Select(key => StatusOf(key, nowMs))];
    }

    private ReplicaStatus StatusOf(ReplicaKey key, long nowMs)
    {
        if (key == _self.Key)
        {
            return new ReplicaStatus(key, true, _log.EndOffset, nowMs, nowMs);
        }

        var (isVoter, replica) = (_log.Voters.Contains(key), _leadership!.Find(key));
        return replica is { HasFetched: true }
            ? new ReplicaStatus(key, isVoter, replica.HasAcknowledged ? replica.FetchOffset : -1, replica.LastFetchMs, replica.LastCaughtUpMs ?? -1)
            : new ReplicaStatus(key, isVoter, -1, -1, -1);
    }

    private void EnterLeader()
    {
        var granting = _ballot.Granting.ToList();
        SetElection(_election with { LeaderId = _self.Key.Id });
        Role = QuorumRole.Leader;
        _leader = null;
        _leadership = new Leadership(Epoch, _log.EndOffset, _now);
        AppendOwn(FirstBatchOfEpoch(granting));
        AdvanceHighWatermark();
    }

    /// <summary>Who leads; and, where the log does not say it yet, who votes. A sole voter that moved says where it is now.</summary>
    private byte[] FirstBatchOfEpoch(List<ReplicaKey> granting)
    {
        var change = new LeaderChangeMessage
        {
            Version = LeaderChangeMessage.HighestVersion,
            LeaderId = _self.Key.Id,
            Voters = [.. _log.Voters.All.Select(voter => new LeaderChangeMessage.Voter { VoterId = voter.Key.Id, VoterDirectoryId = voter.Key.DirectoryId })],
            GrantingVoters = [.. granting.Select(key => new LeaderChangeMessage.Voter { VoterId = key.Id, VoterDirectoryId = key.DirectoryId })],
        };
        IMessage[] voters = _log.VotersOffset < 0
            ? [new KRaftVersionRecord { KRaftVersion = VoterSet.KRaftVersion }, _log.Voters.With(new Voter(_self.Key, _self.Endpoints)).ToRecord()]
            : [];
        return ControlRecords.ToBatch(_now, [change, .. voters]);
    }

    private long LeaderDeadline()
    {
        var deadline = CheckQuorumDeadline();
        foreach (var fetch in _parkedFetches)
        {
            deadline = Math.Min(deadline, fetch.DeadlineMs);
        }

        foreach (var voter in OtherVoters)
        {
            deadline = Math.Min(deadline, BeginDueMs(_leadership!.Of(voter.Key)));
        }

        return Math.Min(deadline, _voterChange?.DeadlineMs ?? long.MaxValue);
    }

    /// <summary>A voter that does not fetch may not know who leads: it is told, and told again.</summary>
    private long BeginDueMs(Leadership.Replica replica)
    {
        var quietUntil = replica.HasFetched ? replica.LastFetchMs + (_settings.FetchTimeoutMs / 2) : 0;
        return replica.Begin.DueMs is { } due ? Math.Max(due, quietUntil) : long.MaxValue;
    }

    private long CheckQuorumDeadline() => _leadership!.MajorityHeardMs(_log.Voters, _self.Key, _now) + _settings.CheckQuorumTimeoutMs;

    private void ProceedLeader()
    {
        if (CheckQuorumDeadline() <= _now)
        {
            // A majority may follow another leader by now: nothing that this one takes would ever be decided.
            Resign();
            return;
        }

        foreach (var voter in OtherVoters)
        {
            var replica = _leadership!.Of(voter.Key);
            if (BeginDueMs(replica) <= _now)
            {
                Send(replica.Begin, voter.Peer, QuorumMessages.Begin(_self.ClusterId, _self.Key.Id, voter.Key, Epoch, _self.Endpoints));
            }
        }

        _leadership!.ForgetSilent(_log.Voters, _now - _settings.ObserverTimeoutMs);
        AnswerParkedFetches();
        ProceedVoterChange();
    }

    private void OnBeginAnswered(QuorumOutput.Send sent, BeginQuorumEpochRequest request, BeginQuorumEpochResponse? response)
    {
        var begun = QuorumMessages.Partition(request)!;
        var isReached = response is not null;
        if (Role == QuorumRole.Leader && begun.LeaderEpoch == Epoch)
        {
            _leadership!.Of(new ReplicaKey(request.VoterId, begun.VoterDirectoryId)).Begin
                .TryEnd(sent.Token, _now + (isReached ? _settings.FetchTimeoutMs / 2 : _settings.RetryBackoffMs));
        }

        if (response is { ErrorCode: ErrorCode.None } && QuorumMessages.Partition(response) is { } answer)
        {
            var said = response.NodeEndpoints.Find(one => one.NodeId == answer.LeaderId);
            Learn(answer.LeaderEpoch, PeerOf(answer.LeaderId, said is null ? null : new QuorumPeer(said.NodeId, said.Host, said.Port)));
        }
    }

    private void OnFetch(long requestId, FetchRequest request)
    {
        if (QuorumMessages.Partition(request) is not { } asked)
        {
            _outputs.Add(new QuorumOutput.Drop(requestId));
            return;
        }

        var refused = FetchError(request.ClusterId, request.ReplicaState.ReplicaId, asked.CurrentLeaderEpoch);
        if ((refused ?? (asked.FetchOffset < 0 ? ErrorCode.InvalidRequest : null)) is { } error)
        {
            var refusal = FetchResponseOf(error);
            refusal.ErrorCode = error is ErrorCode.InconsistentClusterId ? error : ErrorCode.None;
            Answer(requestId, refusal);
            return;
        }

        var replica = new ReplicaKey(request.ReplicaState.ReplicaId, asked.ReplicaDirectoryId);
        var isOutOfReach = _log.IsOutOfReach(asked.LastFetchedEpoch, asked.FetchOffset);
        var end = _log.EndOf(asked.LastFetchedEpoch);
        var diverges = isOutOfReach || end.Epoch != asked.LastFetchedEpoch || end.EndOffset < asked.FetchOffset;
        var isKnown = replica.Id >= 0 && _leadership!.Fetched(
            replica, _log.Voters.Contains(replica), diverges ? null : asked.FetchOffset, _log.EndOffset, _now, _settings.MaxReplicas);
        if (diverges)
        {
            Answer(requestId, isOutOfReach ? Offer(_log.Snapshot!.Value) : Diverging(end));
            return;
        }

        AdvanceHighWatermark();
        var maxWaitMs = isKnown ? Math.Min(request.MaxWaitMs, _settings.FetchTimeoutMs) : 0;
        ServeOrPark(new ParkedFetch(requestId, replica, asked, Math.Min(request.MaxBytes, _settings.FetchMaxBytes), _now + maxWaitMs));
    }

    private FetchResponse Diverging(EpochEnd end)
    {
        var response = FetchResponseOf(ErrorCode.None);
        response.Responses[0].Partitions[0].DivergingEpoch = new() { Epoch = end.Epoch, EndOffset = end.EndOffset };
        return response;
    }

    private FetchResponse Offer(SnapshotId snapshot)
    {
        var response = FetchResponseOf(ErrorCode.None);
        response.Responses[0].Partitions[0].SnapshotId = new() { EndOffset = snapshot.EndOffset, Epoch = snapshot.Epoch };
        return response;
    }

    private ErrorCode? FetchError(string? clusterId, int replicaId, int leaderEpoch)
    {
        if (clusterId is not null && clusterId != _self.ClusterId)
        {
            return ErrorCode.InconsistentClusterId;
        }

        // A predecessor of this very node, on a disk that is gone, cannot fetch from it.
        return leaderEpoch > Epoch ? ErrorCode.UnknownLeaderEpoch
            : Role != QuorumRole.Leader || replicaId == _self.Key.Id ? ErrorCode.NotLeaderOrFollower
            : leaderEpoch >= 0 && leaderEpoch < Epoch ? ErrorCode.FencedLeaderEpoch
            : null;
    }

    private void ServeOrPark(ParkedFetch fetch)
    {
        // A replica that asks anew has given up on its earlier fetch, which otherwise would pile up here.
        if (_parkedFetches.Find(one => one.Replica == fetch.Replica) is { } earlier)
        {
            _parkedFetches.Remove(earlier);
            Serve(earlier);
        }

        if (Role != QuorumRole.Leader || IsReady(fetch))
        {
            Serve(fetch);
        }
        else
        {
            _parkedFetches.Add(fetch);
        }
    }

    private bool IsReady(ParkedFetch fetch) =>
        fetch.DeadlineMs <= _now || fetch.Asked.FetchOffset < _log.EndOffset || HighWatermark > fetch.Asked.HighWatermark;

    private void AnswerParkedFetches()
    {
        if (_parkedFetches.Exists(IsReady))
        {
            var ready = _parkedFetches.FindAll(IsReady);
            _parkedFetches.RemoveAll(ready.Contains);
            ready.ForEach(Serve);
        }
    }

    private void Serve(ParkedFetch fetch)
    {
        if (Role != QuorumRole.Leader)
        {
            Answer(fetch.RequestId, FetchResponseOf(ErrorCode.NotLeaderOrFollower));
            return;
        }

        // No promise of a leader waits for the disk: it became one when its vote was there.
        var response = FetchResponseOf(ErrorCode.None);
        _outputs.Add(fetch.Asked.FetchOffset < _log.EndOffset
            ? new QuorumOutput.AnswerWithRecords(fetch.RequestId, response, fetch.Asked.FetchOffset, fetch.MaxBytes)
            : new QuorumOutput.Answer(fetch.RequestId, response));
    }

    private FetchResponse FetchResponseOf(ErrorCode error) => new()
    {
        Responses = [new()
        {
            Topic = QuorumMessages.Topic,
            TopicId = QuorumMessages.TopicId,
            Partitions = [new()
            {
                ErrorCode = error,
                HighWatermark = error == ErrorCode.None ? HighWatermark : -1,
                LogStartOffset = _log.StartOffset,
                CurrentLeader = new() { LeaderId = LeaderId ?? -1, LeaderEpoch = Epoch },
                Records = Records.Empty,
            }],
        }],
        NodeEndpoints = LeaderAddress() is { } at ? [new() { NodeId = at.Id, Host = at.Host, Port = at.Port }] : [],
    };

    /// <summary>Decides what a majority of the voters has on its disk, once a record of the leader's own epoch is among it.</summary>
    /// <remarks>An earlier epoch's record on a majority is not decided by that alone: a leader of an epoch between may yet replace it (Raft, 5.4.2).</remarks>
    private void AdvanceHighWatermark()
    {
        if (Role != QuorumRole.Leader)
        {
            return;
        }

        var majority = _leadership!.MajorityOffset(_log.Voters, _self.Key, _log.FlushedOffset);
        if (majority <= _leadership.EpochStart || majority <= HighWatermark)
        {
            return;
        }

        MoveHighWatermark(majority);
        if (!_leadership.IsEstablished)
        {
            _leadership.IsEstablished = true;
            _outputs.Add(new QuorumOutput.BecameLeader(Epoch));
        }

        AnswerParkedFetches();
        EndVoterChange();
    }

    /// <summary>What a leader must not take into its next role: fetches and changes that wait for it.</summary>
    private void LeaveRole()
    {
        if (Role != QuorumRole.Leader)
        {
            return;
        }

        var (epoch, established) = (Epoch, _leadership!.IsEstablished);
        Role = QuorumRole.Resigned;
        _leadership = null;
        if (established)
        {
            _outputs.Add(new QuorumOutput.LostLeadership(epoch));
        }

        _parkedFetches.ForEach(Serve);
        _parkedFetches.Clear();
        FailVoterChange(ErrorCode.NotLeaderOrFollower, null);
    }

    private void Resign()
    {
        var successors = OtherVoters.Select(voter => voter.Key)
            .OrderByDescending(key => _leadership!.Find(key)?.FetchOffset ?? 0).ThenBy(key => key.Id).ToList();
        var voters = OtherVoters.ToList();
        LeaveRole();
        SetElection(_election with { LeaderId = null });
        _roleEndsMs = _now + RandomElectionTimeout();
        _endings.Clear();
        foreach (var voter in voters)
        {
            Send(_endings[voter.Key] = new RequestSlot(), voter.Peer, QuorumMessages.End(_self.ClusterId, _self.Key.Id, Epoch, successors, _self.Endpoints));
        }
    }

    private long ResignedDeadline() => _roleEndsMs;

    private void ProceedResigned()
    {
        if (_now >= _roleEndsMs)
        {
            EnterUnattached();
        }
    }

    private void OnEndAnswered(QuorumOutput.Send sent, EndQuorumEpochResponse? response)
    {
        // Told once: who did not hear it finds out by its fetch timeout.
        foreach (var slot in _endings.Values)
        {
            slot.TryEnd(sent.Token, _now);
        }

        if (response is { ErrorCode: ErrorCode.None } && QuorumMessages.Partition(response) is { } answer)
        {
            Learn(answer.LeaderEpoch, PeerOf(answer.LeaderId, null));
        }
    }
}
