using Milena.Model;

namespace Milena.MultiNode.Tests;

/// <summary>A node that is to be given no more replicas, among others that are.</summary>
public sealed class Cordoning
{
    private const string Setting = "cordoned.log.dirs";

    [Fact]
    public async Task New_replicas_go_to_the_other_nodes_and_theirs_is_not_to_say_what_a_node_has_cordoned()
    {
        await using var cluster = new InProcessCluster(1, 2, 3);
        await Task.WhenAll(cluster.StartAsync(1), cluster.StartAsync(2), cluster.StartAsync(3, more: ["--set", $"{Setting}=*"]));
        Assert.Equal(ErrorCode.InvalidReplicationFactor, cluster.CreateTopic(1, "three", copies: 3).ErrorCode);
        Assert.Equal(ErrorCode.None, cluster.CreateTopic(3, "two", copies: 2).ErrorCode);
        Assert.Equal([1, 2], cluster.Describe(1, "two").ReplicaNodes.Order());
        Assert.Equal(ErrorCode.InvalidReplicaAssignment, cluster.Reassign(2, "two", 1, 3));
        // Offsets are kept on the nodes that there are for them.
        await cluster.UntilAsync(() => cluster.FindCoordinator(3, "group").NodeId is 1 or 2, "a group has a coordinator");
        Assert.Equal([1, 2], cluster.Describe(1, TopicNames.ConsumerOffsets).ReplicaNodes.Order());
        Assert.Equal(ErrorCode.InvalidRequest, cluster.ConfigureBroker(1, 3, Setting, "*"));
        Assert.Equal(ErrorCode.None, cluster.ConfigureBroker(1, 3, Setting, ""));
        await cluster.UntilAsync(() => cluster.CreateTopic(1, "three", copies: 3).ErrorCode is ErrorCode.None or ErrorCode.TopicAlreadyExists, "the third node takes replicas");
        Assert.Equal(ErrorCode.None, cluster.Reassign(2, "two", 1, 3));
        await cluster.UntilAsync(() => cluster.Describe(1, TopicNames.ConsumerOffsets).IsrNodes.Count == 3, "offsets are kept on all three");
    }
}
