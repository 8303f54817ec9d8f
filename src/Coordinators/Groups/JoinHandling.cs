using Milena.Coordinators.Runtime;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Coordinators.Groups;

/// <summary>JoinGroup, versions 0 to 9: who may become a member, and when that begins a rebalance.</summary>
internal sealed class JoinHandling(GroupSettings settings, GroupTable groups, Rebalancing rebalancing, Func<Guid> newGuid)
{
    /// <summary>How many member ids one group may have handed out that were not used yet, or a client could fill the memory.</summary>
    public const int MaxPendingJoins = 10_000;

    private readonly record struct Join(JoinGroupRequest Request, List<GroupProtocol> Protocols, string ClientId, string ClientHost, Waiting Waiting)
    {
        public TimeSpan SessionTimeout => TimeSpan.FromMilliseconds(Request.SessionTimeoutMs);

        /// <summary>Version 0 has none, and members that loaded from old records have none either.</summary>
        public int RebalanceTimeoutMs => Request.RebalanceTimeoutMs < 0 ? Request.SessionTimeoutMs : Request.RebalanceTimeoutMs;
    }

    public void Handle(in CoordinatorRequest envelope, JoinGroupRequest request, in Step step)
    {
        var join = new Join(
            request, ProtocolsOf(request), envelope.ClientId, envelope.ClientHost, new Waiting(envelope.ReplyTo, envelope.ApiVersion));
        if (Check(join) is var error and not ErrorCode.None)
        {
            step.JoinFailed(join.Waiting, request.MemberId, error);
        }
        else if (groups.TryGet(request.GroupId, out var group))
        {
            JoinGroup(group, join, step);
        }
        else if (request.MemberId.Length > 0)
        {
            step.JoinFailed(join.Waiting, request.MemberId, ErrorCode.UnknownMemberId);
        }
        else
        {
            JoinNewGroup(join, step);
        }
    }

    private ErrorCode Check(in Join join)
    {
        if (join.Request.GroupId.Length == 0 || Names.IsTooLong(join.Request.GroupId))
        {
            return ErrorCode.InvalidGroupId;
        }

        if (join.SessionTimeout < settings.MinSessionTimeout || join.SessionTimeout > settings.MaxSessionTimeout)
        {
            return ErrorCode.InvalidSessionTimeout;
        }

        return Names.IsTooLong(join.Request.GroupInstanceId) || Names.IsTooLong(join.Request.ProtocolType)
            || Names.IsTooLong(join.ClientId) || Names.IsTooLong(join.ClientHost) || join.Protocols.Exists(protocol => Names.IsTooLong(protocol.Name))
            ? ErrorCode.InvalidRequest
            : ErrorCode.None;
    }

    private void JoinNewGroup(in Join join, in Step step)
    {
        var group = new Group(join.Request.GroupId) { StateTimestampMs = step.NowMs };
        JoinGroup(group, join, step);
        if (group.Members.Count > 0 || group.PendingJoins.Count > 0)
        {
            groups.Set(group);
            step.Effects.Append(GroupRecords.OfNewGroup(group.Id, step.NowMs));
        }
    }

    private void JoinGroup(Group group, in Join join, in Step step)
    {
        var memberId = join.Request.MemberId;
        if (!HasRoomFor(group, memberId))
        {
            Evict(group, memberId, step);
            step.JoinFailed(join.Waiting, "", ErrorCode.GroupMaxSizeReached);
        }
        else if (!group.Supports(join.Request.ProtocolType, join.Protocols))
        {
            step.JoinFailed(join.Waiting, memberId, ErrorCode.InconsistentGroupProtocol);
        }
        else if (memberId.Length > 0)
        {
            JoinKnown(group, join, step);
        }
        else if (join.Request.GroupInstanceId is { } instanceId)
        {
            JoinStatic(group, join, instanceId, step);
        }
        else if (join.Waiting.ApiVersion >= GroupAnswers.JoinRequiresMemberId)
        {
            HandOutMemberId(group, join, step);
        }
        else
        {
            AddMember(group, join, $"{join.ClientId}-{newGuid()}", step);
        }
    }

    /// <remarks>
    /// While members are joining, the size is that of those who have joined: it cuts a group down whose limit was lowered, the last to come
    /// being left out.
    /// </remarks>
    private bool HasRoomFor(Group group, string memberId) => group.State switch
    {
        GroupState.Empty => group.PendingJoins.Count < MaxPendingJoins || group.PendingJoins.ContainsKey(memberId),
        GroupState.PreparingRebalance =>
            (group.TryGetMember(memberId, out var member) && member.AwaitingJoin is not null)
            || (group.MembersAwaitingJoin < settings.MaxSize && (group.PendingJoins.Count < MaxPendingJoins || memberId.Length > 0)),
        _ => group.HasMember(memberId)
            || (group.Members.Count < settings.MaxSize && (group.PendingJoins.Count < MaxPendingJoins || memberId.Length > 0)),
    };

    private void Evict(Group group, string memberId, in Step step)
    {
        if (group.TryGetMember(memberId, out var member))
        {
            rebalancing.Drop(group, member, step);
            rebalancing.CompleteIfAllJoined(group, step);
        }
        else if (group.PendingJoins.ContainsKey(memberId))
        {
            group.Remove(memberId);
            step.Effects.CancelTimer(TimerKinds.SessionOf(group.Id, memberId));
            rebalancing.CompleteIfAllJoined(group, step);
        }
    }

