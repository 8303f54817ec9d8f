using Milena.Coordinators.Runtime;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Coordinators.Groups;

/// <summary>The groups of one partition of <c>__consumer_offsets</c>: the classic group protocol, and committed offsets.</summary>
/// <remarks>
/// State changes when a request is handled, before its records are committed; the answer waits for them. A runtime whose append fails
/// therefore drops the instance, answers what is parked (<see cref="Unload"/>) and replays the log into a new one. What is known only
/// between two generations (who has rejoined, member ids handed out) is not recorded: after a change of leader a group is back in its last
/// recorded generation, and its members find out by their heartbeats.
/// </remarks>
/// <param name="newGuid">Member ids are made of it; seeded in tests.</param>
public sealed class GroupCoordinator : ICoordinator
{
    private readonly GroupTable _groups = new();
    private readonly GroupSettings _settings;
    private readonly Rebalancing _rebalancing;
    private readonly JoinHandling _joining;
    private readonly SyncHandling _syncing;
    private readonly MembershipHandling _membership;
    private readonly OffsetHandling _offsets;
    private readonly OffsetFetching _fetching;
    private readonly OffsetExpiry _expiry;
    private readonly GroupAdmin _admin;

    public GroupCoordinator(GroupSettings settings, Func<Guid> newGuid)
    {
        _settings = settings;
        _rebalancing = new Rebalancing(settings);
        _joining = new JoinHandling(settings, _groups, _rebalancing, newGuid);
        _syncing = new SyncHandling(settings, _groups, _rebalancing);
        _membership = new MembershipHandling(_groups, _rebalancing);
        _offsets = new OffsetHandling(settings, _groups);
        _fetching = new OffsetFetching(_groups);
        _expiry = new OffsetExpiry(settings, _groups);
        _admin = new GroupAdmin(settings, _groups);
    }

    /// <summary>Records of kinds that belong to other group protocols, and were passed over in the replay.</summary>
    public long UnknownRecords { get; private set; }

    /// <summary>Records of known kinds that could not be read, and were passed over in the replay.</summary>
    public long MalformedRecords { get; private set; }

    public int GroupCount => _groups.All.Count;

    /// <summary>The partition of the offsets topic that a group belongs to: the absolute value of Java's hash of the string, modulo.</summary>
    /// <remarks>Not the hash without its sign bit, which keys of records go by. The least integer has no absolute value and counts as 0.</remarks>
    public static int PartitionFor(string groupId, int partitionCount)
    {
        var hash = 0;
        foreach (var unit in groupId)
        {
            hash = unchecked((31 * hash) + unit);
        }

        return hash == int.MinValue ? 0 : Math.Abs(hash) % partitionCount;
    }

    public void Replay(ReadOnlyMemory<byte> key, ReadOnlyMemory<byte>? value, DateTimeOffset recordTime)
    {
        if (!GroupRecords.TryReadVersion(key, out var keyType, out var keyBody))
        {
            MalformedRecords++;
        }
        else if (keyType is GroupRecords.OffsetKeyType or GroupRecords.LegacyOffsetKeyType)
        {
            MalformedRecords += ReplayOffset(keyBody, value) ? 0 : 1;
        }
        else if (keyType == GroupRecords.GroupKeyType)
        {
            MalformedRecords += ReplayGroup(keyBody, value) ? 0 : 1;
        }
        else
        {
            UnknownRecords++;
        }
    }

    public void Loaded(DateTimeOffset now, CoordinatorEffects effects)
    {
        var step = new Step(now, effects);
        _expiry.Loaded(step);
        foreach (var group in _groups.All)
        {
            foreach (var member in group.Members)
            {
                Rebalancing.Touch(group, member, step);
            }

            if (group.Members.Count > _settings.MaxSize)
            {
                // The limit was lowered while nobody looked; a rebalance lets the members commit before some are left out.
                _rebalancing.Prepare(group, step);
            }
        }
    }

    public void Handle(in CoordinatorRequest request, DateTimeOffset now, CoordinatorEffects effects)
    {
        var step = new Step(now, effects);
        switch (request.Request)
        {
            case HeartbeatRequest heartbeat:
                _membership.Handle(request, heartbeat, step);
                break;
            case OffsetCommitRequest commit:
                _offsets.Handle(request, commit, step);
                break;
            case OffsetFetchRequest fetch:
                _fetching.Handle(request, fetch, step);
                break;
            case JoinGroupRequest join:
                _joining.Handle(request, join, step);
                break;
            case SyncGroupRequest sync:
                _syncing.Handle(request, sync, step);
                break;
            case LeaveGroupRequest leave:
                _membership.Handle(request, leave, step);
                break;
            case OffsetDeleteRequest delete:
                _offsets.Handle(request, delete, step);
                break;
            case DescribeGroupsRequest describe:
                _admin.Handle(request, describe, step);
                break;
            case ListGroupsRequest list:
                _admin.Handle(request, list, step);
                break;
            case DeleteGroupsRequest delete:
                _admin.Handle(request, delete, step);
                break;
            default:
                throw new ArgumentException($"{request.Request.GetType().Name} is no affair of the group coordinator.", nameof(request));
        }
    }

