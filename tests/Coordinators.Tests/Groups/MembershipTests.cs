using Milena.Coordinators.Groups;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Coordinators.Tests.Groups;

public sealed class MembershipTests
{
    private readonly GroupHarness _harness = new();

    private LeaveGroupResponse Leave(short version, params (string MemberId, string? InstanceId)[] members) => _harness.Send(
        new LeaveGroupRequest
        {
            GroupId = "group",
            MemberId = version < 3 ? members[0].MemberId : "",
            Members = version < 3 ? [] : [.. members.Select(one => new LeaveGroupRequest.MemberIdentity
            {
                MemberId = one.MemberId, GroupInstanceId = one.InstanceId,
            })],
        },
        version).Answer<LeaveGroupResponse>();

    [Fact]
    public void A_heartbeat_keeps_the_session_and_silence_ends_it()
    {
        var clients = Scenes.Stable(_harness, 2);
        for (var second = 0; second < 60; second += 5)
        {
            _harness.Advance(TimeSpan.FromSeconds(5));
            Assert.Equal(ErrorCode.None, clients[0].Heartbeat());
            Assert.Equal(ErrorCode.None, clients[1].Heartbeat());
        }

        _harness.Advance(TimeSpan.FromSeconds(9));
        clients[0].Heartbeat();
        _harness.Advance(TimeSpan.FromMilliseconds(999));
        Assert.Equal(ErrorCode.None, clients[0].Heartbeat());
        _harness.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Equal(ErrorCode.RebalanceInProgress, clients[0].Heartbeat());
        Assert.Equal(ErrorCode.UnknownMemberId, clients[1].Heartbeat());
    }

    [Fact]
    public void Heartbeats_set_no_timers()
    {
        var client = Scenes.Stable(_harness, 1)[0];
        var before = _harness.TimerCalls;
        for (var index = 0; index < 1_000; index++)
        {
            client.Heartbeat();
        }

        Assert.Equal(before, _harness.TimerCalls);
    }

