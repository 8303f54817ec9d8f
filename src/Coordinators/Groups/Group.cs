using System.Diagnostics.CodeAnalysis;
using Milena.Model;

namespace Milena.Coordinators.Groups;

/// <summary>One classic group: its members, state, generation and offsets. Knows the rules that need no clock and answer nobody.</summary>
/// <remarks>
/// Members keep the order in which they came, so that elections are the same on every run. Invariants: the leader is a member, or null in a
/// group without members; each static instance has one member; the counts of protocols and of waiting members follow from the members.
/// </remarks>
internal sealed class Group(string id)
{
    private readonly OrderedDictionary<string, GroupMember> _members = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _staticMembers = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int> _protocolCounts = new(StringComparer.Ordinal);

    public string Id { get; } = id;

    public GroupState State { get; private set; } = GroupState.Empty;

    public GroupState PreviousState { get; private set; } = GroupState.Dead;

    /// <summary>When the state began, UTC milliseconds since 1970; null for a group that only ever committed offsets.</summary>
    public long? StateTimestampMs { get; set; }

    public int Generation { get; set; }

    /// <summary>Null until somebody joins.</summary>
    public string? ProtocolType { get; set; }

    /// <summary>The assignor chosen for this generation.</summary>
    public string? ProtocolName { get; set; }

    public string? LeaderId { get; set; }

    public GroupOffsets Offsets { get; private set; } = new();

    public IReadOnlyList<GroupMember> Members => (IReadOnlyList<GroupMember>)_members.Values;

    public int MembersAwaitingJoin { get; private set; }

    /// <summary>Member ids that were handed out with MEMBER_ID_REQUIRED and not used yet, and when each lapses.</summary>
    public Dictionary<string, DateTimeOffset> PendingJoins { get; } = new(StringComparer.Ordinal);

    /// <summary>Members that were told the generation and have not sent SyncGroup.</summary>
    public HashSet<string> PendingSyncs { get; } = new(StringComparer.Ordinal);

    /// <summary>The topics that members of the consumer protocol subscribe to; null where that is not known.</summary>
    public IReadOnlySet<string>? SubscribedTopics { get; private set; }

    /// <summary>When the time for joining is up; null outside PreparingRebalance.</summary>
    public DateTimeOffset? JoinDeadline { get; set; }

    /// <summary>The first rebalance of an empty group, as long as it may still be extended; else null.</summary>
    public InitialDelay? InitialDelay { get; set; }

    public DateTimeOffset? SyncDeadline { get; set; }

    public bool UsesConsumerProtocol => ProtocolType == "consumer";

    public bool HasAllMembersJoined => MembersAwaitingJoin == _members.Count && PendingJoins.Count == 0;

    public bool CanRebalance => State is GroupState.Empty or GroupState.CompletingRebalance or GroupState.Stable;

    /// <summary>The slowest member's.</summary>
    public TimeSpan RebalanceTimeout
    {
        get
        {
            var longest = 0;
            foreach (var member in _members.Values)
            {
                longest = Math.Max(longest, member.RebalanceTimeoutMs);
            }

            return TimeSpan.FromMilliseconds(longest);
        }
    }

    public void TransitionTo(GroupState state, long nowMs)
    {
        PreviousState = State;
        State = state;
        StateTimestampMs = nowMs;
    }

    /// <summary>A new record describes the group; its offsets have records of their own, and stay.</summary>
    public void TakeOffsets(Group former) => Offsets = former.Offsets;

    /// <summary>Takes the state over from a record, without a transition.</summary>
    public void Restore(GroupState state, long? stateTimestampMs)
    {
        State = state;
        StateTimestampMs = stateTimestampMs;
    }

    public bool TryGetMember(string memberId, [NotNullWhen(true)] out GroupMember? member) => _members.TryGetValue(memberId, out member);

    public bool HasMember(string memberId) => _members.ContainsKey(memberId);

    public bool TryGetStaticMember(string instanceId, [NotNullWhen(true)] out GroupMember? member)
    {
        member = null;
        return _staticMembers.TryGetValue(instanceId, out var memberId) && _members.TryGetValue(memberId, out member);
    }

    public bool IsLeader(GroupMember member) => LeaderId == member.Id;

    /// <summary>Whether the sender of a request is who it says.</summary>
    public ErrorCode Validate(string memberId, string? instanceId)
    {
        if (instanceId is not null)
        {
            if (!_staticMembers.TryGetValue(instanceId, out var current))
            {
                return ErrorCode.UnknownMemberId;
            }

            if (current != memberId)
            {
                return ErrorCode.FencedInstanceId;
            }
        }

        return _members.ContainsKey(memberId) ? ErrorCode.None : ErrorCode.UnknownMemberId;
    }

    public void Add(GroupMember member)
    {
        if (_members.Count == 0)
        {
            LeaderId = null;
        }

        _members.Add(member.Id, member);
        if (member.InstanceId is not null)
        {
            _staticMembers[member.InstanceId] = member.Id;
        }

        LeaderId ??= member.Id;
        Count(member.Protocols, 1);
        PendingJoins.Remove(member.Id);
    }

