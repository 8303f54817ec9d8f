using Microsoft.Extensions.Time.Testing;
using Milena.Model;
using Milena.Protocol;
using Milena.Storage;
using Milena.Testing;

namespace Milena.Replication.Tests;

/// <summary>Replicas that move from one log directory of their broker to another while everything goes on.</summary>
public sealed class Moving_between_directories
{
    private static readonly TopicPartition Orders = new(TestCluster.Topic, 0);

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task A_replica_moves_with_all_its_records_while_more_come(int broker)
    {
        await using var cluster = TestCluster.Start(directories: 2);
        for (var batch = 0; batch < 20; batch++)
        {
            await cluster.AppendAsync(Orders, Batches.Plain(valueBytes: 500));
        }

        await cluster.SyncedAsync(Orders);
        var node = cluster.Nodes[broker];
        var (from, to) = DirectoriesOf(node);
        Assert.Equal(ErrorCode.None, node.Host.MoveReplica(Orders, to));
        for (var batch = 0; batch < 20 || Path.GetDirectoryName(node.Find(Orders)!.Log.Folder) != to; batch++)
        {
            await cluster.AppendAsync(Orders, Batches.Plain(valueBytes: 500));
        }

        await cluster.AppendAsync(Orders, Batches.Plain());
        await cluster.SyncedAsync(Orders);
        Assert.Equal(TestCluster.Bytes(cluster.Nodes[3].Find(Orders)!), TestCluster.Bytes(node.Find(Orders)!));
        Assert.Equal(to, node.Host.LogDirectories.Holding(Orders)!.FullPath);
        Assert.Equal(node.Host.LogDirectories.IdOf(node.Find(Orders)!.Log), cluster.Controller.Find(Orders).DirectoryOf(broker));
        await TestCluster.UntilAsync("the old folder is gone", () => !cluster.DiskOf(broker).AllFiles.Any(file => file.StartsWith(from + "/orders", StringComparison.Ordinal)));
        Assert.Equal(1, cluster.Controller.Find(Orders).Leader);
        Assert.Equal(0, cluster.Controller.Find(Orders).LeaderEpoch);
    }

    [Fact]
    public async Task Replicas_move_though_the_metadata_says_all_the_while_where_they_were()
    {
        const int partitions = 60;
        await using var cluster = TestCluster.Start(partitions, directories: 2);
        var node = cluster.Nodes[1];
        var all = Enumerable.Range(0, partitions).Select(index => new TopicPartition(TestCluster.Topic, index)).ToList();
        await TestCluster.UntilAsync("broker 1 has its replicas", () => all.TrueForAll(partition => node.Find(partition)?.Leadership.Epoch >= 0));
        var targets = all.ToDictionary(partition => partition, partition => DirectoriesOf(node, partition).To);
        Assert.All(all, partition => Assert.Equal(ErrorCode.None, node.Host.MoveReplica(partition, targets[partition])));
        var told = 0;
        await TestCluster.UntilAsync("all have moved", () =>
        {
            // Each change of the topic has all its replicas tell again where they lie.
            cluster.Controller.Configure(TestCluster.Topic, "retention.ms", $"{1_000_000 + told++}");
            return all.TrueForAll(partition => Path.GetDirectoryName(node.Find(partition)!.Log.Folder) == targets[partition]);
        });
    }

