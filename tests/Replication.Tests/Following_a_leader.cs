using Akka.Actor;
using Milena.Model;
using Milena.Protocol;
using Milena.Testing;

namespace Milena.Replication.Tests;

public sealed class Following_a_leader
{
    /// <summary>The first version of Produce whose answers may name the leader.</summary>
    private const short LeaderHintVersion = 10;

    private static readonly TopicPartition Orders = new(TestCluster.Topic, 0);

    [Fact]
    public async Task Followers_end_with_the_bytes_of_their_leader()
    {
        await using var cluster = TestCluster.Start();
        for (var i = 0; i < 50; i++)
        {
            var outcome = await cluster.AppendAsync(Orders, Batches.Plain(records: 3, valueBytes: 100));
            Assert.Equal(3 * i, outcome.BaseOffset);
        }

        await cluster.SyncedAsync(Orders);
        Assert.True(cluster.Nodes[1].Find(Orders)!.Log.SegmentCount > 2);
        AssertEqualBytes(cluster);
    }

    [Fact]
    public async Task What_rests_on_an_earlier_epoch_of_the_same_leader_is_not_appended()
    {
        await using var cluster = TestCluster.Start();
        await cluster.AppendAsync(Orders, Batches.Plain());
        await cluster.SyncedAsync(Orders);
        var replica = cluster.Nodes[1].Find(Orders)!;
        var epoch = replica.Leadership.Epoch;
        cluster.Controller.Elect(Orders, 2);
        cluster.Controller.Elect(Orders, 1);
        await TestCluster.UntilAsync("broker 1 leads again", () => replica.Leadership is { IsLeader: true } now && now.Epoch > epoch);
        Assert.Equal(ErrorCode.NotLeaderOrFollower, (await AppendIn(epoch)).Error);
        Assert.Equal(ErrorCode.None, (await AppendIn(replica.Leadership.Epoch)).Error);

        async Task<AppendOutcome> AppendIn(int leaderEpoch)
        {
            var reply = AppendCompletion.Rent();
            var outcome = reply.Task;
            replica.Actor.Tell(new ReplicaActor.Append(Batches.Plain(), 1, reply, LeaderEpoch: leaderEpoch), ActorRefs.NoSender);
            return await outcome;
        }
    }

    [Fact]
    public async Task A_leader_that_was_cut_off_drops_what_its_successor_does_not_have()
    {
        await using var cluster = TestCluster.Start();
        await cluster.AppendAsync(Orders, Batches.Plain());
        await cluster.SyncedAsync(Orders);
        cluster.Network.Isolate(1, [TestNetwork.Controller, .. TestCluster.Ids]);
        cluster.Controller.Hold(1, true);
        var lost = await cluster.Nodes[1].AppendAsync(Orders, Batches.Plain(records: 5), timeoutMs: 50);
        Assert.Equal(ErrorCode.RequestTimedOut, lost.Error);
        Assert.Equal((6, 1), (cluster.Nodes[1].Find(Orders)!.Log.LogEndOffset, cluster.Nodes[1].Find(Orders)!.HighWatermark));

        cluster.Controller.Fence(1);
        var kept = await cluster.AppendAsync(Orders, Batches.Plain(records: 2));
        Assert.Equal(1, kept.BaseOffset);

        cluster.Network.HealAll();
        cluster.Controller.Hold(1, false);
        cluster.Controller.Unfence(1);
        await cluster.SyncedAsync(Orders);
        Assert.Equal(3, cluster.Nodes[1].Find(Orders)!.Log.LogEndOffset);
        AssertEqualBytes(cluster);
    }

    [Fact]
    public async Task An_epoch_in_which_nothing_was_written_does_not_keep_a_follower_from_its_leader()
    {
        await using var cluster = TestCluster.Start();
        await cluster.AppendAsync(Orders, Batches.Plain());
        await cluster.SyncedAsync(Orders);
        // Broker 2 leads without writing; broker 1 does not hear of it, and goes on where its own epoch was.
        cluster.Controller.Hold(1, true);
        cluster.Controller.Elect(Orders, 2);
        await TestCluster.UntilAsync("broker 2 leads", () => cluster.Nodes[2].Find(Orders)!.Leadership.IsLeader);
        cluster.Controller.Elect(Orders, 3);
        await TestCluster.UntilAsync("broker 3 leads", () => cluster.Nodes[3].Find(Orders)!.Leadership.IsLeader);
        cluster.Controller.Hold(1, false);
        cluster.Controller.Elect(Orders, 1);
        await cluster.AppendAsync(Orders, Batches.Plain());
        await cluster.SyncedAsync(Orders);
        AssertEqualBytes(cluster);
    }

