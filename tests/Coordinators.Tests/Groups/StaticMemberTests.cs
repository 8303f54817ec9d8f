using Milena.Coordinators.Groups;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Coordinators.Tests.Groups;

/// <summary>KIP-345: members that keep their share over a restart.</summary>
public sealed class StaticMemberTests
{
    private readonly GroupHarness _harness = new();

    private GroupMemberClient[] Stable() =>
        Scenes.Stable(_harness, 2, index => new GroupMemberClient(_harness, instanceId: $"instance-{index}") { SessionTimeoutMs = 30_000 });

    [Fact]
    public void A_static_member_needs_no_second_request_and_its_id_begins_with_its_instance()
    {
        var client = Stable()[0];
        Assert.StartsWith("instance-0-", client.MemberId);
    }

    [Fact]
    public void A_follower_that_restarts_takes_its_share_again_and_nobody_notices()
    {
        var clients = Stable();
        var restarted = new GroupMemberClient(_harness, instanceId: "instance-1");
        var formerId = clients[1].MemberId;
        var joined = restarted.TakeGeneration(restarted.Join());
        Assert.NotEqual(formerId, joined.MemberId);
        Assert.Equal((1, clients[0].MemberId, false), (joined.GenerationId, joined.Leader, joined.SkipAssignment));
        Assert.Equal(formerId, GroupMemberClient.AssignmentOf(restarted.Sync()));
        Assert.Equal(ErrorCode.None, clients[0].Heartbeat());
        Assert.Equal(ErrorCode.FencedInstanceId, clients[1].Heartbeat());
    }

    [Theory]
    [InlineData(9)]
    [InlineData(8)]
    public void A_leader_that_restarts_is_kept_from_assigning(short version)
    {
        var clients = Stable();
        var formerId = clients[0].MemberId;
        var restarted = new GroupMemberClient(_harness, instanceId: "instance-0") { Version = version };
        var joined = restarted.TakeGeneration(restarted.Join());
        if (version >= 9)
        {
            Assert.Equal((joined.MemberId, true, 2), (joined.Leader, joined.SkipAssignment, joined.Members.Count));
        }
        else
        {
            Assert.Equal((formerId, false, 0), (joined.Leader, joined.SkipAssignment, joined.Members.Count));
        }

        Assert.Equal(formerId, GroupMemberClient.AssignmentOf(restarted.Sync()));
    }

    [Fact]
    public void A_restart_that_changes_the_chosen_protocol_rebalances()
    {
        var clients = Scenes.Stable(
            _harness, 1, _ => new GroupMemberClient(_harness, instanceId: "instance") { Protocols = ["range", "sticky"] });
        var restarted = new GroupMemberClient(_harness, instanceId: "instance") { Protocols = ["sticky"] };
        var joined = restarted.TakeGeneration(restarted.Join());
        Assert.Equal((2, "sticky"), (joined.GenerationId, joined.ProtocolName));
        Assert.Equal(ErrorCode.FencedInstanceId, clients[0].Heartbeat());
    }

    [Fact]
    public void A_restart_while_the_assignment_is_awaited_begins_the_joining_again()
    {
        var clients = Stable();
        var joins = clients.Select(client => client.Join()).ToArray();
        clients[0].TakeGeneration(joins[0]);
        clients[1].TakeGeneration(joins[1]);
        var waiting = clients[1].Sync();
        var restarted = new GroupMemberClient(_harness, instanceId: "instance-1");
        var join = restarted.Join();
        Assert.Equal(ErrorCode.FencedInstanceId, waiting.Answer<SyncGroupResponse>().ErrorCode);
        Assert.Equal(GroupState.PreparingRebalance, _harness.Group("group").State);
        var rejoin = clients[0].Join();
        Assert.Equal(3, restarted.TakeGeneration(join).GenerationId);
        Assert.Equal(3, clients[0].TakeGeneration(rejoin).GenerationId);
    }

    [Fact]
    public void A_second_process_with_the_same_instance_fences_the_first_that_still_joins()
    {
        var first = new GroupMemberClient(_harness, instanceId: "instance").Join();
        var second = new GroupMemberClient(_harness, instanceId: "instance");
        var join = second.Join();
        Assert.Equal(ErrorCode.FencedInstanceId, first.Answer<JoinGroupResponse>().ErrorCode);
        _harness.AdvanceUntilAnswered(join);
        Assert.Single(second.TakeGeneration(join).Members);
    }

