using Milena.Coordinators.Groups;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Coordinators.Tests.Groups;

public sealed class OffsetTests
{
    private readonly GroupHarness _harness = new();

    [Theory]
    [InlineData(2)]
    [InlineData(5)]
    [InlineData(7)]
    [InlineData(9)]
    public void A_consumer_without_a_group_commits_and_fetches(short version)
    {
        Assert.Equal(ErrorCode.None, Commits.Send(_harness, "simple", "orders", 3, 42, version, metadata: "note"));
        var found = Commits.FetchTopic(_harness, "simple", "orders", 3);
        Assert.Equal((42, -1, "note", ErrorCode.None), (found.CommittedOffset, found.CommittedLeaderEpoch, found.Metadata, found.ErrorCode));
        Assert.Equal(GroupState.Empty, _harness.Group("simple").State);
        Assert.Null(_harness.Group("simple").ProtocolType);
    }

    [Fact]
    public void Version_10_commits_and_fetches_by_topic_id()
    {
        var id = new Guid("29c44f96-f5e0-4514-8259-bc5e73175c2a");
        _harness.TopicIds["orders"] = id;
        Assert.Equal(ErrorCode.None, Commits.Send(_harness, "simple", "orders", 0, 7, 10, topicId: id));
        var response = _harness.Send(
            new OffsetFetchRequest { Groups = [new() { GroupId = "simple", Topics = [new() { TopicId = id, PartitionIndexes = [0, 1] }] }] },
            10).Answer<OffsetFetchResponse>();
        var topic = response.Groups.Single().Topics.Single();
        Assert.Equal(id, topic.TopicId);
        Assert.Equal([7, -1], topic.Partitions.Select(partition => partition.CommittedOffset));
        var all = _harness.Send(new OffsetFetchRequest { Groups = [new() { GroupId = "simple", Topics = null }] }, 10).Answer<OffsetFetchResponse>();
        Assert.Equal(id, all.Groups.Single().Topics.Single().TopicId);
    }

    [Fact]
    public void An_offset_of_a_deleted_topic_is_not_that_of_its_namesake()
    {
        _harness.TopicIds["orders"] = Guid.NewGuid();
        Commits.Send(_harness, "simple", "orders", 0, 7);
        _harness.TopicIds["orders"] = Guid.NewGuid();
        Assert.Equal(-1, Commits.Fetch(_harness, "simple", "orders", 0));
    }

    [Fact]
    public void The_record_carries_the_topic_id_and_one_with_its_own_expiry_does_not()
    {
        _harness.TopicIds["orders"] = Guid.NewGuid();
        Commits.Send(_harness, "simple", "orders", 0, 7);
        Assert.Equal(4, _harness.LastRecords.Single().ValueVersion);
        Commits.Send(_harness, "simple", "orders", 0, 8, 2, retentionTimeMs: 1_000);
        Assert.Equal(1, _harness.LastRecords.Single().ValueVersion);
        Assert.Equal(8, Commits.Fetch(_harness, "simple", "orders", 0));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(5)]
    [InlineData(7)]
    public void Before_version_8_a_fetch_is_of_one_group(short version)
    {
        Commits.Send(_harness, "simple", "orders", 0, 7);
        var response = _harness.Send(
            new OffsetFetchRequest
            {
                GroupId = "simple",
                Topics = [new() { Name = "orders", PartitionIndexes = [0, 9] }, new() { Name = "unknown", PartitionIndexes = [1] }],
            },
            version).Answer<OffsetFetchResponse>();
        Assert.Equal(ErrorCode.None, response.ErrorCode);
        Assert.Equal(["orders", "unknown"], response.Topics.Select(topic => topic.Name));
        Assert.Equal([7, -1, -1], response.Topics.SelectMany(topic => topic.Partitions).Select(partition => partition.CommittedOffset));
        Assert.All(response.Topics.SelectMany(topic => topic.Partitions), partition => Assert.Equal(-1, partition.CommittedLeaderEpoch));
        Assert.All(response.Topics.SelectMany(topic => topic.Partitions), partition => Assert.Equal("", partition.Metadata));
    }