    [Fact]
    public async Task A_replica_that_comes_back_empty_is_filled_and_joins_the_in_sync_replicas_again()
    {
        await using var cluster = TestCluster.Start();
        for (var i = 0; i < 10; i++)
        {
            await cluster.AppendAsync(Orders, Batches.Plain(records: 10, valueBytes: 100));
        }

        await cluster.SyncedAsync(Orders);
        await cluster.CrashAsync(3, losesPower: false);
        cluster.DiskOf(3).DeleteFolder(Path.GetFullPath("/data"));
        cluster.Controller.Fence(3);
        cluster.StartNode(3);
        await cluster.SyncedAsync(Orders);
        AssertEqualBytes(cluster);
    }

    [Fact]
    public async Task A_cut_link_between_leader_and_follower_holds_nobody_up_for_as_long_as_a_slow_follower_might()
    {
        await using var cluster = TestCluster.Start(settings: ("replica.lag.time.max.ms", "600000"));
        await cluster.AppendAsync(Orders, Batches.Plain());
        await cluster.SyncedAsync(Orders);
        // The controller reaches both of them.
        cluster.Network.Cut(1, 2);
        await cluster.AppendAsync(Orders, Batches.Plain());
        Assert.Equal([1, 3], cluster.Controller.Find(Orders).Isr.Order());
        cluster.Network.HealAll();
        await cluster.SyncedAsync(Orders);
    }

    [Fact]
    public async Task A_leader_that_hears_nothing_of_the_quorum_sends_its_producers_away()
    {
        await using var cluster = TestCluster.Start();
        await cluster.AppendAsync(Orders, Batches.Plain());
        var leader = cluster.Nodes[1];
        cluster.Network.Isolate(1, [TestNetwork.Controller, .. TestCluster.Ids]);
        var waiting = leader.AppendAsync(Orders, Batches.Plain(), timeoutMs: 600_000);
        leader.Host.Contact.Saw(hearsLeader: false);
        Assert.Equal(ErrorCode.NotLeaderOrFollower, (await waiting).Error);
        Assert.Equal(ErrorCode.NotLeaderOrFollower, (await leader.AppendAsync(Orders, Batches.Plain(), acks: 1)).Error);
        var context = TestNode.RequestOf(ApiKey.Produce, LeaderHintVersion);
        var answer = (ProduceResponse)await leader.AskAsync(context, new ProduceRequest
        {
            Acks = -1,
            TopicData = [new() { Name = Orders.Topic, PartitionData = [new() { Index = Orders.Partition, Records = new Records(Batches.Plain()) }] }],
        });
        Assert.Equal(ErrorCode.NotLeaderOrFollower, answer.Responses[0].PartitionResponses[0].ErrorCode);
        Assert.Empty(answer.NodeEndpoints);
        Assert.NotNull(context.ClosesBecause);
        leader.Host.Contact.Saw(hearsLeader: true);
        cluster.Network.HealAll();
        await cluster.AppendAsync(Orders, Batches.Plain());
        await cluster.SyncedAsync(Orders);
    }

    [Fact]
    public async Task A_follower_below_the_start_of_its_leader_starts_over_there()
    {
        await using var cluster = TestCluster.Start();
        await cluster.AppendAsync(Orders, Batches.Plain());
        await cluster.SyncedAsync(Orders);
        await cluster.CrashAsync(3, losesPower: false);
        cluster.Controller.Fence(3);
        for (var i = 0; i < 30; i++)
        {
            await cluster.AppendAsync(Orders, Batches.Plain(records: 10, valueBytes: 50));
        }

        // Within a batch, which the follower then gets as a whole.
        var moved = new TaskCompletionSource<(ErrorCode, long)>();
        cluster.Nodes[1].Find(Orders)!.Actor.Tell(new ReplicaActor.MoveLogStart(256, moved), Akka.Actor.ActorRefs.NoSender);
        Assert.Equal((ErrorCode.None, 256L), await moved.Task);
        cluster.StartNode(3);
        await cluster.SyncedAsync(Orders);
        await TestCluster.UntilAsync("all logs start at 256", () => cluster.Nodes.Values.All(node => node.Find(Orders)!.Log.LogStartOffset == 256));
        AssertEqualBytes(cluster, from: 256);
    }

