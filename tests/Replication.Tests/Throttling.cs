using Microsoft.Extensions.Time.Testing;
using Milena.Model;

namespace Milena.Replication.Tests;

/// <summary>Replication that is to go no faster than a limit (KIP-73).</summary>
public sealed class Throttling
{
    private const int BytesPerSecond = 1000;

    /// <summary>Two partitions that broker 1 leads: one to be throttled, one not.</summary>
    private static readonly TopicPartition Throttled = new(TestCluster.Topic, 0);
    private static readonly TopicPartition Free = new(TestCluster.Topic, 3);
    private static readonly int BatchBytes = Batch().Length;

    [Fact]
    public async Task A_leader_holds_back_who_is_not_in_sync_and_nobody_else()
    {
        await using var cluster = Start();
        await LimitAsync(cluster, "leader", 1, 1);
        await FillAsync(cluster);
        await TestCluster.UntilAsync("the quota is exceeded", () => cluster.Nodes[1].Host.LeaderThrottle.Quota.IsExceeded);
        cluster.Network.Cut(1, 3);
        // Acknowledged once 3 is out of sync, by broker 2, which is not held up.
        await FillAsync(cluster);
        Assert.DoesNotContain(3, cluster.Controller.Find(Throttled).Isr);
        var before = EndOn(cluster, 3, Throttled);
        cluster.Network.HealAll();
        await cluster.SyncedAsync(Free);
        Assert.Equal(before, EndOn(cluster, 3, Throttled));
        Assert.True(EndOn(cluster, 2, Throttled) > before);

        await LimitAsync(cluster, "leader", 1, 1_000_000_000);
        await cluster.SyncedAsync(Throttled);
    }

    [Fact]
    public async Task A_follower_that_is_behind_leaves_throttled_partitions_out_and_no_others()
    {
        await using var cluster = Start();
        await LimitAsync(cluster, "follower", 3, 1);
        await FillAsync(cluster);
        await TestCluster.UntilAsync("the quota is exceeded", () => cluster.Nodes[3].Host.FollowerThrottle.Quota.IsExceeded);
        cluster.Network.Cut(1, 3);
        await FillAsync(cluster);
        cluster.Network.HealAll();
        await cluster.SyncedAsync(Free);
        Assert.True(EndOn(cluster, 3, Throttled) < EndOn(cluster, 1, Throttled));

        await LimitAsync(cluster, "follower", 3, 1_000_000_000);
        await cluster.SyncedAsync(Throttled);
    }

    /// <summary>A follower that is in sync is never held up, though another broker begins to lead while the quota is exceeded.</summary>
    [Fact]
    public async Task A_new_leader_is_followed_at_once_by_who_is_in_sync()
    {
        await using var cluster = Start(partitions: 1);
        await LimitAsync(cluster, "follower", 1, 1);
        cluster.Controller.Elect(Throttled, 2);
        await cluster.AppendAsync(Throttled, Batch());
        await cluster.SyncedAsync(Throttled);
        await TestCluster.UntilAsync("the quota is exceeded", () => cluster.Nodes[1].Host.FollowerThrottle.Quota.IsExceeded);
        cluster.Controller.Elect(Throttled, 3);
        await cluster.AppendAsync(Throttled, Batch());
        await cluster.SyncedAsync(Throttled);
    }

    /// <summary>By a clock that only the test moves: without it nothing would ever come of what the limit holds back.</summary>
    [Theory]
    [InlineData("leader", 1, 4)]
    [InlineData("follower", 3, 4)]
    // Nothing else is fetched from that leader then.
    [InlineData("leader", 1, 1)]
    [InlineData("follower", 3, 1)]
    public async Task What_is_held_back_comes_as_fast_as_the_limit_allows_while_all_else_is_as_fast_as_ever(string side, int limited, int partitions)
    {
        var clock = new FakeTimeProvider();
        await using var cluster = Start(partitions, limited == 1 ? clock : null);
        await cluster.CrashAsync(3, losesPower: false);
        cluster.Controller.Fence(3);
        await FillAsync(cluster);
        await LimitAsync(cluster, side, limited, BytesPerSecond);
        if (limited == 3)
        {
            cluster.Clocks[3] = clock;
        }

        var began = clock.GetTimestamp();
        cluster.StartNode(3);
        if (partitions > 1)
        {
            await cluster.SyncedAsync(Free);
        }

        await TestCluster.UntilAsync("the throttled partition is there too", () =>
        {
            var (passed, fetched) = (clock.GetElapsedTime(began), BatchBytes * (cluster.Nodes[3].Find(Throttled)?.Log.LogEndOffset ?? 0));
            Assert.InRange(fetched, 0, (BytesPerSecond * Math.Max(1, passed.TotalSeconds)) + BatchBytes);
            clock.Advance(TimeSpan.FromMilliseconds(20));
            return fetched == BatchBytes * EndOn(cluster, 1, Throttled);
        });
        await cluster.SyncedAsync(Throttled);
    }

    /// <summary>What was sent counts for as long as a test takes, and an answer has a batch of each partition.</summary>
    private static TestCluster Start(int partitions = 4, TimeProvider? clockOfFirst = null) => TestCluster.Start(
        partitions, clockOfFirst: clockOfFirst, settings: [("replication.quota.window.num", "10000"), ("replica.fetch.max.bytes", "1000")]);

    /// <summary>Known when it returns, to brokers that run.</summary>
    private static async Task LimitAsync(TestCluster cluster, string side, int broker, int bytesPerSecond)
    {
        cluster.Controller.Configure(TestCluster.Topic, $"{side}.replication.throttled.replicas", $"0:{broker}");
        cluster.Controller.ConfigureBroker(broker, $"{side}.replication.throttled.rate", $"{bytesPerSecond}");
        if (cluster.Nodes.TryGetValue(broker, out var node))
        {
            var throttle = side == "leader" ? node.Host.LeaderThrottle : node.Host.FollowerThrottle;
            await TestCluster.UntilAsync("the limit is known", () => throttle.Quota.BytesPerSecond == bytesPerSecond);
        }
    }

    private static async Task FillAsync(TestCluster cluster)
    {
        for (var batch = 0; batch < 10; batch++)
        {
            await cluster.AppendAsync(Throttled, Batch());
            if (cluster.Controller.Image.FindTopic(TestCluster.Topic)!.Partitions.Length > 1)
            {
                await cluster.AppendAsync(Free, Batch());
            }
        }
    }

    private static byte[] Batch() => Testing.Batches.Plain(valueBytes: 700);

    private static long EndOn(TestCluster cluster, int node, TopicPartition partition) => cluster.Nodes[node].Find(partition)!.Log.LogEndOffset;
}
