using Milena.Model;
using Milena.Testing;

namespace Milena.Replication.Tests;

/// <summary>Log directories that keep what they hold and take no new replica (KIP-1066).</summary>
public sealed class Cordoned_directories
{
    private const string Setting = "cordoned.log.dirs";

    private static readonly string First = TestNode.PathOf(1);
    private static readonly string Second = TestNode.PathOf(2);
    private static readonly TopicPartition Orders = new(TestCluster.Topic, 0);

    [Fact]
    public async Task New_replicas_are_made_where_they_may_be_however_many_there_are()
    {
        await using var cluster = TestCluster.Start(directories: 2);
        await cluster.SyncedAsync(Orders);
        var node = cluster.Nodes[1];
        cluster.Controller.ConfigureBroker(1, Setting, First);
        await MakeAsync(cluster, "later", 6);
        Assert.All(PathsOf(node, "later", 6), path => Assert.Equal(Second, path));
        // What lies there already goes on.
        await cluster.AppendAsync(Orders, Batches.Plain());
        await cluster.SyncedAsync(Orders);
        cluster.Controller.ConfigureBroker(1, Setting, "");
        await MakeAsync(cluster, "last", 2);
        Assert.All(PathsOf(node, "last", 2), path => Assert.Equal(First, path));
        Assert.Empty(node.Host.CordonedIds(node.Metadata.Current));
    }

    [Fact]
    public async Task A_broker_without_another_directory_makes_its_replicas_nevertheless()
    {
        await using var cluster = TestCluster.Start(directories: 2);
        await cluster.SyncedAsync(Orders);
        cluster.Controller.ConfigureBroker(1, Setting, "*");
        await MakeAsync(cluster, "later", 4);
        Assert.Equal(2, PathsOf(cluster.Nodes[1], "later", 4).Distinct().Count());
        Assert.Equal(cluster.Nodes[1].Host.LogDirectories.OnlineIds, cluster.Nodes[1].Host.CordonedIds(cluster.Controller.Image));
    }

    [Fact]
    public async Task A_cordoned_directory_takes_replicas_when_the_others_have_failed()
    {
        await using var cluster = TestCluster.Start(directories: 2);
        await cluster.SyncedAsync(Orders);
        cluster.Controller.ConfigureBroker(1, Setting, First);
        cluster.Nodes[1].Host.LogDirectories.DiskFailed(Second, new IOException("Input/output error."));
        await MakeAsync(cluster, "later", 1);
        Assert.Equal([First], PathsOf(cluster.Nodes[1], "later", 1));
    }

    [Fact]
    public async Task Nothing_is_moved_into_a_cordoned_directory()
    {
        await using var cluster = TestCluster.Start(directories: 2);
        await cluster.SyncedAsync(Orders);
        var node = cluster.Nodes[1];
        var from = PathsOf(node, TestCluster.Topic, 1).Single();
        var to = from == First ? Second : First;
        await ConfigureAsync(cluster, to);
        Assert.Equal(ErrorCode.InvalidReplicaAssignment, node.Host.MoveReplica(Orders, to));
        Assert.Equal(ErrorCode.InvalidReplicaAssignment, node.Host.MoveReplica(new TopicPartition("unknown", 0), to));
        Assert.Equal(ErrorCode.None, node.Host.MoveReplica(Orders, from));
        await ConfigureAsync(cluster, from);
        Assert.Equal(ErrorCode.None, node.Host.MoveReplica(Orders, to));
        await TestCluster.UntilAsync("it has moved out", () => PathsOf(node, TestCluster.Topic, 1).Single() == to);
    }

    [Fact]
    public async Task A_directory_that_was_named_for_a_replica_and_is_cordoned_before_it_comes_does_not_get_it()
    {
        await using var cluster = TestCluster.Start(0, directories: 2);
        cluster.Controller.CreateTopic("later", 1, [2, 3]);
        var later = new TopicPartition("later", 0);
        var node = cluster.Nodes[1];
        await TestCluster.UntilAsync("broker 1 knows the topic", () => node.Metadata.Current.FindTopic("later") is not null);
        Assert.Equal(ErrorCode.ReplicaNotAvailable, node.Host.MoveReplica(later, Second));
        await ConfigureAsync(cluster, Second);
        cluster.Controller.Reassign(later, [2, 3, 1]);
        await TestCluster.UntilAsync("it is there", () => node.Find(later) is not null);
        Assert.Equal([First], PathsOf(node, "later", 1));
    }

    private static async Task ConfigureAsync(TestCluster cluster, string cordoned)
    {
        cluster.Controller.ConfigureBroker(1, Setting, cordoned);
        await TestCluster.UntilAsync("broker 1 knows", () => cluster.Nodes[1].Host.CordonedDirectories.SetEquals([cordoned]));
    }

    private static async Task MakeAsync(TestCluster cluster, string topic, int partitions)
    {
        cluster.Controller.CreateTopic(topic, partitions, TestCluster.Ids);
        await TestCluster.UntilAsync("broker 1 has its replicas", () =>
            Enumerable.Range(0, partitions).All(index => cluster.Nodes[1].Find(new TopicPartition(topic, index))?.Leadership.Epoch >= 0));
    }

    private static List<string> PathsOf(TestNode node, string topic, int partitions) =>
        [.. Enumerable.Range(0, partitions).Select(index => Path.GetDirectoryName(node.Find(new TopicPartition(topic, index))!.Log.Folder)!)];
}
