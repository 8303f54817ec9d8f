using Milena.Metadata.Image;
using Milena.Model;

namespace Milena.MultiNode.Tests;

/// <summary>Who may lead a partition that asks for two in sync, when both of its brokers were away (KIP-966).</summary>
public sealed class Leading_without_loss
{
    private const string Topic = "kept";

    [Fact]
    public async Task A_replica_that_closed_its_log_leads_though_the_last_in_sync_is_away()
    {
        await using var cluster = await WithBothAwayAsync();
        await cluster.StartAsync(4, more: Two);
        await cluster.UntilAsync(() => cluster.DescribeFully(1, Topic) is { LeaderId: 4, IsrNodes: [4] }, "4 leads, alone in sync");
        Assert.Equal([3], cluster.DescribeFully(1, Topic).EligibleLeaderReplicas!);
        Assert.Equal(ErrorCode.NotEnoughReplicas, cluster.Produce(4, Topic));

        await cluster.StartAsync(3, more: Two);
        await cluster.UntilAsync(() => cluster.DescribeFully(1, Topic) is { IsrNodes.Count: 2, EligibleLeaderReplicas.Count: 0 }, "both are in sync again");
        Assert.False(cluster.Fetch(4, Topic).Records.IsEmpty);
        Assert.Equal(ErrorCode.None, cluster.Produce(4, Topic));
    }

    [Fact]
    public async Task A_replica_that_did_not_close_its_log_waits_for_one_that_did()
    {
        await using var cluster = await WithBothAwayAsync();
        cluster.ForgetCleanStop(4);
        var fourth = cluster.StartAsync(4, more: Two);
        await cluster.UntilAsync(() => cluster.BrokersSeenBy(1).Contains(4), "4 is let in");
        var described = cluster.DescribeFully(1, Topic);
        Assert.Equal((PartitionRegistration.NoLeader, 0), (described.LeaderId, described.IsrNodes.Count));
        Assert.Equal([3], described.EligibleLeaderReplicas!);

        await Task.WhenAll(fourth, cluster.StartAsync(3, more: Two));
        await cluster.UntilAsync(() => cluster.DescribeFully(1, Topic) is { LeaderId: 3, IsrNodes.Count: 2 }, "3 leads, and 4 follows it");
        Assert.False(cluster.Fetch(3, Topic).Records.IsEmpty);
    }

    [Fact]
    public async Task When_none_closed_its_log_the_last_to_lead_leads()
    {
        await using var cluster = await WithBothAwayAsync();
        cluster.ForgetCleanStop(3);
        cluster.ForgetCleanStop(4);
        await Task.WhenAll(cluster.StartAsync(3, more: Two), cluster.StartAsync(4, more: Two));
        await cluster.UntilAsync(() => cluster.DescribeFully(1, Topic) is { LeaderId: 3, IsrNodes.Count: 2 }, "3 leads, and 4 follows it");
        Assert.False(cluster.Fetch(3, Topic).Records.IsEmpty);
    }

    private static string[] Two => ["--set", "min.insync.replicas=2"];

    /// <summary>A record is on brokers 3 and 4, and then they stop in order, 4 before 3.</summary>
    private static async Task<InProcessCluster> WithBothAwayAsync()
    {
        var cluster = new InProcessCluster(1, 2, 3);
        await Task.WhenAll(cluster.StartAsync(1, more: Two), cluster.StartAsync(2, more: Two), cluster.StartAsync(3, more: Two));
        await cluster.StartAsync(4, more: Two);
        Assert.Equal(ErrorCode.None, cluster.CreateTopic(askedAt: 1, Topic, copies: 2).ErrorCode);
        Assert.Equal(ErrorCode.None, cluster.Reassign(1, Topic, 3, 4));
        await cluster.UntilAsync(
            () => cluster.DescribeFully(1, Topic) is { LeaderId: > 0 } led && led.ReplicaNodes.Order().SequenceEqual([3, 4]) && cluster.Produce(led.LeaderId, Topic) == ErrorCode.None,
            "3 and 4 have a record");
        await cluster.StopAsync(4);
        await cluster.UntilAsync(() => cluster.DescribeFully(1, Topic) is { IsrNodes: [3], EligibleLeaderReplicas: [4] }, "4 is eligible, and 3 in sync");
        await cluster.StopAsync(3);
        await cluster.UntilAsync(() => cluster.DescribeFully(1, Topic) is { IsrNodes.Count: 0, EligibleLeaderReplicas.Count: 2, LastKnownElr: [3] }, "both are eligible, and nobody in sync");
        return cluster;
    }
}
