using Milena.Metadata.Image;
using Milena.Model;
using Milena.Storage;
using Milena.Testing;

namespace Milena.Replication.Tests;

/// <summary>Brokers of two log directories, one of which fails.</summary>
public sealed class Failing_directories
{
    private const int Partitions = 6;

    private static readonly IReadOnlyList<TopicPartition> All = [.. Enumerable.Range(0, Partitions).Select(index => new TopicPartition(TestCluster.Topic, index))];

    [Fact]
    public async Task Every_broker_tells_in_which_directory_each_of_its_replicas_lies()
    {
        await using var cluster = TestCluster.Start(Partitions, directories: 2);
        await ToldAsync(cluster);
        Assert.All(TestCluster.Ids, id => Assert.Equal(2, All.Select(partition => cluster.Controller.Find(partition).DirectoryOf(id)).Distinct().Count()));
        await Task.WhenAll(All.Select(cluster.SyncedAsync));
        await cluster.CrashAsync(1, losesPower: false);
        cluster.Controller.Fence(1);
        cluster.StartNode(1);
        await Task.WhenAll(All.Select(cluster.SyncedAsync));
        await ToldAsync(cluster);
    }

    [Fact]
    public async Task What_a_leader_had_in_a_directory_that_fails_is_led_by_others_at_once_and_the_rest_goes_on()
    {
        await using var cluster = TestCluster.Start(Partitions, directories: 2, settings: ("replica.lag.time.max.ms", "600000"));
        await ToldAsync(cluster);
        foreach (var partition in All)
        {
            await cluster.AppendAsync(partition, Batches.Plain());
        }

        await Task.WhenAll(All.Select(cluster.SyncedAsync));
        var failing = cluster.Nodes[1].Find(All[0])!.Log.Folder;
        Fail(cluster, Path.GetDirectoryName(failing)!);
        var stays = All.Where(partition => Path.GetDirectoryName(cluster.Nodes[1].Find(partition)!.Log.Folder) != Path.GetDirectoryName(failing)).ToList();
        Assert.NotEmpty(stays);
        foreach (var partition in All)
        {
            Assert.Equal(1, (await cluster.AppendAsync(partition, Batches.Plain())).BaseOffset);
        }

        // Followers notice the failure when they write; what is offline without being written to, is so by its directory.
        await TestCluster.UntilAsync("the other replicas are in sync without broker 1", () => All.Except(stays).All(partition => cluster.Controller.Find(partition).Isr is [2, 3]));
        Assert.All(All.Except(stays), partition => Assert.Equal(ErrorCode.KafkaStorageError, cluster.Nodes[1].Find(partition)!.CheckLeader(-1)));
        Assert.All(stays, partition => Assert.Contains(1, cluster.Controller.Find(partition).Isr));
    }

    [Fact]
    public async Task A_replica_fails_before_the_controller_knows_where_it_lies()
    {
        await using var cluster = TestCluster.Start(0, directories: 2);
        cluster.Network.Cut(1, TestNetwork.Controller);
        cluster.Controller.CreateTopic("late", 2, TestCluster.Ids);
        var late = new TopicPartition("late", 0);
        await TestCluster.UntilAsync("it has been begun", () => cluster.Nodes[1].Find(late) is not null);
        Assert.Equal(DirectoryIds.Unassigned, cluster.Controller.Find(late).DirectoryOf(1));
        Fail(cluster, Path.GetDirectoryName(cluster.Nodes[1].Find(late)!.Log.Folder)!);
        await cluster.Nodes[1].AppendAsync(late, Batches.Plain());
        cluster.Network.HealAll();
        await TestCluster.UntilAsync("another one leads", () => cluster.Controller.Find(late).Leader is not 1);
        Assert.Equal(cluster.Nodes[1].Host.LogDirectories.Offline.Single().Identity.DirectoryId, cluster.Controller.Find(late).DirectoryOf(1));
    }