    public void TimerFired(TimerName timer, DateTimeOffset now, CoordinatorEffects effects)
    {
        var step = new Step(now, effects);
        if (timer.Kind == TimerKinds.Expiry)
        {
            _expiry.ExpiryTimerFired(step);
        }
        else if (timer.Kind == TimerKinds.Purge)
        {
            _expiry.Purge([], step);
        }
        else if (_groups.TryGet(timer.Owner, out var group))
        {
            GroupTimerFired(timer, group, step);
        }
    }

    /// <summary>Topics were deleted: their offsets go too, in this step or, if there are many, in steps that timers bring.</summary>
    /// <returns>How many offsets were removed in this step.</returns>
    public int TopicsDeleted(IReadOnlyCollection<DeletedTopic> topics, DateTimeOffset now, CoordinatorEffects effects) =>
        _expiry.Purge(topics, new Step(now, effects));

    /// <inheritdoc cref="TopicsDeleted(IReadOnlyCollection{DeletedTopic}, DateTimeOffset, CoordinatorEffects)"/>
    public int TopicsDeleted(IReadOnlyCollection<string> names, DateTimeOffset now, CoordinatorEffects effects) =>
        TopicsDeleted([.. names.Select(name => new DeletedTopic(name))], now, effects);

    /// <summary>This node leads the partition no more: whoever waits for a rebalance is told so. The instance is not used again.</summary>
    public void Unload(DateTimeOffset now, CoordinatorEffects effects)
    {
        var step = new Step(now, effects);
        foreach (var group in _groups.All)
        {
            foreach (var member in group.Members)
            {
                if (member.AwaitingJoin is { } joining)
                {
                    step.JoinFailed(joining, member.Id, ErrorCode.NotCoordinator);
                    group.SetAwaitingJoin(member, null);
                }

                if (member.AwaitingSync is { } syncing)
                {
                    step.SyncFailed(syncing, ErrorCode.NotCoordinator);
                    member.AwaitingSync = null;
                }
            }
        }
    }

    /// <summary>In order of group id.</summary>
    public IReadOnlyList<GroupSnapshot> Snapshot() =>
        [.. _groups.All.OrderBy(group => group.Id, StringComparer.Ordinal).Select(GroupSnapshot.Of)];

    private void GroupTimerFired(TimerName timer, Group group, in Step step)
    {
        switch (timer.Kind)
        {
            case TimerKinds.Session:
                _rebalancing.SessionTimerFired(group, timer.Member, step);
                break;
            case TimerKinds.Join:
                _rebalancing.JoinTimerFired(group, step);
                break;
            case TimerKinds.Sync:
                _rebalancing.SyncTimerFired(group, step);
                break;
        }
    }

    private bool ReplayOffset(ReadOnlyMemory<byte> keyBody, ReadOnlyMemory<byte>? value)
    {
        if (!OffsetCommitKey.TryRead(keyBody, 0, out var key))
        {
            return false;
        }

        _groups.TryGet(key.Group, out var group);
        if (value is null)
        {
            group?.Offsets.Remove(key.Topic, key.Partition);
            return true;
        }

        if (!GroupRecords.TryReadVersion(value.Value, out var version, out var body)
            || version is < OffsetCommitValue.LowestVersion or > OffsetCommitValue.HighestVersion
            || !OffsetCommitValue.TryRead(body, version, out var committed))
        {
            return false;
        }

        if (group is null)
        {
            group = new Group(key.Group);
            _groups.Set(group);
        }

        group.Offsets.Set(key.Topic, key.Partition, GroupRecords.ToOffset(committed));
        return true;
    }

    private bool ReplayGroup(ReadOnlyMemory<byte> keyBody, ReadOnlyMemory<byte>? value)
    {
        if (!GroupMetadataKey.TryRead(keyBody, 0, out var key))
        {
            return false;
        }

        if (value is null)
        {
            _groups.Remove(key.Group);
            return true;
        }

        if (!GroupRecords.TryReadVersion(value.Value, out var version, out var body)
            || version is < GroupMetadataValue.LowestVersion or > GroupMetadataValue.HighestVersion
            || !GroupMetadataValue.TryRead(body, version, out var recorded)
            || recorded.Members.DistinctBy(member => member.MemberId).Count() != recorded.Members.Count)
        {
            return false;
        }

        var group = GroupRecords.ToGroup(key.Group, recorded);
        if (_groups.TryGet(key.Group, out var former))
        {
            group.TakeOffsets(former);
        }

        _groups.Set(group);
        return true;
    }
}