    [Theory]
    [InlineData("0", 0)]
    [InlineData("1", 0)]
    [InlineData(null, 1)]
    [InlineData("3", 2)]
    public async Task A_replica_moves_while_the_copies_of_others_stand_still_as_long_as_a_thread_is_left(string? threads, int standingStill)
    {
        await using var cluster = TestCluster.Start(standingStill + 1, directories: 2, settings: threads is null ? [] : [("num.replica.alter.log.dirs.threads", threads)]);
        var node = cluster.Nodes[1];
        var all = Enumerable.Range(0, standingStill + 1).Select(index => new TopicPartition(TestCluster.Topic, index)).ToList();
        foreach (var partition in all)
        {
            await cluster.AppendAsync(partition, Batches.Plain());
            await cluster.SyncedAsync(partition);
        }

        var targets = all.ToDictionary(partition => partition, partition => DirectoriesOf(node, partition).To);
        bool IsThere(TopicPartition partition) => Path.GetDirectoryName(node.Find(partition)!.Log.Folder) == targets[partition];
        using var released = new ManualResetEventSlim();
        cluster.DiskOf(1).Fault = (operation, path) =>
        {
            if (operation == DiskOperation.Write && path.EndsWith(".log", StringComparison.Ordinal) && all[..standingStill].Exists(held => path.Contains($"/{held}.", StringComparison.Ordinal)))
            {
                released.Wait(CancellationToken.None);
            }
        };
        try
        {
            Assert.All(all, partition => Assert.Equal(ErrorCode.None, node.Host.MoveReplica(partition, targets[partition])));
            await TestCluster.UntilAsync("the last has moved", () => IsThere(all[^1]), () => cluster.Describe(all[^1]));
            Assert.DoesNotContain(all[..standingStill], IsThere);
        }
        finally
        {
            released.Set();
        }

        await TestCluster.UntilAsync("all have moved", () => all.TrueForAll(IsThere));
    }

    [Fact]
    public async Task A_replica_is_copied_no_faster_than_its_limit()
    {
        const int bytesPerSecond = 1000;
        const int batches = 20;
        var clock = new FakeTimeProvider();
        // A piece is as large as a segment at most.
        await using var cluster = TestCluster.Start(directories: 2, clockOfFirst: clock, settings: ("alter.log.dirs.replication.quota.window.num", "10000"));
        var batch = Batches.Plain(valueBytes: 500);
        for (var count = 0; count < batches; count++)
        {
            await cluster.AppendAsync(Orders, batch);
        }

        await cluster.SyncedAsync(Orders);
        var node = cluster.Nodes[1];
        var (_, to) = DirectoriesOf(node);
        cluster.Controller.ConfigureBroker(1, "replica.alter.log.dirs.io.max.bytes.per.second", $"{bytesPerSecond}");
        // An image that comes later is known to the one who moves replicas before it is to a replica.
        cluster.Controller.Configure(TestCluster.Topic, "max.message.bytes", "4000");
        await TestCluster.UntilAsync("the limit is known", () => node.Find(Orders)!.Log.Settings.MaxMessageBytes == 4000);
        var began = clock.GetTimestamp();
        Assert.Equal(ErrorCode.None, node.Host.MoveReplica(Orders, to));
        await TestCluster.UntilAsync("it has moved", () =>
        {
            var passed = clock.GetElapsedTime(began).TotalSeconds;
            var copied = Path.GetDirectoryName(node.Find(Orders)!.Log.Folder) == to ? batches
                : node.Host.LogDirectories.Receiving(Orders) is { } directory && directory.Futures.TryGetValue(Orders, out var copy) ? copy.LogEndOffset : 0;
            Assert.InRange(copied * batch.Length, 0, (bytesPerSecond * Math.Max(1, passed)) + 4096);
            clock.Advance(TimeSpan.FromMilliseconds(20));
            return copied == batches;
        });
        await cluster.AppendAsync(Orders, batch);
        await cluster.SyncedAsync(Orders);
    }