    [Fact]
    public void The_fenced_one_is_told_so_by_every_request()
    {
        var former = Stable()[1];
        new GroupMemberClient(_harness, instanceId: "instance-1").Join();
        Assert.Equal(ErrorCode.FencedInstanceId, former.Join().Answer<JoinGroupResponse>().ErrorCode);
        Assert.Equal(ErrorCode.FencedInstanceId, former.Sync().Answer<SyncGroupResponse>().ErrorCode);
        Assert.Equal(ErrorCode.FencedInstanceId, former.Heartbeat());
        Assert.Equal(ErrorCode.FencedInstanceId, former.Commit("orders", 0, 1));
        Assert.Equal(ErrorCode.FencedInstanceId, former.Leave());
    }

    [Fact]
    public void An_instance_that_is_not_there_is_unknown()
    {
        var clients = Stable();
        var stranger = new GroupMemberClient(_harness, instanceId: "instance-9") { MemberId = clients[0].MemberId, Generation = 1 };
        Assert.Equal(ErrorCode.UnknownMemberId, stranger.Heartbeat());
        Assert.Equal(ErrorCode.UnknownMemberId, stranger.Join().Answer<JoinGroupResponse>().ErrorCode);
    }

    [Fact]
    public void An_administrator_removes_a_static_member_by_its_instance()
    {
        var clients = Stable();
        var stranger = new GroupMemberClient(_harness, instanceId: "instance-1");
        Assert.Equal(ErrorCode.None, stranger.Leave());
        Assert.Equal(ErrorCode.RebalanceInProgress, clients[0].Heartbeat());
        Assert.Equal(ErrorCode.UnknownMemberId, clients[1].Heartbeat());
    }

    [Fact]
    public void A_static_member_that_is_away_keeps_its_place_until_its_session_ends()
    {
        var clients = Scenes.Stable(_harness, 2, index => new GroupMemberClient(_harness, instanceId: $"instance-{index}")
        {
            SessionTimeoutMs = 60_000,
            RebalanceTimeoutMs = 10_000,
        });
        var rejoin = clients[0].Join();
        _harness.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal(2, clients[0].TakeGeneration(rejoin).Members.Count);
        Assert.Equal(ErrorCode.IllegalGeneration, clients[1].Heartbeat());
        clients[1].TakeGeneration(clients[1].Join());
        Scenes.SyncAll(clients);
        Assert.Equal(ErrorCode.None, clients[1].Heartbeat());
    }

    [Fact]
    public void A_leader_that_is_away_gives_way_to_a_member_that_joined()
    {
        var clients = Scenes.Stable(_harness, 2, index => new GroupMemberClient(_harness, instanceId: $"instance-{index}")
        {
            SessionTimeoutMs = 60_000,
            RebalanceTimeoutMs = 10_000,
        });
        clients[1].Topics = ["orders", "payments"];
        var rejoin = clients[1].Join();
        _harness.Advance(TimeSpan.FromSeconds(10));
        var joined = clients[1].TakeGeneration(rejoin);
        Assert.Equal((clients[1].MemberId, 2), (joined.Leader, joined.Members.Count));
    }

    [Fact]
    public void A_rebalance_that_only_absent_static_members_could_join_is_postponed_until_their_sessions_end()
    {
        var clients = Scenes.Stable(_harness, 2, index => new GroupMemberClient(_harness, instanceId: index == 0 ? "instance" : null)
        {
            SessionTimeoutMs = 60_000,
            RebalanceTimeoutMs = index == 0 ? 0 : 5_000,
        });
        var dynamicMember = clients.Single(client => client.InstanceId is null);
        Assert.Equal(ErrorCode.None, dynamicMember.Leave());
        _harness.Advance(TimeSpan.FromSeconds(30));
        Assert.Equal(GroupState.PreparingRebalance, _harness.Group("group").State);
        _harness.Advance(TimeSpan.FromSeconds(60));
        Assert.Equal(GroupState.Empty, _harness.Group("group").State);
    }

    [Fact]
    public void A_restart_after_a_failover_is_recorded()
    {
        Stable();
        var restarted = new GroupMemberClient(_harness, instanceId: "instance-1");
        restarted.TakeGeneration(restarted.Join());
        _harness.FailOver();
        Assert.Equal(ErrorCode.None, restarted.Heartbeat());
    }
}
