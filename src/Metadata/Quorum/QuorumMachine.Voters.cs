using System.Collections.Immutable;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Metadata.Quorum;

/// <summary>Who votes, changed while the quorum works: one change at a time, in force from its append (KIP-853).</summary>
/// <remarks>
/// Any two voter sets that follow each other differ in one voter, so majorities of both share one. A change is refused until the leader has
/// decided a record of its own epoch: before, it might not know of a change that an earlier leader decided.
/// </remarks>
public sealed partial class QuorumMachine
{
    /// <summary>The one change that waits: for the newcomer to catch up, then for its record to be decided.</summary>
    private sealed record VoterChange(long RequestId, Voter? Newcomer, long DeadlineMs, bool AckWhenCommitted, Func<ErrorCode, IResponseMessage> Answer)
    {
        /// <summary>Null until the record is appended.</summary>
        public long? Offset { get; set; }

        public bool IsAnswered { get; set; }
    }

    private VoterChange? _voterChange;

    private bool AddressIsOutdated => _log.Voters.Find(_self.Key.Id) is { } own && own.Key == _self.Key && !own.HasEndpoints(_self.Endpoints);

    private void OnAddVoter(long requestId, AddRaftVoterRequest request)
    {
        var key = new ReplicaKey(request.VoterId, request.VoterDirectoryId);
        var newcomer = new Voter(key, [.. request.Listeners.Select(one => new QuorumEndpoint(one.Name, one.Host, one.Port))]);
        var error = ChangeError(request.ClusterId);
        if (error == ErrorCode.None)
        {
            error = newcomer.Endpoints.IsEmpty || key.Id < 0 || key.DirectoryId == Guid.Empty ? ErrorCode.InvalidRequest
                : _log.Voters.Find(key.Id) is not null ? ErrorCode.DuplicateVoter
                : ErrorCode.None;
        }

        if (error != ErrorCode.None)
        {
            Answer(requestId, new AddRaftVoterResponse { ErrorCode = error, ErrorMessage = Say(error) });
            return;
        }

        var waitMs = Math.Clamp(request.TimeoutMs, 0, _settings.VoterChangeMaxMs);
        _voterChange = new VoterChange(requestId, newcomer, _now + waitMs, request.AckWhenCommitted, code => new AddRaftVoterResponse { ErrorCode = code, ErrorMessage = Say(code) });
        ProceedVoterChange();
    }

    private void OnRemoveVoter(long requestId, RemoveRaftVoterRequest request)
    {
        var error = ChangeError(request.ClusterId);
        if (error == ErrorCode.None)
        {
            error = !_log.Voters.Contains(new ReplicaKey(request.VoterId, request.VoterDirectoryId)) ? ErrorCode.VoterNotFound
                : _log.Voters.Count == 1 ? ErrorCode.InvalidRequest
                : ErrorCode.None;
        }

        if (error != ErrorCode.None)
        {
            Answer(requestId, new RemoveRaftVoterResponse { ErrorCode = error, ErrorMessage = Say(error) });
            return;
        }

        _voterChange = new VoterChange(requestId, null, _now + _settings.VoterChangeMaxMs, true, code => new RemoveRaftVoterResponse { ErrorCode = code, ErrorMessage = Say(code) });
        AppendVoters(_log.Voters.Without(request.VoterId));
    }

    private void OnUpdateVoter(long requestId, UpdateRaftVoterRequest request)
    {
        var key = new ReplicaKey(request.VoterId, request.VoterDirectoryId);
        ImmutableArray<QuorumEndpoint> endpoints = [.. request.Listeners.Select(one => new QuorumEndpoint(one.Name, one.Host, one.Port))];
        var error = ChangeError(request.ClusterId);
        if (error == ErrorCode.None)
        {
            error = request.CurrentLeaderEpoch != Epoch ? ErrorCode.FencedLeaderEpoch
                : endpoints.IsEmpty ? ErrorCode.InvalidRequest
                : _log.Voters.Contains(key) ? ErrorCode.None
                : ErrorCode.VoterNotFound;
        }

        if (error != ErrorCode.None || _log.Voters.Find(key.Id)!.HasEndpoints(endpoints))
        {
            Answer(requestId, UpdateResponseOf(error));
            return;
        }

        _voterChange = new VoterChange(requestId, null, _now + _settings.VoterChangeMaxMs, true, UpdateResponseOf);
        AppendVoters(_log.Voters.With(new Voter(key, endpoints)));
    }