    [Fact]
    public void No_list_of_topics_means_all_and_an_empty_one_none()
    {
        Commits.Send(_harness, "simple", "orders", 1, 7);
        Commits.Send(_harness, "simple", "payments", 0, 8);
        OffsetFetchResponse Fetch(List<OffsetFetchRequest.OffsetFetchRequestTopics>? topics) => _harness.Send(
            new OffsetFetchRequest
            {
                Groups = [new() { GroupId = "simple", Topics = topics }, new() { GroupId = "unknown", Topics = topics }],
                RequireStable = true,
            },
            9).Answer<OffsetFetchResponse>();
        var all = Fetch(null);
        Assert.Equal(["simple", "unknown"], all.Groups.Select(group => group.GroupId));
        Assert.Equal(["orders", "payments"], all.Groups[0].Topics.Select(topic => topic.Name));
        Assert.Empty(all.Groups[1].Topics);
        Assert.Empty(Fetch([]).Groups[0].Topics);
        var single = _harness.Send(new OffsetFetchRequest { GroupId = "simple", Topics = null }, 7).Answer<OffsetFetchResponse>();
        Assert.Equal(2, single.Topics.Count);
    }

    [Fact]
    public void A_member_commits_with_its_generation_and_others_do_not()
    {
        var client = Scenes.Stable(_harness, 1)[0];
        Assert.Equal(ErrorCode.None, client.Commit("orders", 0, 5));
        Assert.Equal(5, Commits.Fetch(_harness, "group", "orders", 0));
        Assert.Equal(ErrorCode.IllegalGeneration, Commits.Send(_harness, "group", "orders", 0, 6, generation: 2, memberId: client.MemberId));
        Assert.Equal(ErrorCode.UnknownMemberId, Commits.Send(_harness, "group", "orders", 0, 6, generation: 1, memberId: "stranger"));
        Assert.Equal(ErrorCode.UnknownMemberId, Commits.Send(_harness, "group", "orders", 0, 6));
        Assert.Equal(
            ErrorCode.UnknownMemberId, Commits.Send(_harness, "group", "orders", 0, 6, generation: 1, memberId: client.MemberId, instanceId: "x"));
        Assert.Equal(ErrorCode.IllegalGeneration, Commits.Send(_harness, "group", "orders", 0, 6, generation: -1, memberId: client.MemberId));
        Assert.Equal(5, Commits.Fetch(_harness, "group", "orders", 0));
    }

    [Fact]
    public void A_commit_is_taken_while_members_rejoin_but_not_while_the_assignment_is_awaited()
    {
        var clients = Scenes.Stable(_harness, 2);
        var joins = new[] { clients[0].Join() };
        Assert.Equal(ErrorCode.None, clients[1].Commit("orders", 0, 5));
        joins = [joins[0], clients[1].Join()];
        clients[0].TakeGeneration(joins[0]);
        Assert.Equal(ErrorCode.RebalanceInProgress, clients[0].Commit("orders", 0, 6));
    }

    [Theory]
    [InlineData(8, ErrorCode.IllegalGeneration)]
    [InlineData(9, ErrorCode.GroupIdNotFound)]
    public void A_generation_of_an_unknown_group_is_refused(short version, ErrorCode expected)
    {
        Assert.Equal(expected, Commits.Send(_harness, "unknown", "orders", 0, 6, version, generation: 1, memberId: "m"));
        Assert.Equal(0, _harness.Live.GroupCount);
    }

    [Fact]
    public void Once_the_group_is_empty_an_administrator_may_set_its_offsets()
    {
        var client = Scenes.Stable(_harness, 1)[0];
        client.Leave();
        Assert.Equal(ErrorCode.None, Commits.Send(_harness, "group", "orders", 0, 99));
        Assert.Equal(ErrorCode.UnknownMemberId, client.Commit("orders", 0, 1));
    }

    [Fact]
    public void Metadata_that_is_too_long_is_refused_for_its_partition_only()
    {
        Assert.Equal(ErrorCode.OffsetMetadataTooLarge, Commits.Send(_harness, "simple", "orders", 0, 1, metadata: new string('x', 4_097)));
        Assert.Equal(0, _harness.Live.GroupCount);
        var response = _harness.Send(
            new OffsetCommitRequest
            {
                GroupId = "simple",
                Topics =
                [
                    new()
                    {
                        Name = "orders",
                        Partitions =
                        [
                            new() { PartitionIndex = 0, CommittedOffset = 1, CommittedMetadata = new string('x', 4_097) },
                            new() { PartitionIndex = 1, CommittedOffset = 2, CommittedMetadata = new string('x', 4_096) },
                        ],
                    },
                ],
            },
            8).Answer<OffsetCommitResponse>();
        Assert.Equal(
            [ErrorCode.OffsetMetadataTooLarge, ErrorCode.None], response.Topics.Single().Partitions.Select(partition => partition.ErrorCode));
        Assert.Equal(2, Commits.Fetch(_harness, "simple", "orders", 1));
    }