    [Fact]
    public async Task What_is_made_in_a_directory_that_fails_just_then_is_made_in_another_one()
    {
        await using var cluster = TestCluster.Start(0, directories: 2);
        Fail(cluster, TestNode.PathOf(1));
        cluster.Controller.CreateTopic("late", 2, TestCluster.Ids);
        foreach (var partition in new[] { new TopicPartition("late", 0), new TopicPartition("late", 1) })
        {
            await cluster.SyncedAsync(partition);
            Assert.Equal(TestNode.PathOf(2), Path.GetDirectoryName(cluster.Nodes[1].Find(partition)!.Log.Folder));
        }
    }

    [Fact]
    public async Task A_broker_starts_without_a_failed_directory_and_begins_nothing_anew_that_lies_there()
    {
        await using var cluster = TestCluster.Start(Partitions, directories: 2);
        await ToldAsync(cluster);
        foreach (var partition in All)
        {
            await cluster.AppendAsync(partition, Batches.Plain());
        }

        await Task.WhenAll(All.Select(cluster.SyncedAsync));
        await cluster.CrashAsync(1, losesPower: false);
        cluster.Controller.Fence(1);
        Fail(cluster, TestNode.PathOf(2));
        var node = cluster.StartNode(1);
        var lost = All.Where(partition => cluster.DiskOf(1).FolderExists(Path.Combine(TestNode.PathOf(2), partition.ToString()))).ToList();
        Assert.NotEmpty(lost);
        await Task.WhenAll(All.Except(lost).Select(cluster.SyncedAsync));
        Assert.All(lost, partition => Assert.Null(node.Find(partition)));
        Assert.All(lost, partition => Assert.DoesNotContain(1, cluster.Controller.Find(partition).Isr));
        await cluster.CrashAsync(1, losesPower: false);
        cluster.DiskOf(1).Fault = null;
        cluster.StartNode(1);
        await Task.WhenAll(All.Select(cluster.SyncedAsync));
    }

    [Fact]
    public async Task A_replica_that_alone_has_everything_does_not_begin_anew_on_an_empty_disk()
    {
        await using var cluster = TestCluster.Start(Partitions, directories: 2);
        await ToldAsync(cluster);
        var partition = All.First(one => Path.GetDirectoryName(cluster.Nodes[1].Find(one)!.Log.Folder) == TestNode.PathOf(2));
        await cluster.AppendAsync(partition, Batches.Plain());
        await cluster.SyncedAsync(partition);
        await cluster.CrashAsync(2, losesPower: false);
        await cluster.CrashAsync(3, losesPower: false);
        cluster.Controller.Fence(2);
        cluster.Controller.Fence(3);
        Assert.Equal([1], cluster.Controller.Find(partition).Isr.AsEnumerable());
        await cluster.CrashAsync(1, losesPower: false);
        cluster.Controller.Fence(1);
        cluster.DiskOf(1).DeleteFolder(TestNode.PathOf(2));
        var node = cluster.StartNode(1);
        var other = All.First(one => cluster.DiskOf(1).FolderExists(Path.Combine(TestNode.PathOf(1), one.ToString())));
        await TestCluster.UntilAsync("the other directory's replicas have begun", () => node.Find(other) is not null);
        Assert.Null(node.Find(partition));
        Assert.Null(node.Host.LogDirectories.Holding(partition));
    }

    private static Task ToldAsync(TestCluster cluster) => TestCluster.UntilAsync(
        "the controller knows where all replicas lie",
        () => TestCluster.Ids.All(id => All.All(partition =>
            cluster.Nodes[id].Find(partition) is { } replica && cluster.Controller.Find(partition).DirectoryOf(id) == cluster.Nodes[id].Host.LogDirectories.IdOf(replica.Log))));

    /// <summary>From now on broker 1 can neither create nor write a file in that directory.</summary>
    private static void Fail(TestCluster cluster, string directory) => cluster.DiskOf(1).Fault = (operation, path) =>
    {
        if (operation != DiskOperation.Read && path.StartsWith(directory + Path.DirectorySeparatorChar, StringComparison.Ordinal))
        {
            throw new IOException("Input/output error.");
        }
    };
}