    [Fact]
    public async Task Producers_epochs_and_open_transactions_are_known_to_the_replica_that_takes_over()
    {
        await using var cluster = TestCluster.Start();
        await cluster.AppendAsync(Orders, Batches.Idempotent(7, 0, 0, records: 2));
        await cluster.AppendAsync(Orders, Batches.Idempotent(8, 0, 0, transactional: true));
        await cluster.SyncedAsync(Orders);
        cluster.Controller.Elect(Orders, 2);
        await TestCluster.UntilAsync("broker 2 leads", () => cluster.Nodes[2].Find(Orders)!.Leadership.IsLeader);

        var log = cluster.Nodes[2].Find(Orders)!.Log;
        Assert.Equal(2, log.FirstUnstableOffset);
        Assert.Equal([0, 1], log.LeaderEpochs.Starts.Select(start => start.Epoch));
        var again = await cluster.AppendAsync(Orders, Batches.Idempotent(7, 0, 0, records: 2));
        Assert.Equal((0, 3), (again.BaseOffset, log.LogEndOffset));
    }

    [Fact]
    public async Task A_failing_disk_takes_a_follower_offline_and_no_other()
    {
        await using var cluster = TestCluster.Start();
        await cluster.AppendAsync(Orders, Batches.Plain());
        await cluster.SyncedAsync(Orders);
        cluster.DiskOf(3).Fault = (operation, path) =>
        {
            if (operation == DiskOperation.Write && path.EndsWith(".log", StringComparison.Ordinal))
            {
                throw new IOException("Input/output error.");
            }
        };
        await cluster.AppendAsync(Orders, Batches.Plain());
        await TestCluster.UntilAsync("broker 3 has given its disk up", () => cluster.Nodes[3].Find(Orders)!.Leadership.IsOffline);
        await TestCluster.UntilAsync("it has left the in-sync replicas", () => cluster.Controller.Find(Orders).Isr is [1, 2]);
        await cluster.AppendAsync(Orders, Batches.Plain());
    }

    [Fact]
    public async Task A_partition_that_fails_holds_up_none_of_its_leaders_others()
    {
        await using var cluster = TestCluster.Start(partitions: 4);
        var other = new TopicPartition(TestCluster.Topic, 3);
        await cluster.AppendAsync(Orders, Batches.Plain());
        await cluster.AppendAsync(other, Batches.Plain());
        await cluster.SyncedAsync(Orders);
        // A record that rots in the leader's file: its batch is refused by every follower.
        cluster.DiskOf(1).CorruptByte(Path.Combine(cluster.Nodes[1].Find(Orders)!.Log.Folder, "00000000000000000000.log"), 75);
        await cluster.CrashAsync(3, losesPower: false);
        cluster.DiskOf(3).DeleteFolder(Path.GetFullPath("/data"));
        cluster.Controller.Fence(3);
        cluster.StartNode(3);
        await TestCluster.UntilAsync("the other partition is copied", () => cluster.Nodes[3].Find(other)?.Log.LogEndOffset == 1);
        await cluster.AppendAsync(other, Batches.Plain());
        await cluster.SyncedAsync(other);
        Assert.Equal(0, cluster.Nodes[3].Find(Orders)!.Log.LogEndOffset);
    }

    [Fact]
    public async Task A_replica_that_is_assigned_elsewhere_is_retired_with_its_log()
    {
        await using var cluster = TestCluster.Start();
        await cluster.AppendAsync(Orders, Batches.Plain());
        await cluster.SyncedAsync(Orders);
        var replica = cluster.Nodes[3].Find(Orders)!;
        cluster.Controller.Reassign(Orders, [1, 2]);
        await replica.Ended;
        var late = AppendCompletion.Rent();
        var outcome = late.Task;
        replica.Actor.Tell(new ReplicaActor.Append(Batches.Plain(), -1, late), ActorRefs.NoSender);
        Assert.Equal(ErrorCode.NotLeaderOrFollower, (await outcome).Error);
        await TestCluster.UntilAsync("its folder is gone", () => cluster.Nodes[3].Host.LogDirectories.Holding(Orders) is null);
        Assert.Null(cluster.Nodes[3].Find(Orders));
        await cluster.AppendAsync(Orders, Batches.Plain());
        cluster.Controller.Reassign(Orders, [1, 2, 3]);
        await cluster.SyncedAsync(Orders);
    }

