using Milena.Coordinators.Groups;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Coordinators.Tests.Groups;

/// <summary>KIP-211: offsets live as long as their group, and a retention time longer.</summary>
public sealed class OffsetExpiryTests
{
    private static readonly TimeSpan Retention = TimeSpan.FromHours(1);
    private static readonly TimeSpan CheckInterval = TimeSpan.FromMinutes(10);

    private readonly GroupHarness _harness = new(new GroupSettings { OffsetsRetention = Retention, OffsetsRetentionCheckInterval = CheckInterval });

    private bool Exists(string group) => _harness.Live.Snapshot().Any(one => one.GroupId == group);

    [Fact]
    public void Offsets_of_a_consumer_without_a_group_expire_after_their_commit()
    {
        Commits.Send(_harness, "simple", "orders", 0, 1);
        _harness.Advance(Retention / 2);
        Commits.Send(_harness, "simple", "orders", 1, 2);
        _harness.Advance(Retention / 2);
        Assert.Equal(-1, Commits.Fetch(_harness, "simple", "orders", 0));
        Assert.Equal(2, Commits.Fetch(_harness, "simple", "orders", 1));
        _harness.Advance(Retention / 2);
        Assert.False(Exists("simple"));
        Assert.Null(_harness.Log[^1].Value);
    }

    [Fact]
    public void Offsets_of_a_group_expire_after_the_last_member_left()
    {
        var client = Scenes.Stable(_harness, 1)[0];
        client.Commit("orders", 0, 5);
        for (var minute = 0; minute < 120; minute++)
        {
            for (var beat = 0; beat < 12; beat++)
            {
                _harness.Advance(TimeSpan.FromSeconds(5));
                Assert.Equal(ErrorCode.None, client.Heartbeat());
            }
        }

        Assert.Equal(5, Commits.Fetch(_harness, "group", "orders", 0));
        client.Leave();
        _harness.Advance(Retention - CheckInterval);
        Assert.Equal(5, Commits.Fetch(_harness, "group", "orders", 0));
        _harness.Advance(2 * CheckInterval);
        Assert.False(Exists("group"));
    }

    [Fact]
    public void A_group_with_members_loses_the_offsets_of_topics_that_nobody_subscribes_to()
    {
        var client = Scenes.Stable(_harness, 1, _ => new GroupMemberClient(_harness) { SessionTimeoutMs = 1_800_000 })[0];
        client.Commit("orders", 0, 5);
        client.Commit("payments", 0, 6);
        for (var minutes = 0; minutes < 70; minutes += 10)
        {
            _harness.Advance(TimeSpan.FromMinutes(10));
            client.Heartbeat();
        }

        Assert.Equal(5, Commits.Fetch(_harness, "group", "orders", 0));
        Assert.Equal(-1, Commits.Fetch(_harness, "group", "payments", 0));
    }

    [Fact]
    public void A_commit_that_names_its_retention_time_expires_by_it()
    {
        Commits.Send(_harness, "simple", "orders", 0, 1, 2, retentionTimeMs: 60_000);
        Commits.Send(_harness, "simple", "orders", 1, 1, 2, retentionTimeMs: long.MaxValue);
        Commits.Send(_harness, "simple", "orders", 2, 1, 2, retentionTimeMs: long.MinValue);
        _harness.Advance(CheckInterval);
        Assert.Equal(-1, Commits.Fetch(_harness, "simple", "orders", 0));
        _harness.Advance(Retention * 2);
        Assert.Equal(1, Commits.Fetch(_harness, "simple", "orders", 1));
        Assert.Equal(-1, Commits.Fetch(_harness, "simple", "orders", 2));
    }

    [Fact]
    public void An_empty_group_without_offsets_is_removed_but_not_while_a_member_id_waits()
    {
        new GroupMemberClient(_harness) { SessionTimeoutMs = 900_000 }.Join();
        _harness.Advance(CheckInterval);
        Assert.True(Exists("group"));
        _harness.Advance(CheckInterval);
        Assert.False(Exists("group"));
    }

    [Fact]
    public void Expiry_goes_on_after_a_failover()
    {
        Commits.Send(_harness, "simple", "orders", 0, 1);
        _harness.FailOver();
        _harness.Advance(Retention + CheckInterval);
        Assert.False(Exists("simple"));
    }

    [Fact]
    public void Many_offsets_are_removed_in_bounded_steps()
    {
        CommitMany(2_500);
        _harness.Advance(Retention + CheckInterval - TimeSpan.FromTicks(1));
        _harness.Advance(TimeSpan.FromTicks(1));
        Assert.False(Exists("simple"));
        Assert.True(_harness.LastRecords.Count <= 1_000);
    }

    [Fact]
    public void Offsets_of_a_deleted_topic_go_with_it_and_those_of_its_namesake_stay()
    {
        var (former, current) = (Guid.NewGuid(), Guid.NewGuid());
        _harness.TopicIds["orders"] = former;
        Commits.Send(_harness, "one", "orders", 0, 1);
        Commits.Send(_harness, "one", "payments", 0, 1);
        _harness.TopicIds["orders"] = current;
        Commits.Send(_harness, "two", "orders", 0, 2);
        Assert.Equal(1, _harness.DeleteTopics(new DeletedTopic("orders", former)));
        Assert.Equal(-1, Commits.Fetch(_harness, "one", "orders", 0));
        Assert.Equal(1, Commits.Fetch(_harness, "one", "payments", 0));
        Assert.Equal(2, Commits.Fetch(_harness, "two", "orders", 0));
        Assert.Equal(1, _harness.DeleteTopics(new DeletedTopic("orders")));
        Assert.Equal(-1, Commits.Fetch(_harness, "two", "orders", 0));
    }

    [Fact]
    public void A_deleted_topic_with_many_offsets_is_purged_in_bounded_steps()
    {
        CommitMany(2_500);
        Assert.Equal(1_000, _harness.DeleteTopics(new DeletedTopic("orders")));
        _harness.Advance(TimeSpan.Zero);
        Assert.Equal("", _harness.Group("simple").Offsets);
    }

    private void CommitMany(int partitions)
    {
        var all = Enumerable.Range(0, partitions).Select(index => new OffsetCommitRequest.OffsetCommitRequestPartition { PartitionIndex = index });
        var response = _harness.Send(
            new OffsetCommitRequest { GroupId = "simple", Topics = [new() { Name = "orders", Partitions = [.. all] }] },
            8).Answer<OffsetCommitResponse>();
        Assert.All(response.Topics.Single().Partitions, partition => Assert.Equal(ErrorCode.None, partition.ErrorCode));
    }
}