    [Fact]
    public async Task A_leader_that_has_moved_serves_and_takes_records_in_the_same_epoch_after_a_crash_too()
    {
        await using var cluster = TestCluster.Start(directories: 2);
        // Of today, or a log that is opened would have forgotten the producer.
        var now = TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds();
        await cluster.AppendAsync(Orders, Batches.Idempotent(7, 0, 0, timestampMs: now));
        await cluster.SyncedAsync(Orders);
        await MovedAsync(cluster, 1);
        Assert.Equal(0, (await cluster.AppendAsync(Orders, Batches.Idempotent(7, 0, 0, timestampMs: now))).BaseOffset);
        Assert.Equal(1, (await cluster.AppendAsync(Orders, Batches.Idempotent(7, 0, 1, timestampMs: now))).BaseOffset);
        await cluster.SyncedAsync(Orders);
        var to = Path.GetDirectoryName(cluster.Nodes[1].Find(Orders)!.Log.Folder);
        await cluster.CrashAsync(1, losesPower: true);
        cluster.Controller.Fence(1);
        cluster.StartNode(1);
        await cluster.SyncedAsync(Orders);
        Assert.Equal(to, Path.GetDirectoryName(cluster.Nodes[1].Find(Orders)!.Log.Folder));
        Assert.Equal(2, cluster.Nodes[1].Find(Orders)!.Log.LogEndOffset);
    }

    [Fact]
    public async Task A_move_is_asked_for_in_vain_with_Kafkas_codes()
    {
        await using var cluster = TestCluster.Start(directories: 2);
        await cluster.SyncedAsync(Orders);
        var host = cluster.Nodes[1].Host;
        var (from, to) = DirectoriesOf(cluster.Nodes[1]);
        Assert.Equal(ErrorCode.LogDirNotFound, host.MoveReplica(Orders, "/nowhere"));
        Assert.Equal(ErrorCode.LogDirNotFound, host.MoveReplica(Orders, ""));
        Assert.Equal(ErrorCode.ReplicaNotAvailable, host.MoveReplica(new TopicPartition("unknown", 0), to));
        Assert.Equal(ErrorCode.InvalidTopicException, host.MoveReplica(new TopicPartition(new string('x', 220), 0), to));
        Assert.Equal(ErrorCode.None, host.MoveReplica(Orders, from));
        host.LogDirectories.DiskFailed(to, new IOException("Input/output error."));
        Assert.Equal(ErrorCode.KafkaStorageError, host.MoveReplica(Orders, to));
        host.LogDirectories.DiskFailed(from, new IOException("Input/output error."));
        await TestCluster.UntilAsync("it is offline", () => cluster.Nodes[1].Find(Orders)!.Leadership.IsOffline);
        Assert.Equal(ErrorCode.KafkaStorageError, host.MoveReplica(Orders, from));
    }

    [Fact]
    public async Task A_replica_that_comes_later_is_made_in_the_directory_that_was_named_for_it()
    {
        await using var cluster = TestCluster.Start(0, directories: 2);
        cluster.Controller.CreateTopic("later", 1, [2, 3]);
        var later = new TopicPartition("later", 0);
        await TestCluster.UntilAsync("broker 1 knows the topic", () => cluster.Nodes[1].Metadata.Current.FindTopic("later") is not null);
        Assert.Equal(ErrorCode.ReplicaNotAvailable, cluster.Nodes[1].Host.MoveReplica(later, TestNode.PathOf(2)));
        cluster.Controller.Reassign(later, [2, 3, 1]);
        await TestCluster.UntilAsync("it is there", () => cluster.Nodes[1].Find(later) is not null);
        Assert.Equal(TestNode.PathOf(2), Path.GetDirectoryName(cluster.Nodes[1].Find(later)!.Log.Folder));
    }