    [Fact]
    public async Task A_deleted_topic_is_fetched_no_more_and_may_come_back()
    {
        await using var cluster = TestCluster.Start();
        await cluster.AppendAsync(Orders, Batches.Plain(records: 5));
        await cluster.SyncedAsync(Orders);
        cluster.Controller.DeleteTopic(TestCluster.Topic);
        cluster.Controller.CreateTopic(TestCluster.Topic, 1, TestCluster.Ids);
        Assert.Equal(0, (await cluster.AppendAsync(Orders, Batches.Plain())).BaseOffset);
        await cluster.SyncedAsync(Orders);
    }

    [Fact]
    public async Task A_log_that_lost_its_tail_is_filled_from_where_it_ends()
    {
        await using var cluster = TestCluster.Start();
        for (var i = 0; i < 20; i++)
        {
            await cluster.AppendAsync(Orders, Batches.Plain(records: 2));
        }

        await cluster.CrashAsync(1, losesPower: true);
        cluster.Controller.Fence(1);
        await cluster.AppendAsync(Orders, Batches.Plain());
        cluster.StartNode(1);
        await cluster.SyncedAsync(Orders);
        Assert.Equal(41, cluster.Nodes[1].Find(Orders)!.Log.LogEndOffset);
        AssertEqualBytes(cluster);
    }

    [Fact]
    public async Task What_was_fetched_in_an_earlier_epoch_or_for_another_end_is_not_appended()
    {
        await using var cluster = TestCluster.Start();
        await cluster.AppendAsync(Orders, Batches.Plain());
        await cluster.SyncedAsync(Orders);
        cluster.Network.Isolate(3, [1, 2]);
        var replica = cluster.Nodes[3].Find(Orders)!;
        cluster.Controller.Elect(Orders, 2);
        await TestCluster.UntilAsync("broker 3 follows in epoch 1", () => replica.Leadership is { IsLeader: false, Epoch: 1 });
        var batch = Batches.Plain();
        RecordBatchHeader.SetBaseOffset(batch, 1);
        RecordBatchHeader.SetLeaderEpoch(batch, 0);
        Assert.Equal(new FollowResult(ErrorCode.None, null), await BringAsync(replica, new FetchPosition(0, 1, 0, 0), batch));
        Assert.Equal(1, (await BringAsync(replica, new FetchPosition(1, 0, 0, 0), batch)).Next!.Offset);
        Assert.Equal(1, replica.Log.LogEndOffset);
        Assert.Equal(2, (await BringAsync(replica, new FetchPosition(1, 1, 0, 0), batch)).Next!.Offset);

        // Nor while it leads, whatever the epoch.
        cluster.Controller.Elect(Orders, 3);
        await TestCluster.UntilAsync("broker 3 leads in epoch 2", () => replica.Leadership is { IsLeader: true, Epoch: 2 });
        RecordBatchHeader.SetBaseOffset(batch, 2);
        Assert.Equal(new FollowResult(ErrorCode.None, null), await BringAsync(replica, new FetchPosition(2, 2, 0, 0), batch));
        Assert.Equal(2, replica.Log.LogEndOffset);
    }

    private static async Task<FollowResult> BringAsync(Replica replica, FetchPosition at, byte[] batch)
    {
        var reply = new TaskCompletionSource<FollowResult>(TaskCreationOptions.RunContinuationsAsynchronously);
        replica.Actor.Tell(new ReplicaActor.AppendFetched(at, batch, 0, 0, reply), Akka.Actor.ActorRefs.NoSender);
        return await reply.Task.WaitAsync(TimeSpan.FromSeconds(20));
    }

    internal static void AssertEqualBytes(TestCluster cluster, long from = 0, int partition = 0)
    {
        var orders = new TopicPartition(TestCluster.Topic, partition);
        var bytes = TestCluster.Bytes(cluster.Nodes[1].Find(orders)!, from);
        Assert.Equal(bytes, TestCluster.Bytes(cluster.Nodes[2].Find(orders)!, from));
        Assert.Equal(bytes, TestCluster.Bytes(cluster.Nodes[3].Find(orders)!, from));
    }
}
