using Milena.Model;

namespace Milena.Coordinators.Groups;

/// <summary>Takes a group from one generation to the next: who has to rejoin, how long that may take, who is left behind.</summary>
internal sealed class Rebalancing(GroupSettings settings)
{
    /// <summary>A new member cannot send heartbeats while its JoinGroup is parked, and its client may be gone: so long it is believed.</summary>
    private static readonly TimeSpan NewMemberJoinTimeout = TimeSpan.FromMinutes(5);

    /// <summary>A rebalance that nobody joined is looked at again no sooner, for a client may ask for a rebalance timeout of zero.</summary>
    private static readonly TimeSpan MinPostponement = TimeSpan.FromSeconds(1);

    /// <summary>Starts a rebalance where there is none, else ends the joining if this was the last one that it waited for.</summary>
    public void PrepareOrComplete(Group group, in Step step)
    {
        if (group.CanRebalance)
        {
            Prepare(group, step);
        }
        else
        {
            CompleteIfAllJoined(group, step);
        }
    }

    public void Prepare(Group group, in Step step)
    {
        FailWaitingSyncs(group, ErrorCode.RebalanceInProgress, step);
        group.PendingSyncs.Clear();
        CancelSync(group, step);
        var isInitial = group.State == GroupState.Empty;
        group.TransitionTo(GroupState.PreparingRebalance, step.NowMs);
        if (isInitial)
        {
            var delay = settings.InitialRebalanceDelay;
            group.InitialDelay = new InitialDelay(delay, NotNegative(group.RebalanceTimeout - delay), MemberAdded: false);
            SetJoin(group, delay, step);
        }
        else if (group.HasAllMembersJoined)
        {
            Complete(group, step);
        }
        else
        {
            SetJoin(group, group.RebalanceTimeout, step);
        }
    }

    /// <summary>An empty group's first rebalance ends by time only, so that members that start together are not rebalanced one by one.</summary>
    public void CompleteIfAllJoined(Group group, in Step step)
    {
        if (group.State == GroupState.PreparingRebalance && group.PreviousState != GroupState.Empty && group.HasAllMembersJoined)
        {
            Complete(group, step);
        }
    }

    public void JoinTimerFired(Group group, in Step step)
    {
        if (group.State != GroupState.PreparingRebalance || group.JoinDeadline is not { } deadline)
        {
            return;
        }

        if (deadline > step.Now)
        {
            SetJoin(group, deadline - step.Now, step);
        }
        else if (group.InitialDelay is { MemberAdded: true } initial && initial.Remaining > TimeSpan.Zero)
        {
            var next = initial.Remaining < settings.InitialRebalanceDelay ? initial.Remaining : settings.InitialRebalanceDelay;
            group.InitialDelay = new InitialDelay(next, NotNegative(initial.Remaining - initial.Current), MemberAdded: false);
            SetJoin(group, next, step);
        }
        else
        {
            Complete(group, step);
        }
    }

    /// <summary>Members that joined but did not come for their assignment hold nothing and are dropped.</summary>
    public void SyncTimerFired(Group group, in Step step)
    {
        if (group.SyncDeadline is not { } deadline || group.PendingSyncs.Count == 0)
        {
            return;
        }

        if (deadline > step.Now)
        {
            SetSync(group, deadline - step.Now, step);
            return;
        }

        foreach (var memberId in group.PendingSyncs.ToArray())
        {
            group.Remove(memberId);
            step.Effects.CancelTimer(TimerKinds.SessionOf(group.Id, memberId));
        }

        Prepare(group, step);
    }

    public void SessionTimerFired(Group group, string memberId, in Step step)
    {
        if (group.PendingJoins.TryGetValue(memberId, out var lapses))
        {
            PendingTimerFired(group, memberId, lapses, step);
        }
        else if (group.TryGetMember(memberId, out var member))
        {
            member.TimerDue = null;
            if (member.IsExcused)
            {
                return;
            }

            if (member.Deadline > step.Now)
            {
                SetSession(group, member, step);
                return;
            }

            Drop(group, member, step);
            if (group.State == GroupState.PreparingRebalance)
            {
                CompleteIfAllGone(group, step);
            }
            else
            {
                Prepare(group, step);
            }
        }
    }

    /// <summary>Takes a member out of the group. It is told to join anew if it is waiting, for it may be alive.</summary>
    public void Drop(Group group, GroupMember member, in Step step)
    {
        if (member.AwaitingJoin is { } joining)
        {
            step.JoinFailed(joining, "", ErrorCode.UnknownMemberId);
            group.SetAwaitingJoin(member, null);
        }

        if (member.AwaitingSync is { } syncing)
        {
            step.SyncFailed(syncing, ErrorCode.UnknownMemberId);
            member.AwaitingSync = null;
        }

        group.Remove(member.Id);
        step.Effects.CancelTimer(TimerKinds.SessionOf(group.Id, member.Id));
    }