    [Fact]
    public async Task A_move_is_turned_back_and_nothing_is_left_of_it()
    {
        await using var cluster = TestCluster.Start(directories: 2);
        await cluster.AppendAsync(Orders, Batches.Plain());
        await cluster.SyncedAsync(Orders);
        var node = cluster.Nodes[1];
        var (from, to) = DirectoriesOf(node);
        // Without the controller it goes on to where it would have to promise.
        cluster.Network.Cut(1, TestNetwork.Controller);
        Assert.Equal(ErrorCode.None, node.Host.MoveReplica(Orders, to));
        await CopiedAsync(node);
        Assert.Equal(ErrorCode.None, node.Host.MoveReplica(Orders, from));
        await TestCluster.UntilAsync("nothing is left of it", () => node.Host.LogDirectories.Receiving(Orders) is null && !cluster.DiskOf(1).AllFiles.Any(file => file.Contains("-future", StringComparison.Ordinal)));
        cluster.Network.HealAll();
        await cluster.AppendAsync(Orders, Batches.Plain());
        await cluster.SyncedAsync(Orders);
        await TestCluster.UntilAsync("the controller knows", () => cluster.Controller.Find(Orders).DirectoryOf(1) == node.Host.LogDirectories.IdOf(node.Find(Orders)!.Log));
        Assert.Equal(from, Path.GetDirectoryName(node.Find(Orders)!.Log.Folder));
    }

    [Fact]
    public async Task A_directory_that_fails_while_a_replica_moves_in_costs_the_copy_alone()
    {
        await using var cluster = TestCluster.Start(directories: 2);
        await cluster.AppendAsync(Orders, Batches.Plain());
        await cluster.SyncedAsync(Orders);
        var node = cluster.Nodes[1];
        var (from, to) = DirectoriesOf(node);
        cluster.DiskOf(1).Fault = (operation, path) =>
        {
            if (operation == DiskOperation.Move && path.StartsWith(to + Path.DirectorySeparatorChar, StringComparison.Ordinal) && path.EndsWith("-future", StringComparison.Ordinal))
            {
                throw new IOException("Input/output error.");
            }
        };
        Assert.Equal(ErrorCode.None, node.Host.MoveReplica(Orders, to));
        await TestCluster.UntilAsync("it has failed", () => node.Host.LogDirectories.IsOffline(to) && node.Host.LogDirectories.Receiving(Orders) is null);
        await cluster.AppendAsync(Orders, Batches.Plain());
        await cluster.SyncedAsync(Orders);
        Assert.Equal(from, Path.GetDirectoryName(node.Find(Orders)!.Log.Folder));
        await TestCluster.UntilAsync("the controller knows", () => cluster.Controller.Find(Orders).DirectoryOf(1) == node.Host.LogDirectories.IdOf(node.Find(Orders)!.Log));
    }

    [Fact]
    public async Task A_move_goes_on_after_a_crash_and_after_the_log_was_cut_meanwhile()
    {
        await using var cluster = TestCluster.Start(directories: 2);
        for (var batch = 0; batch < 10; batch++)
        {
            await cluster.AppendAsync(Orders, Batches.Plain());
        }

        await cluster.SyncedAsync(Orders);
        var (_, to) = DirectoriesOf(cluster.Nodes[1]);
        cluster.Network.Cut(1, TestNetwork.Controller);
        Assert.Equal(ErrorCode.None, cluster.Nodes[1].Host.MoveReplica(Orders, to));
        await CopiedAsync(cluster.Nodes[1]);
        await cluster.CrashAsync(1, losesPower: true);
        cluster.Controller.Fence(1);
        cluster.Network.HealAll();
        for (var batch = 0; batch < 10; batch++)
        {
            await cluster.AppendAsync(Orders, Batches.Plain());
        }

        var node = cluster.StartNode(1);
        await TestCluster.UntilAsync("it has moved", () => node.Find(Orders) is { } replica && Path.GetDirectoryName(replica.Log.Folder) == to, () => cluster.Describe(Orders));
        await cluster.SyncedAsync(Orders);
        Assert.Equal(TestCluster.Bytes(cluster.Nodes[2].Find(Orders)!), TestCluster.Bytes(node.Find(Orders)!));
    }

