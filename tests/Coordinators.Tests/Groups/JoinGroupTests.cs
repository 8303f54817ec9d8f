using Milena.Coordinators.Groups;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Coordinators.Tests.Groups;

public sealed class JoinGroupTests
{
    private readonly GroupHarness _harness = new();

    private Ticket Joined(Ticket join)
    {
        _harness.AdvanceUntilAnswered(join);
        return join;
    }

    [Fact]
    public void A_dynamic_member_is_given_an_id_and_must_use_it()
    {
        var client = new GroupMemberClient(_harness) { ClientId = "app" };
        var refused = client.Join().Answer<JoinGroupResponse>();
        Assert.Equal(ErrorCode.MemberIdRequired, refused.ErrorCode);
        Assert.StartsWith("app-", refused.MemberId);
        Assert.True(Guid.TryParse(refused.MemberId["app-".Length..], out _));
        Assert.Equal(GroupState.Empty, _harness.Group("group").State);

        client.MemberId = refused.MemberId;
        var join = client.Join();
        Assert.False(join.IsAnswered);
        _harness.Advance(TimeSpan.FromSeconds(3));
        var joined = client.TakeGeneration(join);
        Assert.Equal((1, "consumer", "range", refused.MemberId), (joined.GenerationId, joined.ProtocolType, joined.ProtocolName, joined.Leader));
        Assert.Equal(refused.MemberId, Assert.Single(joined.Members).MemberId);
        Assert.False(joined.SkipAssignment);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Before_version_4_a_member_joins_in_one_request(short version)
    {
        var client = new GroupMemberClient(_harness) { Version = version };
        var join = client.Join();
        _harness.Advance(TimeSpan.FromSeconds(3));
        var joined = client.TakeGeneration(join);
        Assert.Equal((1, "range"), (joined.GenerationId, joined.ProtocolName));
        Assert.Equal(joined.MemberId, joined.Leader);
    }

    [Theory]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    [InlineData(7)]
    [InlineData(8)]
    [InlineData(9)]
    public void From_version_4_on_every_version_asks_for_the_member_id(short version)
    {
        var client = new GroupMemberClient(_harness) { Version = version };
        var join = client.JoinWithNewId();
        _harness.Advance(TimeSpan.FromSeconds(3));
        Assert.Equal(version >= 7 ? "consumer" : null, client.TakeGeneration(join).ProtocolType);
    }

    [Fact]
    public void Only_the_leader_sees_the_members()
    {
        var clients = Enumerable.Range(0, 3).Select(_ => new GroupMemberClient(_harness)).ToArray();
        var joins = clients.Select(client => client.JoinWithNewId()).ToArray();
        _harness.AdvanceUntilAnswered(joins);
        var joined = clients.Zip(joins, (client, join) => client.TakeGeneration(join)).ToArray();
        Assert.Single(joined.Select(one => one.Leader).Distinct());
        Assert.Equal([3, 0, 0], joined.Select(one => one.Members.Count).OrderDescending());
        Assert.All(joined, one => Assert.Equal(one.Leader == one.MemberId, one.Members.Count > 0));
        var seen = joined.Single(one => one.Members.Count > 0).Members.Select(member => member.MemberId);
        Assert.Equal(clients.Select(client => client.MemberId), seen);
    }

    [Fact]
    public void The_first_rebalance_waits_longer_while_members_keep_coming_but_no_longer_than_the_rebalance_timeout()
    {
        var first = new GroupMemberClient(_harness) { RebalanceTimeoutMs = 8_000, Version = 3 };
        var join = first.Join();
        for (var second = 0; second < 7; second++)
        {
            _harness.Advance(TimeSpan.FromSeconds(1));
            new GroupMemberClient(_harness) { RebalanceTimeoutMs = 8_000, Version = 3 }.Join();
        }

        Assert.False(join.IsAnswered);
        _harness.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(8, first.TakeGeneration(join).Members.Count);
    }

    [Fact]
    public void The_first_rebalance_is_not_extended_when_nobody_else_comes()
    {
        var client = new GroupMemberClient(_harness) { Version = 3 };
        var join = client.Join();
        _harness.Advance(TimeSpan.FromMilliseconds(2_999));
        Assert.False(join.IsAnswered);
        _harness.Advance(TimeSpan.FromMilliseconds(1));
        Assert.True(join.IsAnswered);
    }

    [Fact]
    public void The_protocol_with_most_votes_among_those_that_all_members_know_is_chosen()
    {
        string[][] preferences = [["sticky", "range"], ["range", "sticky"], ["roundrobin", "range", "sticky"]];
        var clients = preferences.Select(names => new GroupMemberClient(_harness) { Protocols = names }).ToArray();
        var joins = clients.Select(client => client.JoinWithNewId()).ToArray();
        _harness.AdvanceUntilAnswered(joins);
        Assert.All(joins, join => Assert.Equal("range", join.Answer<JoinGroupResponse>().ProtocolName));
    }

    [Theory]
    [InlineData("consumer", "roundrobin")]
    [InlineData("connect", "range")]
    public void A_member_without_a_common_protocol_is_refused(string type, string name)
    {
        Scenes.Stable(_harness, 1);
        var other = new GroupMemberClient(_harness) { ProtocolType = type, Protocols = [name] };
        Assert.Equal(ErrorCode.InconsistentGroupProtocol, other.Join().Answer<JoinGroupResponse>().ErrorCode);
    }

    [Fact]
    public void A_member_without_protocols_or_type_is_refused_and_leaves_no_group_behind()
    {
        var nothing = new GroupMemberClient(_harness) { Protocols = [] };
        Assert.Equal(ErrorCode.InconsistentGroupProtocol, nothing.Join().Answer<JoinGroupResponse>().ErrorCode);
        var untyped = new GroupMemberClient(_harness) { ProtocolType = "" };
        Assert.Equal(ErrorCode.InconsistentGroupProtocol, untyped.Join().Answer<JoinGroupResponse>().ErrorCode);
        Assert.Equal(0, _harness.Live.GroupCount);
    }

    [Fact]
    public void A_protocol_named_twice_counts_once()
    {
        var client = new GroupMemberClient(_harness) { Protocols = ["range", "range"] };
        var join = client.JoinWithNewId();
        _harness.Advance(TimeSpan.FromSeconds(3));
        Assert.Equal("range", client.TakeGeneration(join).ProtocolName);
    }

    [Theory]
    [InlineData(5_999)]
    [InlineData(1_800_001)]
    [InlineData(-1)]
    [InlineData(int.MinValue)]
    public void A_session_timeout_out_of_bounds_is_refused(int sessionTimeoutMs)
    {
        var client = new GroupMemberClient(_harness) { SessionTimeoutMs = sessionTimeoutMs };
        Assert.Equal(ErrorCode.InvalidSessionTimeout, client.Join().Answer<JoinGroupResponse>().ErrorCode);
    }

    [Fact]
    public void An_empty_group_id_is_refused() =>
        Assert.Equal(ErrorCode.InvalidGroupId, new GroupMemberClient(_harness, group: "").Join().Answer<JoinGroupResponse>().ErrorCode);

    [Fact]
    public void A_name_that_could_not_be_stored_is_refused()
    {
        var client = new GroupMemberClient(_harness, instanceId: new string('ß', 16_001));
        Assert.Equal(ErrorCode.InvalidRequest, client.Join().Answer<JoinGroupResponse>().ErrorCode);
        var longest = new GroupMemberClient(_harness, instanceId: new string('ß', 16_000));
        var join = longest.Join();
        _harness.Advance(TimeSpan.FromSeconds(3));
        longest.TakeGeneration(join);
    }

    [Fact]
    public void An_unknown_member_id_is_refused_with_and_without_a_group()
    {
        var stranger = new GroupMemberClient(_harness) { MemberId = "stranger" };
        var refused = stranger.Join().Answer<JoinGroupResponse>();
        Assert.Equal((ErrorCode.UnknownMemberId, "stranger"), (refused.ErrorCode, refused.MemberId));
        Scenes.Stable(_harness, 1);
        Assert.Equal(ErrorCode.UnknownMemberId, stranger.Join().Answer<JoinGroupResponse>().ErrorCode);
    }

    [Fact]
    public void A_full_group_takes_no_more_members()
    {
        var harness = new GroupHarness(new GroupSettings { MaxSize = 2 });
        var clients = Scenes.Stable(harness, 2);
        var third = new GroupMemberClient(harness);
        Assert.Equal(ErrorCode.GroupMaxSizeReached, third.Join().Answer<JoinGroupResponse>().ErrorCode);
        Assert.Equal(ErrorCode.None, clients[0].Heartbeat());
    }

    [Fact]
    public void While_members_join_those_over_the_size_are_left_out()
    {
        var harness = new GroupHarness(new GroupSettings { MaxSize = 2 });
        var clients = Enumerable.Range(0, 3).Select(_ => new GroupMemberClient(harness) { Version = 3 }).ToArray();
        var joins = clients.Select(client => client.Join()).ToArray();
        Assert.Equal(ErrorCode.GroupMaxSizeReached, joins[2].Answer<JoinGroupResponse>().ErrorCode);
        harness.AdvanceUntilAnswered(joins);
        Assert.Equal(ErrorCode.None, joins[1].Answer<JoinGroupResponse>().ErrorCode);
    }

    [Fact]
    public void Member_ids_that_were_handed_out_are_bounded()
    {
        for (var index = 0; index < 10_000; index++)
        {
            Assert.Equal(ErrorCode.MemberIdRequired, new GroupMemberClient(_harness).Join().Answer<JoinGroupResponse>().ErrorCode);
        }

        Assert.Equal(ErrorCode.GroupMaxSizeReached, new GroupMemberClient(_harness).Join().Answer<JoinGroupResponse>().ErrorCode);
        _harness.Advance(TimeSpan.FromSeconds(11));
        Assert.Equal(ErrorCode.MemberIdRequired, new GroupMemberClient(_harness).Join().Answer<JoinGroupResponse>().ErrorCode);
    }

    [Fact]
    public void A_member_id_that_is_not_used_lapses()
    {
        var client = new GroupMemberClient(_harness);
        client.MemberId = client.Join().Answer<JoinGroupResponse>().MemberId;
        _harness.Advance(TimeSpan.FromMilliseconds(10_001));
        Assert.Equal(ErrorCode.UnknownMemberId, client.Join().Answer<JoinGroupResponse>().ErrorCode);
    }

    [Fact]
    public void A_rebalance_waits_for_a_member_id_that_was_handed_out()
    {
        var leader = Scenes.Stable(_harness, 1)[0];
        var slow = new GroupMemberClient(_harness) { SessionTimeoutMs = 20_000 };
        slow.MemberId = slow.Join().Answer<JoinGroupResponse>().MemberId;
        var rejoin = leader.Join();
        Assert.False(rejoin.IsAnswered);
        var join = slow.Join();
        Assert.Equal(2, leader.TakeGeneration(rejoin).Members.Count);
        Assert.Equal(2, slow.TakeGeneration(join).GenerationId);
    }

    [Fact]
    public void A_second_member_makes_the_first_one_rejoin()
    {
        var first = Scenes.Stable(_harness, 1)[0];
        var second = new GroupMemberClient(_harness);
        var join = second.JoinWithNewId();
        Assert.Equal(GroupState.PreparingRebalance, _harness.Group("group").State);
        Assert.Equal(ErrorCode.RebalanceInProgress, first.Heartbeat());
        var rejoin = first.Join();
        Assert.Equal(2, first.TakeGeneration(rejoin).GenerationId);
        Assert.Equal(2, second.TakeGeneration(join).GenerationId);
        Assert.Equal(GroupState.CompletingRebalance, _harness.Group("group").State);
    }

    [Fact]
    public void A_member_that_does_not_rejoin_within_the_rebalance_timeout_is_dropped()
    {
        var clients = Scenes.Stable(_harness, 2, _ => new GroupMemberClient(_harness) { RebalanceTimeoutMs = 20_000, SessionTimeoutMs = 60_000 });
        var rejoin = clients[1].Join();
        if (rejoin.IsAnswered)
        {
            rejoin = clients[0].Join();
            (clients[0], clients[1]) = (clients[1], clients[0]);
        }

        _harness.Advance(TimeSpan.FromSeconds(20));
        var joined = clients[1].TakeGeneration(rejoin);
        Assert.Equal(clients[1].MemberId, joined.Leader);
        Assert.Single(joined.Members);
        Assert.Equal(ErrorCode.UnknownMemberId, clients[0].Heartbeat());
    }

    [Fact]
    public void A_follower_that_repeats_itself_is_told_the_generation_and_disturbs_nobody()
    {
        var clients = Scenes.Stable(_harness, 2);
        var follower = clients[1];
        var joined = follower.TakeGeneration(follower.Join());
        Assert.Equal((1, clients[0].MemberId), (joined.GenerationId, joined.Leader));
        Assert.Empty(joined.Members);
        Assert.Equal(GroupState.Stable, _harness.Group("group").State);
    }

    [Fact]
    public void A_leader_that_rejoins_a_stable_group_starts_a_rebalance()
    {
        var clients = Scenes.Stable(_harness, 2);
        Assert.False(clients[0].Join().IsAnswered);
        Assert.Equal(ErrorCode.RebalanceInProgress, clients[1].Heartbeat());
    }

    [Fact]
    public void A_follower_with_another_subscription_starts_a_rebalance()
    {
        var clients = Scenes.Stable(_harness, 2);
        clients[1].Topics = ["orders", "payments"];
        Assert.False(clients[1].Join().IsAnswered);
        Assert.Equal(ErrorCode.RebalanceInProgress, clients[0].Heartbeat());
    }

    [Fact]
    public void While_the_assignment_is_awaited_a_repeated_join_is_answered_and_a_changed_one_rebalances()
    {
        var client = new GroupMemberClient(_harness);
        var join = client.JoinWithNewId();
        _harness.Advance(TimeSpan.FromSeconds(3));
        client.TakeGeneration(join);
        var repeated = client.TakeGeneration(client.Join());
        Assert.Equal((1, 1), (repeated.GenerationId, repeated.Members.Count));
        client.Topics = ["other"];
        Assert.Equal(2, client.TakeGeneration(client.Join()).GenerationId);
    }

    [Fact]
    public void A_join_sent_twice_is_answered_twice()
    {
        var clients = Scenes.Stable(_harness, 2);
        var first = clients[0].Join();
        var second = clients[0].Join();
        Assert.Equal(ErrorCode.RebalanceInProgress, first.Answer<JoinGroupResponse>().ErrorCode);
        clients[1].Join();
        Assert.Equal(2, clients[0].TakeGeneration(second).GenerationId);
    }

    [Fact]
    public void A_new_member_that_waits_for_five_minutes_is_given_up()
    {
        var patient = new GroupMemberClient(_harness) { RebalanceTimeoutMs = 600_000, SessionTimeoutMs = 600_000 };
        Scenes.Stable(_harness, 1, _ => patient);
        var join = new GroupMemberClient(_harness) { Version = 3 }.Join();
        _harness.Advance(TimeSpan.FromMinutes(5));
        Assert.Equal(ErrorCode.UnknownMemberId, join.Answer<JoinGroupResponse>().ErrorCode);
    }

    [Fact]
    public void A_new_member_that_repeats_its_first_join_is_believed_as_long_as_before()
    {
        GroupMemberClient Patient(int index) => new(_harness) { RebalanceTimeoutMs = 600_000, SessionTimeoutMs = 600_000 };
        var patient = Scenes.Stable(_harness, 1, Patient)[0];
        var late = new GroupMemberClient(_harness);
        late.JoinWithNewId();
        var repeated = late.Join();
        _harness.Advance(TimeSpan.FromMinutes(4));
        Assert.False(repeated.IsAnswered);
        patient.TakeGeneration(patient.Join());
        Assert.Equal(2, late.TakeGeneration(repeated).GenerationId);
    }

    [Theory]
    [InlineData(6, "", "")]
    [InlineData(7, null, null)]
    public void Errors_name_no_protocol_as_Kafka_does(short version, string? ofUnknownGroup, string? ofUnknownMember)
    {
        var stranger = new GroupMemberClient(_harness) { MemberId = "stranger", Version = version };
        Assert.Equal(ofUnknownGroup, stranger.Join().Answer<JoinGroupResponse>().ProtocolName);
        Scenes.Stable(_harness, 1);
        Assert.Equal(ofUnknownMember, stranger.Join().Answer<JoinGroupResponse>().ProtocolName);
    }

    [Fact]
    public void A_rebalance_timeout_of_zero_harms_only_the_group_that_asks_for_it()
    {
        var client = new GroupMemberClient(_harness) { RebalanceTimeoutMs = 0 };
        client.TakeGeneration(Joined(client.JoinWithNewId()));
        _harness.Advance(TimeSpan.Zero);
        Assert.Equal(ErrorCode.UnknownMemberId, client.Heartbeat());
        Assert.Equal(GroupState.Empty, _harness.Group("group").State);
        Assert.True(_harness.TimerCalls < 20);
    }

    [Fact]
    public void An_unloaded_coordinator_answers_who_waits()
    {
        var join = new GroupMemberClient(_harness) { Version = 3 }.Join();
        _harness.FailOver();
        Assert.Equal(ErrorCode.NotCoordinator, join.Answer<JoinGroupResponse>().ErrorCode);
    }

    [Fact]
    public void A_group_over_a_lowered_limit_is_cut_down_when_it_is_loaded()
    {
        var clients = Scenes.Stable(_harness, 3);
        _harness.FailOver(new GroupSettings { MaxSize = 2 });
        Assert.All(clients, client => Assert.Equal(ErrorCode.RebalanceInProgress, client.Heartbeat()));
        var joins = clients.Select(client => client.Join()).ToArray();
        Assert.Equal(ErrorCode.GroupMaxSizeReached, joins[2].Answer<JoinGroupResponse>().ErrorCode);
        Assert.Equal(2, clients[0].TakeGeneration(joins[0]).Members.Count);
    }
}