    /// <summary>The member was heard of: its session begins anew. Sets a timer only if none is set that fires in time.</summary>
    public static void Touch(Group group, GroupMember member, in Step step) =>
        Touch(group, member, TimeSpan.FromMilliseconds(member.SessionTimeoutMs), step);

    public static void TouchNew(Group group, GroupMember member, in Step step) => Touch(group, member, NewMemberJoinTimeout, step);

    public static void AddPending(Group group, string memberId, TimeSpan sessionTimeout, in Step step)
    {
        group.PendingJoins[memberId] = step.Now + sessionTimeout;
        step.Effects.SetTimer(TimerKinds.SessionOf(group.Id, memberId), sessionTimeout);
    }

    public static void FailWaitingSyncs(Group group, ErrorCode error, in Step step)
    {
        if (group.State != GroupState.CompletingRebalance)
        {
            return;
        }

        foreach (var member in group.Members)
        {
            member.Assignment = ReadOnlyMemory<byte>.Empty;
            if (member.AwaitingSync is { } waiting)
            {
                step.SyncFailed(waiting, error);
                member.AwaitingSync = null;
                Touch(group, member, step);
            }
        }
    }

    public static void CancelSync(Group group, in Step step)
    {
        if (group.SyncDeadline is not null)
        {
            group.SyncDeadline = null;
            step.Effects.CancelTimer(TimerKinds.SyncOf(group.Id));
        }
    }

    private static void Touch(Group group, GroupMember member, TimeSpan timeout, in Step step)
    {
        member.Deadline = step.Now + timeout;
        if (member.TimerDue is not { } due || due > member.Deadline)
        {
            SetSession(group, member, step);
        }
    }

    private static void SetSession(Group group, GroupMember member, in Step step)
    {
        member.TimerDue = member.Deadline;
        step.Effects.SetTimer(TimerKinds.SessionOf(group.Id, member.Id), member.Deadline - step.Now);
    }

    private static void SetJoin(Group group, TimeSpan due, in Step step)
    {
        group.JoinDeadline = step.Now + due;
        step.Effects.SetTimer(TimerKinds.JoinOf(group.Id), due);
    }

    private static void SetSync(Group group, TimeSpan due, in Step step)
    {
        group.SyncDeadline = step.Now + due;
        step.Effects.SetTimer(TimerKinds.SyncOf(group.Id), due);
    }

    private static TimeSpan NotNegative(TimeSpan time) => time < TimeSpan.Zero ? TimeSpan.Zero : time;

    private void PendingTimerFired(Group group, string memberId, DateTimeOffset lapses, in Step step)
    {
        if (lapses > step.Now)
        {
            step.Effects.SetTimer(TimerKinds.SessionOf(group.Id, memberId), lapses - step.Now);
            return;
        }

        group.Remove(memberId);
        CompleteIfAllGone(group, step);
    }

    /// <summary>With one fewer to wait for, the joining may be over; also an initial one, for what was waited for will not come.</summary>
    private void CompleteIfAllGone(Group group, in Step step)
    {
        if (group.State == GroupState.PreparingRebalance && group.HasAllMembersJoined)
        {
            Complete(group, step);
        }
    }

    private void Complete(Group group, in Step step)
    {
        step.Effects.CancelTimer(TimerKinds.JoinOf(group.Id));
        group.JoinDeadline = null;
        group.InitialDelay = null;
        foreach (var absent in group.Members.Where(member => member.AwaitingJoin is null && member.InstanceId is null).ToArray())
        {
            Drop(group, absent, step);
        }

        // Static members that are away keep their place until their session ends, but they cannot assign.
        if (!group.ElectLeaderAmongJoined() && group.Members.Count > 0)
        {
            SetJoin(group, group.RebalanceTimeout < MinPostponement ? MinPostponement : group.RebalanceTimeout, step);
            return;
        }

        group.BeginGeneration(step.NowMs);
        if (group.State == GroupState.Empty)
        {
            step.Effects.Append(GroupRecords.OfGroup(group));
            return;
        }

        foreach (var member in group.Members)
        {
            if (member.AwaitingJoin is { } waiting)
            {
                step.Joined(waiting, group, member);
                group.SetAwaitingJoin(member, null);
            }

            Touch(group, member, step);
            member.IsNew = false;
            group.PendingSyncs.Add(member.Id);
        }

        SetSync(group, group.RebalanceTimeout, step);
    }
}
