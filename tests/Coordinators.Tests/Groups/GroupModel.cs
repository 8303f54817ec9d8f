using System.Text;
using Milena.Coordinators.Groups;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Coordinators.Tests.Groups;

/// <summary>What clients of several groups were told, and the invariants that must hold of it.</summary>
internal sealed class GroupModel
{
    private readonly GroupHarness _harness;
    private readonly Dictionary<string, int> _generations = [];
    private readonly Dictionary<string, int> _lives = [];
    private readonly Dictionary<(string Group, int Life, int Generation, string Member), string> _shares = [];
    private readonly Dictionary<(string Group, int Life, int Failovers, int Generation), string> _leaders = [];
    private readonly Dictionary<(string Group, int Partition), long> _offsets = [];
    private int _failovers;

    public GroupModel(GroupHarness harness)
    {
        _harness = harness;
        harness.Answered += Answered;
    }

    public int Generations { get; private set; }

    public int Shares => _shares.Count;

    public int Offsets => _offsets.Count;

    /// <summary>A static member is one through all its ids.</summary>
    public static string IdentityOf(string memberId) =>
        memberId.StartsWith("static", StringComparison.Ordinal) ? memberId[..memberId.IndexOf('-', StringComparison.Ordinal)] : memberId;

    public static string ShareOf(string memberId, int generation) => $"{IdentityOf(memberId)}@{generation}";

    public void Committed(string group, int partition, long offset) => _offsets[(group, partition)] = offset;

    /// <summary>To be called after every step.</summary>
    public void Check()
    {
        var snapshot = _harness.Live.Snapshot().ToDictionary(group => group.GroupId);
        foreach (var gone in _generations.Keys.Except(snapshot.Keys).ToArray())
        {
            _generations.Remove(gone);
            _lives[gone] = Life(gone) + 1;
            Assert.True(_offsets.Keys.All(key => key.Group != gone), $"CommittedOffsetsAreKept: {gone} was removed with offsets in it.");
        }

        if (_failovers != _harness.Failovers)
        {
            // A generation that was still joining is forgotten with the coordinator; nobody held a share of it.
            _failovers = _harness.Failovers;
            _generations.Clear();
        }

        foreach (var group in snapshot.Values)
        {
            CheckGeneration(group);
        }
    }

    public void CheckOffsets()
    {
        foreach (var ((group, partition), offset) in _offsets)
        {
            Assert.True(Commits.Fetch(_harness, group, "orders", partition) == offset, $"CommittedOffsetsAreKept: {group} orders-{partition}");
        }
    }

    /// <summary>Checked when an answer is given: its client may look at it much later.</summary>
    private void Answered(Ticket ticket)
    {
        if (ticket is { Request: JoinGroupRequest join, Response: JoinGroupResponse { ErrorCode: ErrorCode.None } joined })
        {
            Joined(join.GroupId, joined);
        }
        else if (ticket is { Request: SyncGroupRequest sync, Response: SyncGroupResponse { ErrorCode: ErrorCode.None } synced })
        {
            Synced(sync.GroupId, sync.GenerationId, sync.MemberId, Encoding.UTF8.GetString(synced.Assignment.Span));
        }
    }

    private void Joined(string group, JoinGroupResponse joined)
    {
        var key = (group, Life(group), _harness.Failovers, joined.GenerationId);
        var leader = IdentityOf(joined.Leader);
        Assert.True(_leaders.TryAdd(key, leader) || _leaders[key] == leader, $"OneLeaderForEachGeneration: {key}: {leader}");
        Assert.True(joined.Members.Count == 0 || joined.Leader == joined.MemberId, "OnlyTheLeaderSeesTheMembers");
    }

    private void Synced(string group, int generation, string memberId, string share)
    {
        // Empty if the leader did not know of the member.
        Assert.True(share.Length == 0 || share == ShareOf(memberId, generation), $"NobodyHoldsAnothersShare: {memberId} {share}");
        var key = (group, Life(group), generation, IdentityOf(memberId));
        Assert.True(_shares.TryAdd(key, share) || _shares[key] == share, $"OneShareForEachMemberAndGeneration: {key}: {share}");
    }

    private void CheckGeneration(GroupSnapshot group)
    {
        if (_generations.TryGetValue(group.GroupId, out var former))
        {
            Assert.True(group.Generation >= former, $"GenerationNeverGoesBack: {group.GroupId} from {former} to {group.Generation}");
            Generations += group.Generation - former;
        }

        _generations[group.GroupId] = group.Generation;
        var lines = group.Members.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        var memberIds = lines.Select(line => line[..line.IndexOf(' ', StringComparison.Ordinal)]).ToArray();
        Assert.True(memberIds.Length == memberIds.Distinct().Count(), "MembersAreDistinct");
        Assert.True((group.LeaderId is null) == (memberIds.Length == 0), "AGroupWithMembersHasALeader");
        Assert.True(group.LeaderId is null || memberIds.Contains(group.LeaderId), "TheLeaderIsAMember");
        Assert.True(group.State != GroupState.Empty || memberIds.Length == 0, "AnEmptyGroupHasNoMembers");
    }

    private int Life(string group) => _lives.GetValueOrDefault(group);
}
