using Milena.Coordinators.Groups;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Coordinators.Tests.Groups;

public sealed class SyncGroupTests
{
    private readonly GroupHarness _harness = new();

    private GroupMemberClient[] Completing(int members)
    {
        var clients = Enumerable.Range(0, members).Select(_ => new GroupMemberClient(_harness)).ToArray();
        var joins = clients.Select(client => client.JoinWithNewId()).ToArray();
        _harness.AdvanceUntilAnswered(joins);
        foreach (var (client, join) in clients.Zip(joins))
        {
            client.TakeGeneration(join);
        }

        return clients;
    }

    private SyncGroupResponse Sync(GroupMemberClient client, short version, Action<SyncGroupRequest>? change = null)
    {
        var request = new SyncGroupRequest
        {
            GroupId = client.Group,
            GenerationId = client.Generation,
            MemberId = client.MemberId,
            ProtocolType = version >= 5 ? "consumer" : null,
            ProtocolName = version >= 5 ? "range" : null,
        };
        change?.Invoke(request);
        return _harness.Send(request, version).Answer<SyncGroupResponse>();
    }

    [Fact]
    public void Followers_wait_for_the_leader_and_everybody_gets_its_share()
    {
        var clients = Completing(3);
        var second = clients[1].Sync();
        Assert.False(second.IsAnswered);
        var first = clients[0].Sync(clients.Select((client, index) => (client.MemberId, $"share {index}")).ToArray());
        Assert.Equal("share 0", GroupMemberClient.AssignmentOf(first));
        Assert.Equal("share 1", GroupMemberClient.AssignmentOf(second));
        Assert.Equal("consumer", second.Answer<SyncGroupResponse>().ProtocolType);
        Assert.Equal("range", second.Answer<SyncGroupResponse>().ProtocolName);
        Assert.Equal(GroupState.Stable, _harness.Group("group").State);
        Assert.Equal("share 2", GroupMemberClient.AssignmentOf(clients[2].Sync()));
    }