    [Fact]
    public async Task A_topic_that_is_deleted_while_it_moves_leaves_nothing()
    {
        await using var cluster = TestCluster.Start(directories: 2);
        await cluster.AppendAsync(Orders, Batches.Plain());
        await cluster.SyncedAsync(Orders);
        var node = cluster.Nodes[1];
        cluster.Network.Cut(1, TestNetwork.Controller);
        Assert.Equal(ErrorCode.None, node.Host.MoveReplica(Orders, DirectoriesOf(node).To));
        await CopiedAsync(node);
        cluster.Network.HealAll();
        cluster.Controller.DeleteTopic(TestCluster.Topic);
        await TestCluster.UntilAsync("all is gone", () => !cluster.DiskOf(1).AllFiles.Any(file => file.Contains("orders-0", StringComparison.Ordinal)));
        cluster.Controller.CreateTopic(TestCluster.Topic, 1, TestCluster.Ids);
        Assert.Equal(0, (await cluster.AppendAsync(Orders, Batches.Plain())).BaseOffset);
    }

    /// <summary>Crashes at any moment, in moves to and fro, of leaders and followers: what was acknowledged is there, in one directory.</summary>
    [Theory]
    [MemberData(nameof(Seeds))]
    public async Task Whatever_crashes_while_replicas_move_nothing_acknowledged_is_lost(int seed)
    {
        var seen = new Observations();
        await using var cluster = TestCluster.Start(partitions: 2, seed, seen.Watch, directories: 2);
        var partitions = new[] { Orders, new TopicPartition(TestCluster.Topic, 1) };
        var next = 0L;
        for (var round = 0; round < 8; round++)
        {
            foreach (var partition in partitions)
            {
                foreach (var node in cluster.Nodes.Values.Where(_ => cluster.Random.Next(2) == 0))
                {
                    node.Host.MoveReplica(partition, TestNode.PathOf(cluster.Random.Next(1, 3)));
                }

                for (var batch = cluster.Random.Next(12); batch >= 0; batch--)
                {
                    long[] ids = [next++, next++];
                    seen.Appended(partition, await cluster.AppendAsync(partition, Observations.Batch(ids)), ids);
                }
            }

            var id = cluster.Random.Next(1, 4);
            await cluster.CrashAsync(id, losesPower: cluster.Random.Next(2) == 0);
            cluster.Controller.Fence(id);
            cluster.StartNode(id);
            await Task.WhenAll(partitions.Select(cluster.SyncedAsync));
        }

        foreach (var (partition, node) in partitions.SelectMany(partition => cluster.Nodes.Values.Select(node => (partition, node))))
        {
            seen.CheckAcknowledged(node.Find(partition)!, $"broker {node.Id} at the end");
            Assert.Single(node.Host.LogDirectories.All, directory => directory.Logs.ContainsKey(partition));
        }

        Assert.Empty(seen.Violations);
        Assert.True(seen.Acknowledged >= next);
    }

    public static TheoryData<int> Seeds() => [.. TestProfile.Seeds(usual: 6, nightly: 100)];

    private static async Task MovedAsync(TestCluster cluster, int broker)
    {
        var node = cluster.Nodes[broker];
        var (_, to) = DirectoriesOf(node);
        Assert.Equal(ErrorCode.None, node.Host.MoveReplica(Orders, to));
        await TestCluster.UntilAsync("it has moved", () => Path.GetDirectoryName(node.Find(Orders)!.Log.Folder) == to, () => cluster.Describe(Orders));
    }

    private static Task CopiedAsync(TestNode node) => TestCluster.UntilAsync(
        "all is copied",
        () => node.Host.LogDirectories.Receiving(Orders) is { } directory
            && directory.Futures.TryGetValue(Orders, out var copy) && copy.LogEndOffset == node.Find(Orders)!.Log.LogEndOffset);

    /// <summary>The directory that holds the partition, and the other one.</summary>
    private static (string From, string To) DirectoriesOf(TestNode node, TopicPartition? partition = null)
    {
        var from = Path.GetDirectoryName(node.Find(partition ?? Orders)!.Log.Folder)!;
        return (from, from == TestNode.PathOf(1) ? TestNode.PathOf(2) : TestNode.PathOf(1));
    }
}
