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
    private sealed record VoterChange(long RequestId, Voter? Newcomer, long DeadlineMs, bool AckWhenCommitted, Func<ErrorCode, string?, IResponseMessage> Answer)
    {
        /// <summary>Asks the newcomer, at the address that it is to have as a voter, what it serves.</summary>
        public RequestSlot Probe { get; } = new();

        /// <summary>It answered there, and can be a voter.</summary>
        public bool IsReached { get; set; }

        /// <summary>Null until the record is appended.</summary>
        public long? Offset { get; set; }

        public bool IsAnswered { get; set; }
    }

    private VoterChange? _voterChange;

    private bool AddressIsOutdated => _log.Voters.Find(_self.Key.Id) is { } own && own.Key == _self.Key && !own.HasEndpoints(_self.Endpoints);

    private void OnAddVoter(long requestId, AddRaftVoterRequest request)
    {
        var newcomer = NewcomerOf(request);
        var error = RequestError(request.ClusterId);
        if (error == ErrorCode.None)
        {
            error = newcomer is null ? ErrorCode.InvalidRequest
                : !MayChange ? ErrorCode.RequestTimedOut
                : _log.Voters.Find(request.VoterId) is not null ? ErrorCode.DuplicateVoter
                : ErrorCode.None;
        }

        if (error != ErrorCode.None)
        {
            Answer(requestId, AddResponseOf(error, null));
            return;
        }

        var waitMs = Math.Clamp(request.TimeoutMs, 0, _settings.VoterChangeMaxMs);
        _voterChange = new VoterChange(requestId, newcomer, _now + waitMs, request.AckWhenCommitted, AddResponseOf);
    }

    /// <summary>Who is to be added, reached under the name that this replica's own address has; null where the request does not say that.</summary>
    private Voter? NewcomerOf(AddRaftVoterRequest request)
    {
        var name = _self.Endpoints[0].Name;
        var endpoints = request.Listeners.DistinctBy(one => one.Name).OrderBy(one => one.Name != name)
            .Select(one => new QuorumEndpoint(one.Name, one.Host, one.Port)).ToImmutableArray();
        var isWhole = request.VoterId >= 0 && request.VoterDirectoryId != Guid.Empty
            && endpoints.Any(one => one.Name == name) && endpoints.All(one => one.Host.Length > 0 && one.Port > 0);
        return isWhole ? new Voter(new ReplicaKey(request.VoterId, request.VoterDirectoryId), endpoints) : null;
    }

    private void OnRemoveVoter(long requestId, RemoveRaftVoterRequest request)
    {
        var key = new ReplicaKey(request.VoterId, request.VoterDirectoryId);
        var error = RequestError(request.ClusterId);
        if (error == ErrorCode.None)
        {
            error = key.Id < 0 || key.DirectoryId == Guid.Empty ? ErrorCode.InvalidRequest
                : !MayChange ? ErrorCode.RequestTimedOut
                : !_log.Voters.Contains(key) || _log.Voters.Count == 1 ? ErrorCode.VoterNotFound
                : ErrorCode.None;
        }

        if (error != ErrorCode.None)
        {
            Answer(requestId, RemoveResponseOf(error, null));
            return;
        }

        _voterChange = new VoterChange(requestId, null, _now + _settings.VoterChangeMaxMs, true, RemoveResponseOf);
        AppendVoters(_log.Voters.Without(request.VoterId));
    }

    private void OnUpdateVoter(long requestId, UpdateRaftVoterRequest request)
    {
        var key = new ReplicaKey(request.VoterId, request.VoterDirectoryId);
        ImmutableArray<QuorumEndpoint> endpoints = [.. request.Listeners.Select(one => new QuorumEndpoint(one.Name, one.Host, one.Port))];
        var error = RequestError(request.ClusterId);
        if (error == ErrorCode.None)
        {
            error = !MayChange ? ErrorCode.RequestTimedOut
                : request.CurrentLeaderEpoch != Epoch ? ErrorCode.FencedLeaderEpoch
                : endpoints.IsEmpty ? ErrorCode.InvalidRequest
                : _log.Voters.Contains(key) ? ErrorCode.None
                : ErrorCode.VoterNotFound;
        }

        if (error != ErrorCode.None || _log.Voters.Find(key.Id)!.HasEndpoints(endpoints))
        {
            Answer(requestId, UpdateResponseOf(error, null));
            return;
        }

        _voterChange = new VoterChange(requestId, null, _now + _settings.VoterChangeMaxMs, true, UpdateResponseOf);
        AppendVoters(_log.Voters.With(new Voter(key, endpoints)));
    }

    private UpdateRaftVoterResponse UpdateResponseOf(ErrorCode error, string? message)
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
        KRaftVersionFeature = new() { MinSupportedVersion = 0, MaxSupportedVersion = VoterSet.KRaftVersion },
    };

    private void OnUpdateVoterAnswered(QuorumOutput.Send sent, UpdateRaftVoterResponse? response)
    {
        // A success shows in the log, and until it does there is no need to ask again soon.
        var wait = response is { ErrorCode: ErrorCode.None } ? _settings.FetchTimeoutMs : _settings.ElectionTimeoutMs;
        _update.TryEnd(sent.Token, _now + wait);
    }

    private void OnNewcomerAnswered(QuorumOutput.Send sent, ApiVersionsResponse? response)
    {
        if (_voterChange is not { Newcomer: { } newcomer } change || !change.Probe.TryEnd(sent.Token, long.MaxValue))
        {
            // The change that it was asked for is over.
            return;
        }

        if (response is not { ErrorCode: ErrorCode.None })
        {
            FailVoterChange(ErrorCode.RequestTimedOut, $"Nobody answers at {newcomer.Peer.Host}:{newcomer.Peer.Port}, where voter {newcomer.Key} is to be reached.");
        }
        else if (!QuorumApis.CanVote(response))
        {
            FailVoterChange(ErrorCode.InvalidRequest, $"Who answers at {newcomer.Peer.Host}:{newcomer.Peer.Port} does not know kraft.version {VoterSet.KRaftVersion}.");
        }
        else
        {
            change.IsReached = true;
        }
    }

    private static AddRaftVoterResponse AddResponseOf(ErrorCode error, string? message) => new() { ErrorCode = error, ErrorMessage = message ?? Say(error) };

    private static RemoveRaftVoterResponse RemoveResponseOf(ErrorCode error, string? message) => new() { ErrorCode = error, ErrorMessage = message ?? Say(error) };

    private ErrorCode RequestError(string? clusterId) =>
        clusterId is not null && clusterId != _self.ClusterId ? ErrorCode.InconsistentClusterId
        : Role != QuorumRole.Leader ? ErrorCode.NotLeaderOrFollower
        : ErrorCode.None;

    /// <summary>Whether this leader knows of every change before, and none is under way.</summary>
    private bool MayChange => HighWatermark > _leadership!.EpochStart && _log.VotersOffset < HighWatermark && _voterChange is null;

    private static string? Say(ErrorCode error) => error switch
    {
        ErrorCode.None => null,
        ErrorCode.NotLeaderOrFollower => "This replica does not lead the metadata quorum.",
        ErrorCode.RequestTimedOut => "The change was not decided in time, or another one is under way: try again.",
        ErrorCode.DuplicateVoter => "A voter of this id is in the quorum; remove it first.",
        ErrorCode.VoterNotFound => "The quorum has no voter of this id and directory that others could do without.",
        ErrorCode.InvalidRequest => "A voter needs an id, a directory id and, to be added, an address under the name of the quorum's listener.",
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
                AnswerChange(change, ErrorCode.None, null);
            }
        }

        // A smaller set may be content with what its members have already.
        AdvanceHighWatermark();
    }

    private void ProceedVoterChange()
    {
        if (_voterChange is { Offset: null, Newcomer: { } newcomer } change)
        {
            if (change.Probe.IsDue(_now))
            {
                Send(change.Probe, newcomer.Peer, new ApiVersionsRequest { ClientSoftwareName = "milena", ClientSoftwareVersion = "1" });
            }

            // Caught up with what was there a short while ago: it will not hold up the next decisions as a voter.
            if (change.IsReached && _leadership!.Find(newcomer.Key) is { LastCaughtUpMs: { } caughtUp } && caughtUp + _settings.FetchTimeoutMs >= _now)
            {
                AppendVoters(_log.Voters.With(newcomer));
                return;
            }
        }
        else if (_voterChange is null && AddressIsOutdated && MayChange)
        {
            AppendVoters(_log.Voters.With(new Voter(_self.Key, _self.Endpoints)));
        }

        if (_voterChange is { } waiting && _now >= waiting.DeadlineMs)
        {
            FailVoterChange(ErrorCode.RequestTimedOut, null);
        }
    }

    private void EndVoterChange()
    {
        if (_voterChange is { Offset: { } offset } change && offset < HighWatermark)
        {
            _voterChange = null;
            AnswerChange(change, ErrorCode.None, null);
        }

        if (!IsVoter && _log.VotersOffset < HighWatermark)
        {
            // It led on until its own removal was decided; the others elect one of themselves.
            Resign();
        }
    }

    /// <summary>Says that it is not known to be decided; an appended record may still be.</summary>
    private void FailVoterChange(ErrorCode error, string? message)
    {
        if (_voterChange is { } change)
        {
            _voterChange = null;
            AnswerChange(change, error, message);
        }
    }

    private void AnswerChange(VoterChange change, ErrorCode error, string? message)
    {
        if (!change.IsAnswered)
        {
            change.IsAnswered = true;
            Answer(change.RequestId, change.Answer(error, message));
        }
    }
}