    [Fact]
    public void A_commit_keeps_the_session()
    {
        var client = Scenes.Stable(_harness, 1)[0];
        for (var second = 0; second < 60; second += 9)
        {
            _harness.Advance(TimeSpan.FromSeconds(9));
            Assert.Equal(ErrorCode.None, client.Commit("orders", 0, second));
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    [InlineData(4)]
    public void A_heartbeat_has_the_same_errors_in_every_version(short version)
    {
        var client = Scenes.Stable(_harness, 1)[0];
        ErrorCode Send(string group, string memberId, int generation) => _harness.Send(
            new HeartbeatRequest { GroupId = group, MemberId = memberId, GenerationId = generation }, version).Answer<HeartbeatResponse>().ErrorCode;
        Assert.Equal(ErrorCode.None, Send("group", client.MemberId, 1));
        Assert.Equal(ErrorCode.InvalidGroupId, Send("", client.MemberId, 1));
        Assert.Equal(ErrorCode.UnknownMemberId, Send("other", client.MemberId, 1));
        Assert.Equal(ErrorCode.UnknownMemberId, Send("group", "stranger", 1));
        Assert.Equal(ErrorCode.IllegalGeneration, Send("group", client.MemberId, 2));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    public void Before_version_3_one_member_leaves_and_its_error_stands_at_the_top(short version)
    {
        var clients = Scenes.Stable(_harness, 2);
        Assert.Equal(ErrorCode.UnknownMemberId, Leave(version, ("stranger", null)).ErrorCode);
        Assert.Equal(GroupState.Stable, _harness.Group("group").State);
        Assert.Equal(ErrorCode.None, Leave(version, (clients[1].MemberId, null)).ErrorCode);
        Assert.Equal(ErrorCode.RebalanceInProgress, clients[0].Heartbeat());
    }

    [Theory]
    [InlineData(3)]
    [InlineData(5)]
    public void Members_that_leave_together_are_answered_each(short version)
    {
        var clients = Scenes.Stable(_harness, 3);
        var response = Leave(version, (clients[0].MemberId, null), ("stranger", null), (clients[2].MemberId, null), ("", "nobody"));
        Assert.Equal(ErrorCode.None, response.ErrorCode);
        Assert.Equal(
            [ErrorCode.None, ErrorCode.UnknownMemberId, ErrorCode.None, ErrorCode.UnknownMemberId],
            response.Members.Select(member => member.ErrorCode));
        Assert.Equal(ErrorCode.RebalanceInProgress, clients[1].Heartbeat());
        Assert.Equal(clients[1].MemberId, clients[1].TakeGeneration(clients[1].Join()).Leader);
    }

    [Fact]
    public void Leaving_an_unknown_group_is_an_error_of_each_member_and_an_empty_id_one_at_the_top()
    {
        var unknown = Leave(5, ("a", null), ("b", "instance"));
        Assert.Equal(ErrorCode.None, unknown.ErrorCode);
        Assert.All(unknown.Members, member => Assert.Equal(ErrorCode.UnknownMemberId, member.ErrorCode));
        Assert.Equal(ErrorCode.UnknownMemberId, Leave(1, ("a", null)).ErrorCode);
        var empty = _harness.Send(new LeaveGroupRequest { GroupId = "", Members = [new() { MemberId = "a" }] }, 5).Answer<LeaveGroupResponse>();
        Assert.Equal(ErrorCode.InvalidGroupId, empty.ErrorCode);
    }

    [Fact]
    public void The_last_member_that_leaves_empties_the_group_in_a_new_generation()
    {
        var client = Scenes.Stable(_harness, 1)[0];
        Assert.Equal(ErrorCode.None, client.Leave());
        var group = _harness.Group("group");
        Assert.Equal((GroupState.Empty, 2), (group.State, group.Generation));
        Assert.Equal(("consumer", null, null), (group.ProtocolType, group.ProtocolName, group.LeaderId));
        Assert.DoesNotContain(_harness.Timers.Keys, timer => timer.Owner == "group");
    }

    [Fact]
    public void A_member_id_that_was_handed_out_can_be_given_back()
    {
        var client = new GroupMemberClient(_harness);
        client.MemberId = client.Join().Answer<JoinGroupResponse>().MemberId;
        Assert.Equal(ErrorCode.None, client.Leave());
        Assert.Equal(ErrorCode.UnknownMemberId, client.Join().Answer<JoinGroupResponse>().ErrorCode);
    }

    [Fact]
    public void A_member_that_leaves_while_it_joins_is_answered_and_the_others_go_on()
    {
        var clients = Scenes.Stable(_harness, 2);
        var leaving = clients[0].Join();
        var staying = clients[1].Join();
        Assert.True(staying.IsAnswered);
        Assert.Equal(2, clients[1].TakeGeneration(staying).GenerationId);
        clients[0].TakeGeneration(leaving);
        var again = clients[0].Join();
        Assert.True(again.IsAnswered);
        clients[0].Topics = ["other"];
        var parked = clients[0].Join();
        Assert.False(parked.IsAnswered);
        Assert.Equal(ErrorCode.None, clients[0].Leave());
        Assert.Equal(ErrorCode.UnknownMemberId, parked.Answer<JoinGroupResponse>().ErrorCode);
        Assert.Equal(clients[1].MemberId, clients[1].TakeGeneration(clients[1].Join()).Leader);
    }

    [Fact]
    public void A_member_dropped_while_it_waits_for_its_share_is_answered()
    {
        var clients = Scenes.Stable(_harness, 2);
        var first = clients[0].Join();
        var second = clients[1].Join();
        clients[0].TakeGeneration(first);
        clients[1].TakeGeneration(second);
        var waiting = clients[1].Sync();
        Assert.Equal(ErrorCode.None, Leave(5, (clients[1].MemberId, null)).Members.Single().ErrorCode);
        Assert.Equal(ErrorCode.UnknownMemberId, waiting.Answer<SyncGroupResponse>().ErrorCode);
    }

    [Fact]
    public void Stale_timers_do_nothing()
    {
        var client = Scenes.Stable(_harness, 1)[0];
        var before = _harness.Group("group");
        foreach (var kind in new[] { "group-session", "group-join", "group-sync", "group-unheard-of" })
        {
            _harness.Fire(new(kind, "group", client.MemberId));
            _harness.Fire(new(kind, "group", "stranger"));
            _harness.Fire(new(kind, "other", client.MemberId));
        }

        Assert.Equal(before, _harness.Group("group"));
        Assert.Equal(ErrorCode.None, client.Heartbeat());
    }

    [Fact]
    public void After_a_failover_members_go_on_and_those_that_are_silent_are_dropped()
    {
        var clients = Scenes.Stable(_harness, 2);
        _harness.FailOver();
        Assert.Equal(ErrorCode.None, clients[0].Heartbeat());
        Assert.Equal(ErrorCode.None, clients[1].Heartbeat());
        Assert.Equal(clients[0].MemberId, GroupMemberClient.AssignmentOf(clients[0].Sync()));
        _harness.Advance(TimeSpan.FromSeconds(9));
        clients[0].Heartbeat();
        _harness.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(ErrorCode.RebalanceInProgress, clients[0].Heartbeat());
        Assert.Equal(ErrorCode.UnknownMemberId, clients[1].Heartbeat());
    }
}
