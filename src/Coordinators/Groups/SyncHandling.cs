using Milena.Coordinators.Runtime;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Coordinators.Groups;

/// <summary>SyncGroup, versions 0 to 5: the leader brings the assignment, everybody takes a share of it.</summary>
internal sealed class SyncHandling(GroupSettings settings, GroupTable groups, Rebalancing rebalancing)
{
    /// <summary>From this version on the protocol's type and name must be given (KIP-559).</summary>
    private const short ProtocolIsMandatory = 5;

    public void Handle(in CoordinatorRequest envelope, SyncGroupRequest request, in Step step)
    {
        var waiting = new Waiting(envelope.ReplyTo, envelope.ApiVersion);
        if (envelope.ApiVersion >= ProtocolIsMandatory && (request.ProtocolType is null || request.ProtocolName is null))
        {
            step.SyncFailed(waiting, ErrorCode.InconsistentGroupProtocol);
        }
        else if (request.GroupId.Length == 0)
        {
            step.SyncFailed(waiting, ErrorCode.InvalidGroupId);
        }
        else if (!groups.TryGet(request.GroupId, out var group) || !group.TryGetMember(request.MemberId, out var member))
        {
            // An unknown instance id is worth telling from a fenced one even if the member is gone.
            step.SyncFailed(waiting, group?.Validate(request.MemberId, request.GroupInstanceId) ?? ErrorCode.UnknownMemberId);
        }
        else if (Check(group, request) is var error and not ErrorCode.None)
        {
            step.SyncFailed(waiting, error);
        }
        else
        {
            Sync(group, member, request, waiting, step);
        }
    }

    private static ErrorCode Check(Group group, SyncGroupRequest request)
    {
        if (group.Validate(request.MemberId, request.GroupInstanceId) is var error and not ErrorCode.None)
        {
            return error;
        }

        if (request.GenerationId != group.Generation)
        {
            return ErrorCode.IllegalGeneration;
        }

        if (Differ(request.ProtocolType, group.ProtocolType) || Differ(request.ProtocolName, group.ProtocolName))
        {
            return ErrorCode.InconsistentGroupProtocol;
        }

        return group.State == GroupState.PreparingRebalance ? ErrorCode.RebalanceInProgress : ErrorCode.None;
    }

    private static bool Differ(string? theirs, string? ours) => theirs is not null && ours is not null && theirs != ours;

    private void Sync(Group group, GroupMember member, SyncGroupRequest request, Waiting waiting, in Step step)
    {
        group.PendingSyncs.Remove(member.Id);
        if (group.PendingSyncs.Count == 0)
        {
            Rebalancing.CancelSync(group, step);
        }

        Rebalancing.Touch(group, member, step);
        if (group.State == GroupState.Stable)
        {
            step.Synced(waiting, group, member);
            return;
        }

        if (member.AwaitingSync is { } earlier)
        {
            step.SyncFailed(earlier, ErrorCode.RebalanceInProgress);
        }

        member.AwaitingSync = waiting;
        if (group.IsLeader(member))
        {
            Assign(group, request, step);
        }
    }

    /// <summary>The generation is complete with this: it is written down, and every share is answered when the record is committed.</summary>
    private void Assign(Group group, SyncGroupRequest request, in Step step)
    {
        foreach (var member in group.Members)
        {
            member.Assignment = ReadOnlyMemory<byte>.Empty;
        }

        foreach (var assignment in request.Assignments)
        {
            if (group.TryGetMember(assignment.MemberId, out var member))
            {
                member.Assignment = assignment.Assignment.ToArray();
            }
        }

        if (GroupRecords.MaxBytesOf(group) > settings.MaxBatchBytes)
        {
            Rebalancing.FailWaitingSyncs(group, ErrorCode.UnknownServerError, step);
            rebalancing.Prepare(group, step);
            return;
        }

        group.TransitionTo(GroupState.Stable, step.NowMs);
        step.Effects.Append(GroupRecords.OfGroup(group));
        foreach (var member in group.Members)
        {
            if (member.AwaitingSync is { } waiting)
            {
                step.Synced(waiting, group, member);
                member.AwaitingSync = null;
                Rebalancing.Touch(group, member, step);
            }
        }
    }
}
