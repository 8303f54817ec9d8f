using Microsoft.Extensions.Time.Testing;
using Milena.Model;
using Milena.Testing;

namespace Milena.Replication.Tests;

/// <summary>Idempotent producers whose batches come while the leader changes, several of each on their way.</summary>
public sealed class Producers_and_a_new_leader
{
    private static readonly TopicPartition Orders = new(TestCluster.Topic, 0);
    private static readonly TimeSpan SentBehind = TimeSpan.FromSeconds(5);
    private readonly FakeTimeProvider _time = new();

    [Fact]
    public async Task A_batch_behind_one_that_came_too_early_is_sent_away_like_it()
    {
        await using var cluster = await NewLeaderAsync();
        Assert.Equal(ErrorCode.NotLeaderOrFollower, await AppendAsync(cluster, sequence: 2));
        Assert.Equal(ErrorCode.None, await AppendAsync(cluster, sequence: 1));
        Assert.Equal(ErrorCode.None, await AppendAsync(cluster, sequence: 2));
        await cluster.SyncedAsync(Orders);
        Assert.Equal(3, cluster.Nodes[1].Find(Orders)!.Log.LogEndOffset);
    }

    [Fact]
    public async Task A_batch_that_is_missing_for_good_is_told_so()
    {
        await using var cluster = await NewLeaderAsync();
        _time.Advance(SentBehind);
        Assert.Equal(ErrorCode.OutOfOrderSequenceNumber, await AppendAsync(cluster, sequence: 2));
        // Nor does sending it away put that off.
        await cluster.AppendAsync(Orders, Batches.Idempotent(7, 0, 1));
        Assert.Equal(ErrorCode.OutOfOrderSequenceNumber, await AppendAsync(cluster, sequence: 3));
    }

    [Fact]
    public async Task A_batch_behind_one_that_too_few_replicas_were_in_sync_for_is_sent_away_too()
    {
        await using var cluster = await NewLeaderAsync();
        _time.Advance(SentBehind);
        cluster.Controller.Fence(2);
        cluster.Controller.Fence(3);
        var replica = cluster.Nodes[1].Find(Orders)!;
        // One that is there already tells when that is known.
        await TestCluster.UntilAsync("broker 1 is alone", async () => await AppendAsync(cluster, sequence: 0) == ErrorCode.NotEnoughReplicas, () => cluster.Describe(Orders));
        Assert.Equal(ErrorCode.NotEnoughReplicas, await AppendAsync(cluster, sequence: 1));
        cluster.Controller.Unfence(2);
        cluster.Controller.Unfence(3);
        await TestCluster.UntilAsync("others are in sync again", () => cluster.Controller.Find(Orders).Isr.Length > 1, () => cluster.Describe(Orders));
        await TestCluster.UntilAsync("it takes batches again", async () => await AppendAsync(cluster, sequence: 2) == ErrorCode.NotLeaderOrFollower, () => cluster.Describe(Orders));
        await cluster.AppendAsync(Orders, Batches.Idempotent(7, 0, 1));
        await cluster.AppendAsync(Orders, Batches.Idempotent(7, 0, 2));
        Assert.Equal(3, replica.Log.LogEndOffset);
    }

    /// <summary>Broker 1 leads again, by a clock that stands still; of the producer 7 there is the batch 0.</summary>
    private async Task<TestCluster> NewLeaderAsync()
    {
        var cluster = TestCluster.Start(clockOfFirst: _time);
        await cluster.AppendAsync(Orders, Batches.Idempotent(7, 0, 0));
        await cluster.SyncedAsync(Orders);
        cluster.Controller.Elect(Orders, 2);
        await TestCluster.UntilAsync("broker 2 leads", () => cluster.Nodes[2].Find(Orders)!.Leadership.IsLeader);
        await cluster.SyncedAsync(Orders);
        cluster.Controller.Elect(Orders, 1);
        await TestCluster.UntilAsync("broker 1 leads again", () => cluster.Nodes[1].Find(Orders)!.Leadership is { IsLeader: true, Epoch: 2 });
        await cluster.SyncedAsync(Orders);
        return cluster;
    }

    private static async Task<ErrorCode> AppendAsync(TestCluster cluster, int sequence) =>
        (await cluster.Nodes[1].AppendAsync(Orders, Batches.Idempotent(7, 0, sequence))).Error;
}
