using Milena.Metadata.Snapshots;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Metadata.Quorum;

/// <summary>Following a leader, as a voter or as an observer.</summary>
public sealed partial class QuorumMachine
{
    private QuorumPeer? _leader;
    private RequestSlot _fetch = new();
    private RequestSlot _update = new();
    private bool _hasFetchedFromLeader;

    private void EnterFollower(QuorumPeer leader)
    {
        Role = QuorumRole.Follower;
        _leader = leader;
        _fetch = new RequestSlot();
        _update = new RequestSlot();
        _pieces = new RequestSlot();
        _isOffered = false;
        _hasFetchedFromLeader = false;
        _roleEndsMs = _now + RandomFetchTimeout();
    }

    /// <summary>A little apart from the others': the leader's last answer reached them all at once, and two that stand at once may both fail.</summary>
    private long RandomFetchTimeout() => _settings.FetchTimeoutMs + _random.Next(_settings.FetchTimeoutMs / 4);

    private bool LogIsFlushed => _log.FlushedOffset == _log.EndOffset;

    private long FollowerDeadline()
    {
        var deadline = _roleEndsMs;
        if (MayPromise && (WantsPieces ? _pieces : LogIsFlushed ? _fetch : null)?.DueMs is { } fetch)
        {
            deadline = Math.Min(deadline, fetch);
        }

        return MayPromise && AddressIsOutdated && _update.DueMs is { } update ? Math.Min(deadline, update) : deadline;
    }

    /// <summary>
    /// Nobody listens any more where the peer did, so its process has ended. If it is the leader, there is nothing to wait for. Should it be
    /// there after all, the others hear from it and elect nobody.
    /// </summary>
    public void PeerGone(QuorumPeer peer, long nowMs)
    {
        _now = Math.Max(_now, nowMs);
        if (Role == QuorumRole.Follower && _leader == peer)
        {
            _hasFetchedFromLeader = false;
            // All followers learn of it at the same moment.
            _roleEndsMs = Math.Min(_roleEndsMs, _now + _random.Next(_settings.ElectionBackoffMaxMs / 2));
        }

        Proceed();
    }

    private void ProceedFollower()
    {
        if (_now >= _roleEndsMs)
        {
            if (IsVoter)
            {
                EnterProspective();
            }
            else
            {
                SetElection(_election with { LeaderId = null });
                EnterUnattached();
            }

            return;
        }

        if (WantsPieces)
        {
            AskForPiece();
        }
        else if (MayPromise && LogIsFlushed && _fetch.IsDue(_now))
        {
            // It says that all below its offset is here to stay, so it waits for the disk.
            Send(_fetch, _leader!.Value, QuorumMessages.Fetch(_self.ClusterId, _self.Key, Epoch, _log, HighWatermark, _settings));
        }

        if (MayPromise && AddressIsOutdated && _update.IsDue(_now))
        {
            Send(_update, _leader!.Value, OwnVoterUpdate());
        }
    }

    private void OnFetchAnswered(QuorumOutput.Send sent, FetchResponse? response)
    {
        // A fetch that found a leader is only good for that: what it brought, the next one brings again.
        var isDiscovery = _discovery.TryEnd(sent.Token, _now + _settings.RetryBackoffMs);
        var isCurrent = !isDiscovery && _fetch.TryEnd(sent.Token, _now + _settings.RetryBackoffMs);
        if (response is null || response.ErrorCode != ErrorCode.None || QuorumMessages.Partition(response) is not { } answer)
        {
            return;
        }

        var leaderId = answer.CurrentLeader.LeaderId;
        var said = response.NodeEndpoints.Find(one => one.NodeId == leaderId);
        Learn(answer.CurrentLeader.LeaderEpoch, PeerOf(leaderId, said is null ? null : new QuorumPeer(said.NodeId, said.Host, (ushort)said.Port)));
        if (isCurrent && Role == QuorumRole.Follower && answer.ErrorCode == ErrorCode.None
            && answer.CurrentLeader.LeaderEpoch == Epoch && leaderId == LeaderId)
        {
            Take(answer);
        }
    }

    private void Take(FetchResponse.PartitionData answer)
    {
        var isOffer = answer.SnapshotId.EndOffset >= 0;
        if (isOffer)
        {
            TakeOffer(new SnapshotId(answer.SnapshotId.EndOffset, answer.SnapshotId.Epoch));
        }
        else if (answer.DivergingEpoch.Epoch >= 0)
        {
            TruncateToCommonPoint(answer.DivergingEpoch);
        }
        else if (!TryAppendFetched(answer.Records.Memory))
        {
            return;
        }

        _hasFetchedFromLeader = true;
        _roleEndsMs = _now + RandomFetchTimeout();
        // An offer again, while the disk is still busy with what was fetched, only tells that the leader is there.
        _fetch.NotBefore(isOffer ? _now + _settings.FetchMaxWaitMs : _now);
        if (isOffer)
        {
            return;
        }

        DropIncoming();
        if (answer.DivergingEpoch.Epoch < 0)
        {
            MoveHighWatermark(Math.Min(answer.HighWatermark, _log.EndOffset));
        }
    }

