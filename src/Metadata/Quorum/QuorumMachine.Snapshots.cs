using Milena.Metadata.Snapshots;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Metadata.Quorum;

/// <summary>Snapshots: a leader serves its own in pieces, a follower whose log ends below its leader's begins again from one (KIP-630).</summary>
/// <remarks>
/// A snapshot takes the log's place when it is durable under its name, and only where the log does not hold what it says: what this replica
/// has acknowledged above a snapshot that it holds is here to stay. A crash between the two is for whoever opens the log to mend, by the same rule.
/// </remarks>
public sealed partial class QuorumMachine
{
    /// <summary>The one snapshot that is being fetched; complete while the disk makes it durable.</summary>
    private sealed class IncomingSnapshot(SnapshotId id)
    {
        private long? _size;

        public SnapshotId Id => id;

        public long Position { get; private set; }

        public bool IsComplete => Position == _size;

        /// <summary>False for a piece that does not go on where the last one ended, or that is of another file.</summary>
        public bool TryTake(long position, int bytes, long size)
        {
            if (position != Position || bytes <= 0 || bytes > size - position || (_size is { } known && known != size))
            {
                return false;
            }

            (Position, _size) = (position + bytes, size);
            return true;
        }
    }

    private IncomingSnapshot? _incoming;
    private RequestSlot _pieces = new();

    /// <summary>The leader of now has offered what is being fetched; another one may have other snapshots, or a log that reaches far enough back.</summary>
    private bool _isOffered;

    /// <summary>False too while the disk freezes what came: then there are plain fetches.</summary>
    private bool WantsPieces => _isOffered && _incoming is { IsComplete: false };

    /// <summary>A snapshot of decided records is on this replica's disk, written here.</summary>
    public void SnapshotWritten(SnapshotId snapshot) => _log.SnapshotWritten(snapshot);

    /// <summary>The log was cut below one of the snapshots.</summary>
    public void LogCut(SnapshotId snapshot) => _log.CutBelow(snapshot);

    /// <summary>What <see cref="QuorumOutput.FreezeSnapshot"/> asked for is done: the snapshot is whole, and durable under its name.</summary>
    /// <param name="voters">The ones that it names; null when it names none.</param>
    public void SnapshotFrozen(SnapshotId snapshot, VoterSet? voters, long nowMs)
    {
        _now = Math.Max(_now, nowMs);
        (_incoming, _isOffered) = (null, false);
        if (snapshot.EndOffset <= HighWatermark || _log.Holds(snapshot))
        {
            _log.SnapshotWritten(snapshot);
        }
        else
        {
            BeginAgainFrom(snapshot, voters);
        }

        MoveHighWatermark(snapshot.EndOffset);
        _fetch.NotBefore(_now);
        Proceed();
    }

    /// <summary>What was fetched is no whole snapshot, and is gone.</summary>
    public void SnapshotRefused(long nowMs)
    {
        _now = Math.Max(_now, nowMs);
        (_incoming, _isOffered) = (null, false);
        _fetch.NotBefore(_now + _settings.FetchTimeoutMs / 2);
        Proceed();
    }

    private void BeginAgainFrom(SnapshotId snapshot, VoterSet? voters)
    {
        if (Role == QuorumRole.Leader)
        {
            throw new InvalidDataException($"This replica leads epoch {Epoch} without the decided records below offset {snapshot.EndOffset}.");
        }

        _log.StartAt(snapshot, voters);
        _outputs.Add(new QuorumOutput.ReplaceLog(snapshot));
        // What is under way was asked of the old log, and its answer would be taken for one about the new.
        _fetch = new RequestSlot();
    }

    private void TakeOffer(SnapshotId offered)
    {
        if (offered.EndOffset <= HighWatermark)
        {
            throw new InvalidDataException(
                $"The leader {LeaderId} of epoch {Epoch} has nothing but a snapshot up to offset {offered.EndOffset}, where {HighWatermark} is decided.");
        }

        if (_incoming is not { IsComplete: true } && _incoming?.Id != offered)
        {
            DropIncoming();
            _incoming = new IncomingSnapshot(offered);
            _outputs.Add(new QuorumOutput.BeginSnapshot(offered));
        }

        _isOffered = true;
    }

    /// <summary>Gives up what is not whole yet. What is being frozen comes back by <see cref="SnapshotFrozen"/>, which judges it by the log as it then is.</summary>
    private void DropIncoming()
    {
        if (_incoming is { IsComplete: false } incoming)
        {
            _outputs.Add(new QuorumOutput.DropSnapshot(incoming.Id));
            (_incoming, _isOffered) = (null, false);
        }
    }

