using Milena.Coordinators.Runtime;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Coordinators.Groups;

/// <summary>DescribeGroups, versions 0 to 6, ListGroups, versions 0 to 5, and DeleteGroups, versions 0 to 2.</summary>
/// <remarks>Authorized operations, and which of the groups a principal may see, are the caller's to fill in.</remarks>
internal sealed class GroupAdmin(GroupSettings settings, GroupTable groups)
{
    private const string GroupType = "classic";

    /// <summary>From this version on an unknown group is an error; before, it was a dead one (KIP-1043).</summary>
    private const short DescribeKnowsGroupIdNotFound = 6;

    public void Handle(in CoordinatorRequest envelope, DescribeGroupsRequest request, in Step step)
    {
        var response = new DescribeGroupsResponse();
        foreach (var groupId in request.Groups)
        {
            response.Groups.Add(groups.TryGet(groupId, out var group) ? Describe(group) : Unknown(groupId, envelope.ApiVersion));
        }

        step.Effects.Reply(envelope.ReplyTo, response);
    }

    public void Handle(in CoordinatorRequest envelope, ListGroupsRequest request, in Step step)
    {
        var response = new ListGroupsResponse();
        var states = request.StatesFilter.Select(state => state.Trim()).ToHashSet(StringComparer.OrdinalIgnoreCase);
        var types = request.TypesFilter.Select(type => type.Trim()).ToHashSet(StringComparer.OrdinalIgnoreCase);
        foreach (var group in groups.All)
        {
            var state = group.State.ToString();
            if ((states.Count == 0 || states.Contains(state)) && (types.Count == 0 || types.Contains(GroupType)))
            {
                response.Groups.Add(new ListGroupsResponse.ListedGroup
                {
                    GroupId = group.Id,
                    ProtocolType = group.ProtocolType ?? "",
                    GroupState = state,
                    GroupType = GroupType,
                });
            }
        }

        step.Effects.Reply(envelope.ReplyTo, response);
    }

    public void Handle(in CoordinatorRequest envelope, DeleteGroupsRequest request, in Step step)
    {
        var response = new DeleteGroupsResponse();
        var budget = (long)settings.MaxBatchBytes;
        foreach (var groupId in request.GroupsNames)
        {
            response.Results.Add(new DeleteGroupsResponse.DeletableGroupResult
            {
                GroupId = groupId,
                ErrorCode = Delete(groupId, ref budget, step),
            });
        }

        step.Effects.Reply(envelope.ReplyTo, response);
    }

    private static DescribeGroupsResponse.DescribedGroup Describe(Group group)
    {
        var isStable = group.State == GroupState.Stable;
        var described = new DescribeGroupsResponse.DescribedGroup
        {
            GroupId = group.Id,
            GroupState = group.State.ToString(),
            ProtocolType = group.ProtocolType ?? "",
            ProtocolData = isStable ? group.ProtocolName ?? "" : "",
        };
        foreach (var member in group.Members)
        {
            described.Members.Add(new DescribeGroupsResponse.DescribedGroupMember
            {
                MemberId = member.Id,
                GroupInstanceId = member.InstanceId,
                ClientId = member.ClientId,
                ClientHost = member.ClientHost,
                MemberMetadata = isStable ? member.MetadataFor(group.ProtocolName) : ReadOnlyMemory<byte>.Empty,
                MemberAssignment = member.Assignment,
            });
        }

        return described;
    }

    private static DescribeGroupsResponse.DescribedGroup Unknown(string groupId, short version)
    {
        var isError = version >= DescribeKnowsGroupIdNotFound;
        return new DescribeGroupsResponse.DescribedGroup
        {
            GroupId = groupId,
            GroupState = nameof(GroupState.Dead),
            ErrorCode = isError ? ErrorCode.GroupIdNotFound : ErrorCode.None,
            ErrorMessage = isError ? ErrorText.Clip($"Group {groupId} not found.") : null,
        };
    }

    /// <returns>
    /// <see cref="ErrorCode.CoordinatorLoadInProgress"/>, upon which clients try again, when the group has more offsets than one batch can
    /// remove: each try removes as many as it can.
    /// </returns>
    private ErrorCode Delete(string groupId, ref long budget, in Step step)
    {
        if (!groups.TryGet(groupId, out var group))
        {
            return ErrorCode.GroupIdNotFound;
        }

        if (group.State != GroupState.Empty)
        {
            return ErrorCode.NonEmptyGroup;
        }

        // The group's own tombstone alone would not do: once it is compacted away, the offsets would bring the group back.
        DeleteOffsets(group, ref budget, step);
        budget -= GroupRecords.MaxBytesOfTombstone(groupId, topic: "");
        if (!group.Offsets.IsEmpty || budget < 0)
        {
            return ErrorCode.CoordinatorLoadInProgress;
        }

        foreach (var memberId in group.PendingJoins.Keys)
        {
            step.Effects.CancelTimer(TimerKinds.SessionOf(groupId, memberId));
        }

        step.Effects.Append(GroupRecords.GroupTombstone(groupId));
        groups.Remove(groupId);
        return ErrorCode.None;
    }

    private static void DeleteOffsets(Group group, ref long budget, in Step step)
    {
        foreach (var (topic, partitions) in group.Offsets.Topics.ToArray())
        {
            var bytes = GroupRecords.MaxBytesOfTombstone(group.Id, topic);
            foreach (var partition in partitions.Keys.ToArray())
            {
                if (budget < bytes)
                {
                    return;
                }

                budget -= bytes;
                group.Offsets.Remove(topic, partition);
                step.Effects.Append(GroupRecords.OffsetTombstone(group.Id, topic, partition));
            }
        }
    }
}
