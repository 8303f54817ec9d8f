using Akka.Actor;
using Akka.Cluster;
using Milena.Model;
using Milena.Node.Configuration;

namespace Milena.MultiNode.Tests;

/// <summary>How nodes become a cluster, and stay one.</summary>
public sealed class Meeting
{
    [Fact]
    public async Task Three_empty_nodes_found_one_cluster_whatever_order_they_start_in()
    {
        await using var cluster = new InProcessCluster(1, 2, 3);
        var third = cluster.StartAsync(3);
        var first = cluster.StartAsync(1);
        Assert.False(third.IsCompleted);
        await Task.WhenAll(third, first, cluster.StartAsync(2));
        Assert.Single(new[] { 1, 2, 3 }.Select(id => cluster[id].ClusterId).Distinct());
        foreach (var id in new[] { 1, 2, 3 })
        {
            await cluster.UntilAsync(() => cluster.BrokersSeenBy(id).SequenceEqual([1, 2, 3]), $"node {id} sees three brokers");
        }
    }

    [Fact]
    public async Task A_fourth_node_that_is_not_listed_joins_and_holds_copies()
    {
        await using var cluster = new InProcessCluster(1, 2, 3);
        await Task.WhenAll(cluster.StartAsync(1), cluster.StartAsync(2), cluster.StartAsync(3));
        var fourth = await cluster.StartAsync(4);
        Assert.Equal(cluster[1].ClusterId, fourth.ClusterId);
        await cluster.UntilAsync(() => cluster.BrokersSeenBy(1).SequenceEqual([1, 2, 3, 4]), "node 1 sees four brokers");
        Assert.Equal(ErrorCode.None, cluster.CreateTopic(askedAt: 4, "everywhere", copies: 4).ErrorCode);
        await cluster.UntilAsync(
            () => cluster.Describe(1, "everywhere") is { LeaderId: > 0 } led && cluster.Produce(led.LeaderId, "everywhere") == ErrorCode.None, "a record is on all four");
        await cluster.UntilAsync(() => cluster.Describe(4, "everywhere").IsrNodes.Order().SequenceEqual([1, 2, 3, 4]), "all four are in sync");
    }

    [Fact]
    public async Task A_node_whose_id_is_taken_is_refused()
    {
        await using var cluster = new InProcessCluster(1, 2, 3);
        await Task.WhenAll(cluster.StartAsync(1), cluster.StartAsync(2), cluster.StartAsync(3));
        var refused = await Assert.ThrowsAsync<StartupException>(() => cluster.StartAsync(2, folder: "second", clusterPort: cluster.ClusterPortOf(9)));
        Assert.Contains("--node-id", refused.Message);
        Assert.Equal([1, 2, 3], cluster.BrokersSeenBy(1));
    }

    [Fact]
    public async Task A_node_that_was_downed_while_it_lives_asks_to_be_started_again_and_is_let_in()
    {
        await using var cluster = new InProcessCluster(1, 2, 3);
        await Task.WhenAll(cluster.StartAsync(1), cluster.StartAsync(2), cluster.StartAsync(3));
        var downed = cluster[3];
        Cluster.Get(cluster[1].System).Down(Cluster.Get(downed.System).SelfAddress);
        var end = await downed.Ended.WaitAsync(InProcessCluster.Patience);
        Assert.True(end.StartAgain, end.Reason);
        await cluster.StopAsync(3);
        await cluster.StartAsync(3);
        await cluster.UntilAsync(() => cluster.BrokersSeenBy(1).SequenceEqual([1, 2, 3]), "node 1 sees three brokers again");
    }

    [Fact]
    public async Task Nodes_that_were_all_stopped_are_the_same_cluster_again_with_all_they_held()
    {
        await using var cluster = new InProcessCluster(1, 2, 3);
        await Task.WhenAll(cluster.StartAsync(1), cluster.StartAsync(2), cluster.StartAsync(3));
        var clusterId = cluster[1].ClusterId;
        Assert.Equal(ErrorCode.None, cluster.CreateTopic(askedAt: 1, "kept", copies: 3).ErrorCode);
        var leader = cluster.Describe(1, "kept").LeaderId;
        await cluster.UntilAsync(() => cluster.Produce(leader, "kept") == ErrorCode.None, "a record is acknowledged");
        await Task.WhenAll(cluster.StopAsync(1), cluster.StopAsync(2), cluster.StopAsync(3));
        await Task.WhenAll(cluster.StartAsync(3), cluster.StartAsync(2), cluster.StartAsync(1));
        Assert.Equal([clusterId, clusterId, clusterId], new[] { 1, 2, 3 }.Select(id => cluster[id].ClusterId));
        await cluster.UntilAsync(() => cluster.Describe(2, "kept") is { LeaderId: > 0, IsrNodes.Count: 3 }, "all copies are in sync again");
        Assert.Equal(ErrorCode.None, cluster.Produce(cluster.Describe(2, "kept").LeaderId, "kept"));
    }