    [Fact]
    public void A_commit_too_large_for_a_batch_is_refused_as_a_whole()
    {
        var harness = new GroupHarness(new GroupSettings { MaxBatchBytes = 10_000 });
        var partitions = Enumerable.Range(0, 200).Select(index => new OffsetCommitRequest.OffsetCommitRequestPartition { PartitionIndex = index });
        var response = harness.Send(
            new OffsetCommitRequest { GroupId = "simple", Topics = [new() { Name = "orders", Partitions = [.. partitions] }] },
            8).Answer<OffsetCommitResponse>();
        Assert.All(response.Topics.Single().Partitions, partition => Assert.Equal(ErrorCode.InvalidCommitOffsetSize, partition.ErrorCode));
        Assert.Equal(0, harness.Live.GroupCount);
    }

    [Fact]
    public void A_group_id_that_could_not_be_stored_is_refused() =>
        Assert.Equal(ErrorCode.InvalidGroupId, Commits.Send(_harness, new string('g', 32_001), "orders", 0, 4));

    [Fact]
    public void An_empty_group_id_may_commit_as_it_always_could()
    {
        Assert.Equal(ErrorCode.None, Commits.Send(_harness, "", "orders", 0, 4));
        Assert.Equal(4, Commits.Fetch(_harness, "", "orders", 0));
    }

    [Fact]
    public void Leader_epochs_are_kept_and_a_negative_one_is_none()
    {
        _harness.Send(
            new OffsetCommitRequest
            {
                GroupId = "simple",
                Topics =
                [
                    new()
                    {
                        Name = "orders",
                        Partitions =
                        [
                            new() { PartitionIndex = 0, CommittedLeaderEpoch = 12 },
                            new() { PartitionIndex = 1, CommittedLeaderEpoch = -7 },
                        ],
                    },
                ],
            },
            6);
        Assert.Equal(12, Commits.FetchTopic(_harness, "simple", "orders", 0).CommittedLeaderEpoch);
        Assert.Equal(-1, Commits.FetchTopic(_harness, "simple", "orders", 1).CommittedLeaderEpoch);
    }

    private OffsetDeleteResponse Delete(string group, params (string Topic, int Partition)[] partitions) => _harness.Send(
        new OffsetDeleteRequest
        {
            GroupId = group,
            Topics = [.. partitions.Select(one => new OffsetDeleteRequest.OffsetDeleteRequestTopic
            {
                Name = one.Topic, Partitions = [new() { PartitionIndex = one.Partition }],
            })],
        },
        0).Answer<OffsetDeleteResponse>();

    [Fact]
    public void Offsets_of_topics_that_members_subscribe_to_are_kept()
    {
        var client = Scenes.Stable(_harness, 1)[0];
        client.Commit("orders", 0, 5);
        client.Commit("payments", 0, 6);
        var response = Delete("group", ("orders", 0), ("payments", 0), ("payments", 1));
        Assert.Equal(ErrorCode.None, response.ErrorCode);
        Assert.Equal(
            [ErrorCode.GroupSubscribedToTopic, ErrorCode.None, ErrorCode.None],
            response.Topics.Select(topic => topic.Partitions.Single().ErrorCode));
        Assert.Equal(5, Commits.Fetch(_harness, "group", "orders", 0));
        Assert.Equal(-1, Commits.Fetch(_harness, "group", "payments", 0));
        client.Leave();
        Assert.Equal(ErrorCode.None, Delete("group", ("orders", 0)).Topics.Single().Partitions.Single().ErrorCode);
        Assert.Equal(-1, Commits.Fetch(_harness, "group", "orders", 0));
    }

    [Fact]
    public void A_consumer_group_whose_subscriptions_cannot_be_read_may_be_subscribed_to_anything()
    {
        Scenes.Stable(_harness, 1, _ => new GroupMemberClient(_harness) { Metadata = [0, 3, 0x7F, 0xFF, 0xFF, 0xFF] });
        Assert.Equal(ErrorCode.GroupSubscribedToTopic, Delete("group", ("payments", 0)).Topics.Single().Partitions.Single().ErrorCode);
    }

    [Fact]
    public void Deleting_offsets_has_errors_of_the_group()
    {
        Assert.Equal(ErrorCode.InvalidGroupId, Delete("").ErrorCode);
        Assert.Equal(ErrorCode.GroupIdNotFound, Delete("unknown").ErrorCode);
        Scenes.Stable(_harness, 1, _ => new GroupMemberClient(_harness) { ProtocolType = "connect" });
        Assert.Equal(ErrorCode.NonEmptyGroup, Delete("group", ("orders", 0)).ErrorCode);
    }
}