    [Fact]
    public void A_member_that_the_leader_forgot_gets_an_empty_share_and_strangers_are_ignored()
    {
        var clients = Completing(2);
        var second = clients[1].Sync();
        clients[0].Sync((clients[0].MemberId, "all"), ("stranger", "none"));
        Assert.Equal("", GroupMemberClient.AssignmentOf(second));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    public void Every_version_is_answered(short version)
    {
        var client = Completing(1)[0];
        var response = Sync(client, version);
        Assert.Equal(ErrorCode.None, response.ErrorCode);
        Assert.Equal(version >= 5 ? "range" : null, response.ProtocolName);
    }

    [Fact]
    public void An_empty_group_id_is_refused() =>
        Assert.Equal(ErrorCode.InvalidGroupId, Sync(new GroupMemberClient(_harness, group: ""), 5).ErrorCode);

    [Fact]
    public void An_unknown_group_or_member_is_refused()
    {
        Assert.Equal(ErrorCode.UnknownMemberId, Sync(new GroupMemberClient(_harness) { MemberId = "x" }, 5).ErrorCode);
        var client = Completing(1)[0];
        Assert.Equal(ErrorCode.UnknownMemberId, Sync(client, 5, request => request.MemberId = "stranger").ErrorCode);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    [InlineData(-1)]
    public void Another_generation_is_refused(int generation)
    {
        var client = Completing(1)[0];
        Assert.Equal(ErrorCode.IllegalGeneration, Sync(client, 5, request => request.GenerationId = generation).ErrorCode);
    }

    [Fact]
    public void Another_protocol_is_refused_and_version_5_must_name_it()
    {
        var client = Completing(1)[0];
        Assert.Equal(ErrorCode.InconsistentGroupProtocol, Sync(client, 5, request => request.ProtocolName = "sticky").ErrorCode);
        Assert.Equal(ErrorCode.InconsistentGroupProtocol, Sync(client, 5, request => request.ProtocolType = "connect").ErrorCode);
        Assert.Equal(ErrorCode.InconsistentGroupProtocol, Sync(client, 5, request => request.ProtocolName = null).ErrorCode);
    }

    [Fact]
    public void During_the_joining_there_is_nothing_to_sync()
    {
        var clients = Scenes.Stable(_harness, 2);
        clients[0].Join();
        Assert.Equal(ErrorCode.RebalanceInProgress, Sync(clients[1], 5).ErrorCode);
    }

    [Fact]
    public void A_new_member_sends_those_who_wait_for_their_share_back_to_the_joining()
    {
        var clients = Completing(2);
        var waiting = clients[1].Sync();
        new GroupMemberClient(_harness).JoinWithNewId();
        Assert.Equal(ErrorCode.RebalanceInProgress, waiting.Answer<SyncGroupResponse>().ErrorCode);
    }

    [Fact]
    public void A_member_that_never_syncs_is_dropped_after_the_rebalance_timeout()
    {
        var clients = Enumerable.Range(0, 2)
            .Select(_ => new GroupMemberClient(_harness) { RebalanceTimeoutMs = 20_000, SessionTimeoutMs = 60_000 }).ToArray();
        var joins = clients.Select(client => client.JoinWithNewId()).ToArray();
        _harness.AdvanceUntilAnswered(joins);
        foreach (var (client, join) in clients.Zip(joins))
        {
            client.TakeGeneration(join);
        }

        var sync = clients[0].Sync((clients[0].MemberId, "all"));
        Assert.Equal("all", GroupMemberClient.AssignmentOf(sync));
        _harness.Advance(TimeSpan.FromSeconds(20));
        Assert.Equal(ErrorCode.UnknownMemberId, clients[1].Heartbeat());
        Assert.Equal(ErrorCode.RebalanceInProgress, clients[0].Heartbeat());
    }

    [Fact]
    public void A_leader_that_never_syncs_is_replaced()
    {
        var clients = Completing(2);
        clients[0].SessionTimeoutMs = 600_000;
        var waiting = clients[1].Sync();
        for (var second = 0; second < 60; second += 5)
        {
            clients[0].Heartbeat();
            _harness.Advance(TimeSpan.FromSeconds(5));
        }

        Assert.Equal(ErrorCode.RebalanceInProgress, waiting.Answer<SyncGroupResponse>().ErrorCode);
        Assert.Equal(ErrorCode.UnknownMemberId, clients[0].Heartbeat());
        Assert.Equal(clients[1].MemberId, clients[1].TakeGeneration(clients[1].Join()).Leader);
    }

    [Fact]
    public void A_sync_sent_twice_is_answered_twice()
    {
        var clients = Completing(2);
        var first = clients[1].Sync();
        var second = clients[1].Sync();
        Assert.Equal(ErrorCode.RebalanceInProgress, first.Answer<SyncGroupResponse>().ErrorCode);
        clients[0].Sync((clients[1].MemberId, "mine"));
        Assert.Equal("mine", GroupMemberClient.AssignmentOf(second));
    }

    [Fact]
    public void An_assignment_too_large_for_a_batch_is_refused_and_the_group_rebalances()
    {
        var harness = new GroupHarness(new GroupSettings { MaxBatchBytes = 2_000 });
        var client = new GroupMemberClient(harness);
        var join = client.JoinWithNewId();
        harness.Advance(TimeSpan.FromSeconds(3));
        client.TakeGeneration(join);
        var sync = client.Sync((client.MemberId, new string('x', 2_000)));
        Assert.Equal(ErrorCode.UnknownServerError, sync.Answer<SyncGroupResponse>().ErrorCode);
        Assert.Equal(GroupState.PreparingRebalance, harness.Group("group").State);
        client.TakeGeneration(client.Join());
        Assert.Equal("all", GroupMemberClient.AssignmentOf(client.Sync((client.MemberId, "all"))));
    }
}