    /// <summary>Cuts what no log that the leader can have shares with this one (KIP-595, KIP-320).</summary>
    private void TruncateToCommonPoint(FetchResponse.EpochEndOffset diverging)
    {
        var own = _log.EndOf(diverging.Epoch);
        var offset = own.Epoch == diverging.Epoch ? Math.Min(own.EndOffset, diverging.EndOffset) : own.EndOffset;
        if (offset < HighWatermark)
        {
            throw new InvalidDataException(
                $"The leader {LeaderId} of epoch {Epoch} does not have the decided records from offset {offset} to {HighWatermark}.");
        }

        if (offset < _log.EndOffset)
        {
            _log.TruncateTo(offset);
            _outputs.Add(new QuorumOutput.Truncate(offset));
        }
    }

    private bool TryAppendFetched(ReadOnlyMemory<byte> records)
    {
        if (!FetchedBatches.TryCheck(records.Span, _log.EndOffset, _log.LastEpoch, Epoch, out var bytes))
        {
            return false;
        }

        if (bytes > 0)
        {
            AppendToLog(records[..bytes]);
        }

        return true;
    }

    private void MoveHighWatermark(long offset)
    {
        if (offset > HighWatermark)
        {
            HighWatermark = offset;
            _outputs.Add(new QuorumOutput.HighWatermarkMoved(offset));
        }
    }

    private void OnBegin(long requestId, BeginQuorumEpochRequest request)
    {
        if (QuorumMessages.Partition(request) is not { } begun)
        {
            _outputs.Add(new QuorumOutput.Drop(requestId));
            return;
        }

        var error = CheckSender(request.ClusterId, request.VoterId, begun.VoterDirectoryId);
        if (error == ErrorCode.None)
        {
            var said = request.LeaderEndpoints is [var first, ..] ? new QuorumPeer(begun.LeaderId, first.Host, first.Port) : (QuorumPeer?)null;
            Learn(begun.LeaderEpoch, PeerOf(begun.LeaderId, said));
            error = begun.LeaderEpoch < Epoch ? ErrorCode.FencedLeaderEpoch : ErrorCode.None;
        }

        Answer(requestId, new BeginQuorumEpochResponse
        {
            ErrorCode = error is ErrorCode.InconsistentClusterId ? error : ErrorCode.None,
            Topics = [new()
            {
                TopicName = QuorumMessages.Topic,
                Partitions = [new() { ErrorCode = error, LeaderId = LeaderId ?? -1, LeaderEpoch = Epoch }],
            }],
            NodeEndpoints = LeaderAddress() is { } at ? [new() { NodeId = at.Id, Host = at.Host, Port = at.Port }] : [],
        });
    }

    /// <summary>The leader gave up. Who is first in its list stands soon, the others give those before them a while.</summary>
    private void OnEnd(long requestId, EndQuorumEpochRequest request)
    {
        if (QuorumMessages.Partition(request) is not { } ended)
        {
            _outputs.Add(new QuorumOutput.Drop(requestId));
            return;
        }

        var error = CheckSender(request.ClusterId, -1, Guid.Empty);
        if (error == ErrorCode.None)
        {
            Learn(ended.LeaderEpoch, null);
            error = ended.LeaderEpoch < Epoch ? ErrorCode.FencedLeaderEpoch : ErrorCode.None;
        }

        if (error == ErrorCode.None && Role == QuorumRole.Follower && ended.LeaderId == LeaderId)
        {
            var rank = ended.PreferredCandidates.FindIndex(one => one.CandidateId == _self.Key.Id && one.CandidateDirectoryId == _self.Key.DirectoryId);
            var place = rank < 0 ? ended.PreferredCandidates.Count : rank;
            _hasFetchedFromLeader = false;
            // Not before the others have heard it too: they would say that there is a leader.
            _roleEndsMs = Math.Min(_roleEndsMs, _now + _settings.RetryBackoffMs + (place * (long)_settings.ElectionBackoffMaxMs));
        }

        Answer(requestId, new EndQuorumEpochResponse
        {
            ErrorCode = error is ErrorCode.InconsistentClusterId ? error : ErrorCode.None,
            Topics = [new()
            {
                TopicName = QuorumMessages.Topic,
                Partitions = [new() { ErrorCode = error, LeaderId = LeaderId ?? -1, LeaderEpoch = Epoch }],
            }],
        });
    }

    /// <summary>The leader as others may be told of it; this replica itself when it leads.</summary>
    private QuorumPeer? LeaderAddress() => Role == QuorumRole.Leader
        ? new QuorumPeer(_self.Key.Id, _self.Endpoints[0].Host, _self.Endpoints[0].Port)
        : _leader;
}