    private void AskForPiece()
    {
        if (MayPromise && _pieces.IsDue(_now))
        {
            Send(_pieces, _leader!.Value, QuorumMessages.FetchSnapshot(_self.ClusterId, _self.Key, Epoch, _incoming!.Id, _incoming.Position, _settings));
        }
    }

    private void OnPieceAnswered(QuorumOutput.Send sent, FetchSnapshotResponse? response)
    {
        var isCurrent = _pieces.TryEnd(sent.Token, _now + _settings.RetryBackoffMs);
        if (response is not { ErrorCode: ErrorCode.None } || QuorumMessages.Partition(response) is not { } answer)
        {
            return;
        }

        var leaderId = answer.CurrentLeader.LeaderId;
        var said = response.NodeEndpoints.Find(one => one.NodeId == leaderId);
        Learn(answer.CurrentLeader.LeaderEpoch, PeerOf(leaderId, said is null ? null : new QuorumPeer(said.NodeId, said.Host, said.Port)));
        if (isCurrent && Role == QuorumRole.Follower && answer.CurrentLeader.LeaderEpoch == Epoch && leaderId == LeaderId && WantsPieces)
        {
            TakePiece(answer);
        }
    }

    private void TakePiece(FetchSnapshotResponse.PartitionSnapshot answer)
    {
        var incoming = _incoming!;
        var piece = answer.UnalignedRecords.Memory;
        if (answer.ErrorCode != ErrorCode.None || incoming.Id != new SnapshotId(answer.SnapshotId.EndOffset, answer.SnapshotId.Epoch)
            || piece.Length > _settings.FetchMaxBytes || !incoming.TryTake(answer.Position, piece.Length, answer.Size))
        {
            // The leader has no such snapshot any more: the next fetch brings its next offer.
            DropIncoming();
            _fetch.NotBefore(_now + _settings.RetryBackoffMs);
            return;
        }

        _outputs.Add(new QuorumOutput.AppendSnapshotPiece(incoming.Id, piece));
        _hasFetchedFromLeader = true;
        _roleEndsMs = _now + RandomFetchTimeout();
        _pieces.NotBefore(_now);
        if (incoming.IsComplete)
        {
            _outputs.Add(new QuorumOutput.FreezeSnapshot(incoming.Id));
            _fetch.NotBefore(_now + _settings.FetchMaxWaitMs);
        }
    }

    private void OnFetchSnapshot(long requestId, FetchSnapshotRequest request)
    {
        if (QuorumMessages.Partition(request) is not { } asked)
        {
            _outputs.Add(new QuorumOutput.Drop(requestId));
            return;
        }

        var snapshot = new SnapshotId(asked.SnapshotId.EndOffset, asked.SnapshotId.Epoch);
        var error = asked.Position < 0 ? ErrorCode.PositionOutOfRange : FetchError(request.ClusterId, request.ReplicaId, asked.CurrentLeaderEpoch);
        var response = PieceResponseOf(error ?? ErrorCode.None, asked);
        if (error is not null)
        {
            response.ErrorCode = error is ErrorCode.InconsistentClusterId ? ErrorCode.InconsistentClusterId : ErrorCode.None;
            Answer(requestId, response);
            return;
        }

        if (request.ReplicaId >= 0)
        {
            var replica = new ReplicaKey(request.ReplicaId, asked.ReplicaDirectoryId);
            _leadership!.Fetched(replica, _log.Voters.Contains(replica), ackedOffset: null, _log.EndOffset, _now, _settings.MaxReplicas);
        }

        var maxBytes = Math.Clamp(request.MaxBytes, 1, _settings.FetchMaxBytes);
        _outputs.Add(new QuorumOutput.AnswerWithSnapshot(requestId, response, snapshot, asked.Position, maxBytes));
    }

    private FetchSnapshotResponse PieceResponseOf(ErrorCode error, FetchSnapshotRequest.PartitionSnapshot asked) => new()
    {
        Topics = [new()
        {
            Name = QuorumMessages.Topic,
            Partitions = [new()
            {
                ErrorCode = error,
                SnapshotId = new() { EndOffset = asked.SnapshotId.EndOffset, Epoch = asked.SnapshotId.Epoch },
                CurrentLeader = new() { LeaderId = LeaderId ?? -1, LeaderEpoch = Epoch },
                Position = asked.Position,
                UnalignedRecords = Records.Empty,
            }],
        }],
        NodeEndpoints = LeaderAddress() is { } at ? [new() { NodeId = at.Id, Host = at.Host, Port = at.Port }] : [],
    };
}