    public void Remove(string memberId)
    {
        PendingJoins.Remove(memberId);
        PendingSyncs.Remove(memberId);
        if (!_members.Remove(memberId, out var member))
        {
            return;
        }

        Count(member.Protocols, -1);
        MembersAwaitingJoin -= member.AwaitingJoin is null ? 0 : 1;
        if (member.InstanceId is not null)
        {
            _staticMembers.Remove(member.InstanceId);
        }

        if (IsLeader(member))
        {
            LeaderId = _members.Count == 0 ? null : _members.GetAt(0).Value.Id;
        }
    }

    /// <summary>A static member came back under a new id, in the old one's place: it keeps the assignment.</summary>
    public GroupMember Replace(GroupMember old, string newMemberId)
    {
        var member = new GroupMember(newMemberId, old.InstanceId, old.ClientId, old.ClientHost)
        {
            RebalanceTimeoutMs = old.RebalanceTimeoutMs,
            SessionTimeoutMs = old.SessionTimeoutMs,
            Protocols = old.Protocols,
            Assignment = old.Assignment,
        };
        var index = _members.IndexOf(old.Id);
        _members.RemoveAt(index);
        _members.Insert(index, newMemberId, member);
        _staticMembers[old.InstanceId!] = newMemberId;
        if (PendingSyncs.Remove(old.Id))
        {
            PendingSyncs.Add(newMemberId);
        }

        if (IsLeader(old))
        {
            LeaderId = newMemberId;
        }

        return member;
    }

    public void SetProtocols(GroupMember member, IReadOnlyList<GroupProtocol> protocols)
    {
        Count(member.Protocols, -1);
        member.Protocols = protocols;
        Count(protocols, 1);
    }

    public void SetAwaitingJoin(GroupMember member, Waiting? waiting)
    {
        MembersAwaitingJoin += (waiting is null ? 0 : 1) - (member.AwaitingJoin is null ? 0 : 1);
        member.AwaitingJoin = waiting;
    }

    /// <summary>Whether a member with these protocols could be in the group: an assignor that all members know must be among them.</summary>
    public bool Supports(string protocolType, IReadOnlyList<GroupProtocol> protocols)
    {
        if (State == GroupState.Empty)
        {
            return protocolType.Length > 0 && protocols.Count > 0;
        }

        return ProtocolType == protocolType && protocols.Any(protocol => _protocolCounts.GetValueOrDefault(protocol.Name) == _members.Count);
    }

    /// <summary>Each member votes for the first of its protocols that all members know; most votes win, and the earlier voter breaks a tie.</summary>
    /// <returns>Null if there is no such protocol, which <see cref="Supports"/> keeps from happening.</returns>
    public string? SelectProtocol()
    {
        var votes = new OrderedDictionary<string, int>(StringComparer.Ordinal);
        foreach (var member in _members.Values)
        {
            foreach (var protocol in member.Protocols)
            {
                if (_protocolCounts.GetValueOrDefault(protocol.Name) == _members.Count)
                {
                    votes[protocol.Name] = votes.GetValueOrDefault(protocol.Name) + 1;
                    break;
                }
            }
        }

        return votes.Count == 0 ? null : votes.MaxBy(vote => vote.Value).Key;
    }

    /// <summary>The leader must be there to assign: one that did not rejoin gives way to a member that did.</summary>
    /// <returns>False if no member joined.</returns>
    public bool ElectLeaderAmongJoined()
    {
        if (LeaderId is not null && _members.TryGetValue(LeaderId, out var leader) && leader.AwaitingJoin is not null)
        {
            return true;
        }

        var elected = _members.Values.FirstOrDefault(member => member.AwaitingJoin is not null);
        LeaderId = elected?.Id ?? LeaderId;
        return elected is not null;
    }

    public void BeginGeneration(long nowMs)
    {
        Generation++;
        ProtocolName = _members.Count == 0 ? null : SelectProtocol();
        SubscribedTopics = Subscriptions.TopicsOf(this);
        TransitionTo(_members.Count == 0 ? GroupState.Empty : GroupState.CompletingRebalance, nowMs);
        PendingSyncs.Clear();
    }

    public void ReadSubscriptions() => SubscribedTopics = Subscriptions.TopicsOf(this);

    /// <summary>Where the subscriptions cannot be read, a consumer group may be subscribed to anything.</summary>
    public bool IsSubscribedTo(string topic) => SubscribedTopics?.Contains(topic) ?? UsesConsumerProtocol;

    private void Count(IReadOnlyList<GroupProtocol> protocols, int by)
    {
        foreach (var protocol in protocols)
        {
            var count = _protocolCounts.GetValueOrDefault(protocol.Name) + by;
            if (count == 0)
            {
                _protocolCounts.Remove(protocol.Name);
            }
            else
            {
                _protocolCounts[protocol.Name] = count;
            }
        }
    }
}

/// <summary>The wait before an empty group's first rebalance (KIP-134): extended as long as members come, within the rebalance timeout.</summary>
/// <param name="Current">The stretch that is running.</param>
/// <param name="Remaining">What may still be added to it.</param>
/// <param name="MemberAdded">Whether somebody came during this stretch.</param>
internal readonly record struct InitialDelay(TimeSpan Current, TimeSpan Remaining, bool MemberAdded);
