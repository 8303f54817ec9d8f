using Milena.Coordinators.Groups;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Coordinators.Tests.Groups;

public sealed class GroupAdminTests
{
    private readonly GroupHarness _harness = new();

    private DescribeGroupsResponse.DescribedGroup Describe(string group, short version = 6) =>
        _harness.Send(new DescribeGroupsRequest { Groups = [group] }, version).Answer<DescribeGroupsResponse>().Groups.Single();

    private string[] List(short version, string[]? states = null, string[]? types = null) =>
        [.. _harness.Send(new ListGroupsRequest { StatesFilter = [.. states ?? []], TypesFilter = [.. types ?? []] }, version)
            .Answer<ListGroupsResponse>().Groups.Select(group => group.GroupId).Order()];

    private ErrorCode Delete(string group) =>
        _harness.Send(new DeleteGroupsRequest { GroupsNames = [group] }, 2).Answer<DeleteGroupsResponse>().Results.Single().ErrorCode;

    [Fact]
    public void A_stable_group_is_described_with_metadata_and_assignments()
    {
        var clients = Scenes.Stable(_harness, 2, index => new GroupMemberClient(_harness, instanceId: $"i{index}"));
        var group = Describe("group");
        Assert.Equal(("Stable", "consumer", "range", ErrorCode.None), (group.GroupState, group.ProtocolType, group.ProtocolData, group.ErrorCode));
        var member = group.Members[1];
        Assert.Equal((clients[1].MemberId, "i1"), (member.MemberId, member.GroupInstanceId));
        Assert.Equal(("client", "/10.0.0.1"), (member.ClientId, member.ClientHost));
        Assert.Equal(GroupMemberClient.Subscription("orders"), member.MemberMetadata.ToArray());
        Assert.Equal(clients[1].MemberId, System.Text.Encoding.UTF8.GetString(member.MemberAssignment.Span));
    }

    [Fact]
    public void States_have_their_names()
    {
        var clients = Scenes.Stable(_harness, 2);
        var first = clients[0].Join();
        Assert.Equal(("PreparingRebalance", ""), (Describe("group").GroupState, Describe("group").ProtocolData));
        clients[1].Join();
        clients[0].TakeGeneration(first);
        Assert.Equal("CompletingRebalance", Describe("group").GroupState);
        clients[1].Generation = 2;
        clients[0].Leave();
        clients[1].Leave();
        Assert.Equal("Empty", Describe("group").GroupState);
    }

    [Theory]
    [InlineData(0, ErrorCode.None)]
    [InlineData(5, ErrorCode.None)]
    [InlineData(6, ErrorCode.GroupIdNotFound)]
    public void An_unknown_group_is_dead_and_from_version_6_on_an_error(short version, ErrorCode expected)
    {
        var group = Describe("unknown", version);
        Assert.Equal(("Dead", expected), (group.GroupState, group.ErrorCode));
        Assert.Equal(version >= 6 ? "Group unknown not found." : null, group.ErrorMessage);
    }

    [Fact]
    public void What_is_said_of_an_unknown_group_fits_an_answer_however_long_its_name_is() =>
        Assert.EndsWith("…", Describe(new string('x', short.MaxValue)).ErrorMessage);

    [Fact]
    public void Groups_are_listed_by_state_and_type()
    {
        Scenes.Stable(_harness, 1, _ => new GroupMemberClient(_harness, "stable"));
        Commits.Send(_harness, "simple", "orders", 0, 1);
        Assert.Equal(["simple", "stable"], List(0));
        Assert.Equal(["simple", "stable"], List(5));
        Assert.Equal(["stable"], List(4, ["stable"]));
        Assert.Equal(["simple", "stable"], List(5, ["Stable", " empty "], ["Classic"]));
        Assert.Empty(List(5, [], ["consumer"]));
        Assert.Empty(List(5, ["nonsense"]));
        var listed = _harness.Send(new ListGroupsRequest(), 5).Answer<ListGroupsResponse>().Groups.Single(group => group.GroupId == "stable");
        Assert.Equal(("consumer", "Stable", "classic"), (listed.ProtocolType, listed.GroupState, listed.GroupType));
    }

    [Fact]
    public void Only_an_empty_group_can_be_deleted()
    {
        var client = Scenes.Stable(_harness, 1)[0];
        client.Commit("orders", 0, 1);
        Assert.Equal(ErrorCode.NonEmptyGroup, Delete("group"));
        client.Leave();
        Assert.Equal(ErrorCode.None, Delete("group"));
        Assert.Equal(2, _harness.LastRecords.Count(record => record.Value is null));
        Assert.Equal(ErrorCode.GroupIdNotFound, Delete("group"));
        Assert.Equal(-1, Commits.Fetch(_harness, "group", "orders", 0));
        Assert.Equal(0, _harness.Live.GroupCount);
    }

    [Fact]
    public void A_group_with_more_offsets_than_a_batch_can_remove_is_deleted_in_several_tries()
    {
        var harness = new GroupHarness(new GroupSettings { MaxBatchBytes = 2_000 });
        for (var partition = 0; partition < 40; partition++)
        {
            Commits.Send(harness, "group", "orders", partition, 1);
        }

        ErrorCode DeleteOnce() =>
            harness.Send(new DeleteGroupsRequest { GroupsNames = ["group"] }, 2).Answer<DeleteGroupsResponse>().Results.Single().ErrorCode;
        var tries = 1;
        while (DeleteOnce() == ErrorCode.CoordinatorLoadInProgress)
        {
            Assert.InRange(harness.LastRecords.Count, 1, 20);
            tries++;
        }

        Assert.InRange(tries, 3, 4);
        Assert.Equal(0, harness.Live.GroupCount);
    }

    [Fact]
    public void A_group_deleted_while_a_member_id_waits_forgets_it()
    {
        var client = new GroupMemberClient(_harness);
        client.MemberId = client.Join().Answer<JoinGroupResponse>().MemberId;
        Assert.Equal(ErrorCode.None, Delete("group"));
        Assert.DoesNotContain(_harness.Timers.Keys, timer => timer.Owner == "group");
        Assert.Equal(ErrorCode.UnknownMemberId, client.Join().Answer<JoinGroupResponse>().ErrorCode);
    }

    [Fact]
    public void A_request_of_another_coordinator_is_a_bug() =>
        Assert.Throws<ArgumentException>(() => _harness.Send(new EndTxnRequest(), 0));
}