    [Fact]
    public async Task Two_of_three_nodes_that_were_all_stopped_go_on_without_the_third()
    {
        await using var cluster = new InProcessCluster(1, 2, 3);
        await Task.WhenAll(cluster.StartAsync(1), cluster.StartAsync(2), cluster.StartAsync(3));
        Assert.Equal(ErrorCode.None, cluster.CreateTopic(askedAt: 1, "kept", copies: 3).ErrorCode);
        await Task.WhenAll(cluster.StopAsync(1), cluster.StopAsync(2), cluster.StopAsync(3));
        // Nobody answers at the address of the third, however often it is asked who it is.
        await Task.WhenAll(cluster.StartAsync(1), cluster.StartAsync(2));
        Assert.Equal([1, 2], cluster.BrokersSeenBy(1));
        await cluster.UntilAsync(
            () => cluster.Describe(2, "kept") is { LeaderId: 1 or 2 } led && cluster.Produce(led.LeaderId, "kept") == ErrorCode.None, "one of the two takes records");
        await cluster.StartAsync(3);
        await cluster.UntilAsync(() => cluster.Describe(3, "kept") is { LeaderId: > 0, IsrNodes.Count: 3 }, "all three are in sync");
    }

    [Fact]
    public async Task A_node_whose_part_of_the_shared_state_is_mute_keeps_no_other_from_its_replicas()
    {
        await using var cluster = new InProcessCluster(1, 2, 3);
        await Task.WhenAll(cluster.StartAsync(1), cluster.StartAsync(2), cluster.StartAsync(3));
        Assert.Equal(ErrorCode.None, cluster.CreateTopic(askedAt: 1, "kept", copies: 3).ErrorCode);
        await cluster.UntilAsync(() => cluster.Describe(1, "kept") is { LeaderId: > 0, IsrNodes.Count: 3 }, "all copies are in sync");
        // The oldest member runs the coordinator of the shards, which asks the others to keep what it decides.
        var oldest = Cluster.Get(cluster[1].System).State.Members.Order(Member.AgeOrdering).First();
        var others = new[] { 1, 2, 3 }.Where(id => cluster.ClusterPortOf(id) != oldest.Address.Port).ToList();
        var (mute, restarted) = (others[0], others[1]);
        // It answers nobody whom it does not know.
        var forgets = new ClusterEvent.MemberRemoved(oldest.Copy(MemberStatus.Down).Copy(MemberStatus.Removed), MemberStatus.Down);
        cluster[mute].System.ActorSelection("/system/sharding/replicator").Tell(forgets);
        await cluster.StopAsync(restarted);
        await cluster.UntilAsync(() => cluster.Describe(mute, "kept").IsrNodes.Count == 2, "the stopped one is out of sync");
        await cluster.StartAsync(restarted);
        await cluster.UntilAsync(() => cluster.Describe(restarted, "kept").IsrNodes.Count == 3, "it has its replica again");
    }

    [Fact]
    public async Task A_node_that_stops_in_order_hands_its_leaders_over_first()
    {
        await using var cluster = new InProcessCluster(1, 2, 3);
        await Task.WhenAll(cluster.StartAsync(1), cluster.StartAsync(2), cluster.StartAsync(3));
        Assert.Equal(ErrorCode.None, cluster.CreateTopic(askedAt: 1, "handed", copies: 3).ErrorCode);
        var leader = cluster.Describe(1, "handed").LeaderId;
        var other = leader == 1 ? 2 : 1;
        await cluster.StopAsync(leader);
        await cluster.UntilAsync(
            () => cluster.Describe(other, "handed").LeaderId is var successor && successor > 0 && successor != leader && cluster.Produce(successor, "handed") == ErrorCode.None,
            "the successor takes records");
    }
}