    private UpdateRaftVoterResponse UpdateResponseOf(ErrorCode error)
    {
        var at = LeaderAddress();
        return new UpdateRaftVoterResponse
        {
            ErrorCode = error,
            CurrentLeader = new() { LeaderId = LeaderId ?? -1, LeaderEpoch = Epoch, Host = at?.Host ?? "", Port = at?.Port ?? 0 },
        };
    }

    private UpdateRaftVoterRequest OwnVoterUpdate() => new()
    {
        ClusterId = _self.ClusterId,
        CurrentLeaderEpoch = Epoch,
        VoterId = _self.Key.Id,
        VoterDirectoryId = _self.Key.DirectoryId,
        Listeners = [.. _self.Endpoints.Select(one => new UpdateRaftVoterRequest.Listener { Name = one.Name, Host = one.Host, Port = one.Port })],
        KRaftVersionFeature = new() { MinSupportedVersion = 0, MaxSupportedVersion = 1 },
    };

    private void OnUpdateVoterAnswered(QuorumOutput.Send sent, UpdateRaftVoterResponse? response)
    {
        // A success shows in the log, and until it does there is no need to ask again soon.
        var wait = response is { ErrorCode: ErrorCode.None } ? _settings.FetchTimeoutMs : _settings.ElectionTimeoutMs;
        _update.TryEnd(sent.Token, _now + wait);
    }

    private ErrorCode ChangeError(string? clusterId)
    {
        if (clusterId is not null && clusterId != _self.ClusterId)
        {
            return ErrorCode.InconsistentClusterId;
        }

        if (Role != QuorumRole.Leader)
        {
            return ErrorCode.NotLeaderOrFollower;
        }

        var isSettled = HighWatermark > _leadership!.EpochStart && _log.VotersOffset < HighWatermark && _voterChange is null;
        return isSettled ? ErrorCode.None : ErrorCode.RequestTimedOut;
    }

    private static string? Say(ErrorCode error) => error switch
    {
        ErrorCode.None => null,
        ErrorCode.NotLeaderOrFollower => "This replica does not lead the metadata quorum.",
        ErrorCode.RequestTimedOut => "The change was not decided in time, or another one is under way: try again.",
        ErrorCode.DuplicateVoter => "A voter of this id is in the quorum; remove it first.",
        ErrorCode.VoterNotFound => "The quorum has no voter of this id and directory.",
        ErrorCode.InvalidRequest => "A voter needs an id, a directory id and an address, and the last voter cannot be removed.",
        ErrorCode.InconsistentClusterId => "The request is for another cluster.",
        _ => null,
    };

    private void AppendVoters(VoterSet voters)
    {
        AppendOwn(ControlRecords.ToBatch(_now, voters.ToRecord()));
        if (_voterChange is { } change)
        {
            change.Offset = _log.VotersOffset;
            if (!change.AckWhenCommitted)
            {
                AnswerChange(change, ErrorCode.None);
            }
        }

        // A smaller set may be content with what its members have already.
        AdvanceHighWatermark();
    }

    private void ProceedVoterChange()
    {
        if (_voterChange is { Offset: null, Newcomer: { } newcomer })
        {
            // Caught up with what was there a short while ago: it will not hold up the next decisions as a voter.
            if (_leadership!.Find(newcomer.Key) is { LastCaughtUpMs: { } caughtUp } && caughtUp + _settings.FetchTimeoutMs >= _now)
            {
                AppendVoters(_log.Voters.With(newcomer));
                return;
            }
        }
        else if (_voterChange is null && Role == QuorumRole.Leader && AddressIsOutdated && ChangeError(null) == ErrorCode.None)
        {
            AppendVoters(_log.Voters.With(new Voter(_self.Key, _self.Endpoints)));
        }

        if (_voterChange is { } waiting && _now >= waiting.DeadlineMs)
        {
            FailVoterChange(ErrorCode.RequestTimedOut);
        }
    }

    private void EndVoterChange()
    {
        if (_voterChange is { Offset: { } offset } change && offset < HighWatermark)
        {
            _voterChange = null;
            AnswerChange(change, ErrorCode.None);
        }

        if (!IsVoter && _log.VotersOffset < HighWatermark)
        {
            // It led on until its own removal was decided; the others elect one of themselves.
            Resign();
        }
    }

    /// <summary>Says that it is not known to be decided; an appended record may still be.</summary>
    private void FailVoterChange(ErrorCode error)
    {
        if (_voterChange is { } change)
        {
            _voterChange = null;
            AnswerChange(change, error);
        }
    }

    private void AnswerChange(VoterChange change, ErrorCode error)
    {
        if (!change.IsAnswered)
        {
            change.IsAnswered = true;
            Answer(change.RequestId, change.Answer(error));
        }
    }
}
