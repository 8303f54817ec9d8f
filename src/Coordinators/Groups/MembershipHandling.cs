using Milena.Coordinators.Runtime;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Coordinators.Groups;

/// <summary>Heartbeat, versions 0 to 4, and LeaveGroup, versions 0 to 5.</summary>
internal sealed class MembershipHandling(GroupTable groups, Rebalancing rebalancing)
{
    /// <summary>Before this version a LeaveGroup is of one member, and its error stands at the top.</summary>
    private const short LeaveIsBatch = 3;

    public void Handle(in CoordinatorRequest envelope, HeartbeatRequest request, in Step step) =>
        step.Effects.Reply(envelope.ReplyTo, new HeartbeatResponse { ErrorCode = Heartbeat(request, step) });

    public void Handle(in CoordinatorRequest envelope, LeaveGroupRequest request, in Step step)
    {
        var isBatch = envelope.ApiVersion >= LeaveIsBatch;
        var response = new LeaveGroupResponse();
        if (request.GroupId.Length == 0)
        {
            response.ErrorCode = ErrorCode.InvalidGroupId;
        }
        else if (isBatch)
        {
            LeaveAll(request, response, step);
        }
        else
        {
            groups.TryGet(request.GroupId, out var group);
            response.ErrorCode = Leave(group, request.MemberId, instanceId: null, step);
            Settle(group, response.ErrorCode == ErrorCode.None, step);
        }

        step.Effects.Reply(envelope.ReplyTo, response);
    }

    private ErrorCode Heartbeat(HeartbeatRequest request, in Step step)
    {
        if (request.GroupId.Length == 0)
        {
            return ErrorCode.InvalidGroupId;
        }

        if (!groups.TryGet(request.GroupId, out var group))
        {
            return ErrorCode.UnknownMemberId;
        }

        if (group.Validate(request.MemberId, request.GroupInstanceId) is var error and not ErrorCode.None)
        {
            return error;
        }

        if (request.GenerationId != group.Generation)
        {
            return ErrorCode.IllegalGeneration;
        }

        if (group.TryGetMember(request.MemberId, out var member))
        {
            Rebalancing.Touch(group, member, step);
        }

        return group.State == GroupState.PreparingRebalance ? ErrorCode.RebalanceInProgress : ErrorCode.None;
    }

    private void LeaveAll(LeaveGroupRequest request, LeaveGroupResponse response, in Step step)
    {
        groups.TryGet(request.GroupId, out var group);
        var anyLeft = false;
        foreach (var leaving in request.Members)
        {
            var error = Leave(group, leaving.MemberId, leaving.GroupInstanceId, step);
            anyLeft |= error == ErrorCode.None;
            response.Members.Add(new LeaveGroupResponse.MemberResponse
            {
                MemberId = leaving.MemberId,
                GroupInstanceId = leaving.GroupInstanceId,
                ErrorCode = error,
            });
        }

        Settle(group, anyLeft, step);
    }

    private ErrorCode Leave(Group? group, string memberId, string? instanceId, in Step step)
    {
        if (group is null)
        {
            return ErrorCode.UnknownMemberId;
        }

        GroupMember? member;
        if (memberId.Length == 0)
        {
            // An administrator removes a static member, whose member id only the member itself knows.
            if (instanceId is null || !group.TryGetStaticMember(instanceId, out member))
            {
                return ErrorCode.UnknownMemberId;
            }

            rebalancing.Drop(group, member, step);
            return ErrorCode.None;
        }

        if (group.PendingJoins.ContainsKey(memberId))
        {
            group.Remove(memberId);
            step.Effects.CancelTimer(TimerKinds.SessionOf(group.Id, memberId));
            return ErrorCode.None;
        }

        var error = group.Validate(memberId, instanceId);
        if (error == ErrorCode.None && group.TryGetMember(memberId, out member))
        {
            rebalancing.Drop(group, member, step);
        }

        return error;
    }

    /// <summary>However many left, one rebalance follows.</summary>
    private void Settle(Group? group, bool anyLeft, in Step step)
    {
        if (group is null || !anyLeft)
        {
            return;
        }

        if (group.State is GroupState.Stable or GroupState.CompletingRebalance)
        {
            rebalancing.Prepare(group, step);
        }
        else
        {
            rebalancing.CompleteIfAllJoined(group, step);
        }
    }
}