    private void HandOutMemberId(Group group, in Join join, in Step step)
    {
        var memberId = $"{join.ClientId}-{newGuid()}";
        Rebalancing.AddPending(group, memberId, join.SessionTimeout, step);
        step.JoinFailed(join.Waiting, memberId, ErrorCode.MemberIdRequired);
    }

    private void AddMember(Group group, in Join join, string memberId, in Step step)
    {
        var member = new GroupMember(memberId, join.Request.GroupInstanceId, join.ClientId, join.ClientHost)
        {
            RebalanceTimeoutMs = join.RebalanceTimeoutMs,
            SessionTimeoutMs = join.Request.SessionTimeoutMs,
            Protocols = join.Protocols,
            IsNew = true,
        };
        if (group.Members.Count == 0)
        {
            group.ProtocolType = join.Request.ProtocolType;
        }

        if (group.InitialDelay is { } initial)
        {
            group.InitialDelay = initial with { MemberAdded = true };
        }

        group.Add(member);
        group.SetAwaitingJoin(member, join.Waiting);
        Rebalancing.TouchNew(group, member, step);
        rebalancing.PrepareOrComplete(group, step);
    }

    private void JoinKnown(Group group, in Join join, in Step step)
    {
        var (memberId, instanceId) = (join.Request.MemberId, join.Request.GroupInstanceId);
        if (instanceId is null && group.PendingJoins.ContainsKey(memberId))
        {
            AddMember(group, join, memberId, step);
        }
        else if (group.Validate(memberId, instanceId) is var error and not ErrorCode.None)
        {
            step.JoinFailed(join.Waiting, memberId, error);
        }
        else if (group.TryGetMember(memberId, out var member))
        {
            Rejoin(group, member, join, step);
        }
    }

    /// <summary>
    /// A member that repeats itself after a lost answer is told what it missed. A leader of a stable group that rejoins wants to assign
    /// anew, and a member with other metadata wants another share: both begin a rebalance.
    /// </summary>
    private void Rejoin(Group group, GroupMember member, in Join join, in Step step)
    {
        var isRepeated = member.Offers(join.Protocols) && group.State switch
        {
            GroupState.CompletingRebalance => true,
            GroupState.Stable => !group.IsLeader(member),
            _ => false,
        };
        if (isRepeated)
        {
            Rebalancing.Touch(group, member, step);
            step.Joined(join.Waiting, group, member);
            return;
        }

        Update(group, member, join, step);
        rebalancing.PrepareOrComplete(group, step);
    }

    private static void Update(Group group, GroupMember member, in Join join, in Step step)
    {
        group.SetProtocols(member, join.Protocols);
        member.RebalanceTimeoutMs = join.RebalanceTimeoutMs;
        member.SessionTimeoutMs = join.Request.SessionTimeoutMs;
        if (member.AwaitingJoin is { } earlier)
        {
            // The client gave that request up, but whoever waits for the answer still does.
            step.JoinFailed(earlier, member.Id, ErrorCode.RebalanceInProgress);
        }

        group.SetAwaitingJoin(member, join.Waiting);
        if (member.IsNew)
        {
            // It repeats its first request, and still cannot send heartbeats while it waits.
            Rebalancing.TouchNew(group, member, step);
        }
        else
        {
            Rebalancing.Touch(group, member, step);
        }
    }

    private void JoinStatic(Group group, in Join join, string instanceId, in Step step)
    {
        var memberId = $"{instanceId}-{newGuid()}";
        if (!group.TryGetStaticMember(instanceId, out var former))
        {
            AddMember(group, join, memberId, step);
            return;
        }

        var formerLeader = group.LeaderId;
        Fence(group, former, step);
        var member = group.Replace(former, memberId);
        Update(group, member, join, step);
        var nothingChanges = group.State == GroupState.Stable && group.SelectProtocol() == group.ProtocolName;
        if (nothingChanges && GroupRecords.MaxBytesOf(group) <= settings.MaxBatchBytes)
        {
            // The share of a static member is its instance's: nobody else has to know that it restarted (KIP-345).
            group.SetAwaitingJoin(member, null);
            group.ReadSubscriptions();
            step.Effects.Append(GroupRecords.OfGroup(group));
            step.JoinedAgain(join.Waiting, group, member, formerLeader);
        }
        else if (group.State == GroupState.CompletingRebalance)
        {
            // The leader may be assigning to the id that is gone.
            rebalancing.Prepare(group, step);
        }
        else
        {
            rebalancing.PrepareOrComplete(group, step);
        }
    }

    /// <summary>Two processes with one instance id: the earlier one is told to stop.</summary>
    private static void Fence(Group group, GroupMember former, in Step step)
    {
        step.Effects.CancelTimer(TimerKinds.SessionOf(group.Id, former.Id));
        if (former.AwaitingJoin is { } joining)
        {
            step.JoinFailed(joining, former.Id, ErrorCode.FencedInstanceId);
            group.SetAwaitingJoin(former, null);
        }

        if (former.AwaitingSync is { } syncing)
        {
            step.SyncFailed(syncing, ErrorCode.FencedInstanceId);
            former.AwaitingSync = null;
        }
    }

    /// <summary>Copies, because the request's bytes are the connection's; a name that comes twice counts once.</summary>
    private static List<GroupProtocol> ProtocolsOf(JoinGroupRequest request)
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        var protocols = new List<GroupProtocol>(request.Protocols.Count);
        foreach (var protocol in request.Protocols)
        {
            if (names.Add(protocol.Name))
            {
                protocols.Add(new GroupProtocol(protocol.Name, protocol.Metadata.ToArray()));
            }
        }

        return protocols;
    }
}
