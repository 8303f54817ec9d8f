using Milena.Model;

namespace Milena.MultiNode.Tests;

/// <summary>How partitions move to other nodes.</summary>
public sealed class Moving
{
    private const string Topic = "moved";

    [Fact]
    public async Task A_partition_moves_to_a_node_that_came_later_with_all_its_records_and_leaves_the_old_one()
    {
        await using var cluster = new InProcessCluster(1, 2, 3);
        await Task.WhenAll(cluster.StartAsync(1), cluster.StartAsync(2), cluster.StartAsync(3));
        Assert.Equal(ErrorCode.None, cluster.CreateTopic(1, Topic, copies: 3).ErrorCode);
        await cluster.UntilAsync(() => Produce(cluster), "a record is acknowledged");
        await cluster.StartAsync(4);
        Assert.Equal(ErrorCode.None, cluster.Reassign(2, Topic, 4, 2));
        await cluster.UntilAsync(() => cluster.Reassignments(3).Topics.Count == 0 && cluster.Describe(3, Topic).ReplicaNodes.SequenceEqual([4, 2]), "the move has ended");
        Assert.Equal([2, 4], cluster.Describe(3, Topic).IsrNodes.Order());
        Assert.Contains(cluster.Describe(3, Topic).LeaderId, new[] { 2, 4 });
        await cluster.UntilAsync(() => Produce(cluster), "a record is acknowledged by the new replicas");
        await cluster.UntilAsync(() => !cluster.HasFolder(1, $"{Topic}-0") && !cluster.HasFolder(3, $"{Topic}-0"), "the old replicas are deleted");
        await cluster.StopAsync(2);
        await cluster.UntilAsync(() => cluster.Describe(4, Topic).LeaderId == 4 && Produce(cluster, askedAt: 4), "the new node leads alone");
        Assert.InRange(cluster[4].Replicas.Directory.Find(new TopicPartition(Topic, 0))!.HighWatermark, 3, long.MaxValue);
    }

    [Fact]
    public async Task A_move_to_a_node_that_is_away_is_listed_and_can_be_called_off()
    {
        await using var cluster = new InProcessCluster(1, 2, 3);
        await Task.WhenAll(cluster.StartAsync(1), cluster.StartAsync(2), cluster.StartAsync(3));
        await cluster.StartAsync(4);
        await cluster.UntilAsync(() => cluster.BrokersSeenBy(1).SequenceEqual([1, 2, 3, 4]), "node 1 sees four brokers");
        await cluster.StopAsync(4);
        Assert.Equal(ErrorCode.None, cluster.CreateTopic(1, Topic, copies: 2).ErrorCode);
        var before = cluster.Describe(1, Topic).ReplicaNodes;
        Assert.Equal(ErrorCode.None, cluster.Reassign(2, Topic, before[0], 4));
        await cluster.UntilAsync(() => cluster.Reassignments(1).Topics is [{ Partitions: [{ AddingReplicas: [4] }] }], "the move is listed");
        await cluster.UntilAsync(() => Produce(cluster), "a record is acknowledged meanwhile");
        Assert.Equal(ErrorCode.None, cluster.Reassign(2, Topic, null));
        Assert.Equal(before, cluster.Describe(2, Topic).ReplicaNodes);
        Assert.Empty(cluster.Reassignments(2).Topics);
        Assert.Equal(ErrorCode.NoReassignmentInProgress, cluster.Reassign(2, Topic, null));
    }

    [Fact]
    public async Task The_offsets_of_a_cluster_that_began_with_one_node_get_three_copies_when_others_come()
    {
        await using var cluster = new InProcessCluster(1);
        await cluster.StartAsync(1);
        await cluster.UntilAsync(() => cluster.FindCoordinator(1, "group").ErrorCode == ErrorCode.None, "the group has a coordinator");
        Assert.Single(cluster.Describe(1, TopicNames.ConsumerOffsets).ReplicaNodes);
        await Task.WhenAll(cluster.StartAsync(2), cluster.StartAsync(3));
        await cluster.UntilAsync(() => cluster.SettingOf(1, TopicNames.ConsumerOffsets, "min.insync.replicas") == "2", "two of three have to be in sync");
        Assert.Equal([1, 2, 3], cluster.Describe(1, TopicNames.ConsumerOffsets).IsrNodes.Order());
        await cluster.UntilAsync(() => cluster.FindCoordinator(3, "group").ErrorCode == ErrorCode.None, "the group has a coordinator still");
    }

    private static bool Produce(InProcessCluster cluster, int askedAt = 2) =>
        cluster.Describe(askedAt, Topic) is { LeaderId: > 0 } led && cluster.Produce(led.LeaderId, Topic) == ErrorCode.None;
}
