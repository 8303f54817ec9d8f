using Milena.Model;
using Milena.Node.Configuration;

namespace Milena.MultiNode.Tests;

/// <summary>Consumers are served by the replica that is close to them (KIP-392).</summary>
public sealed class Reading_from_followers
{
    private const string Topic = "near";

    [Fact]
    public async Task A_leader_sends_a_consumer_to_a_replica_in_its_rack_which_serves_it()
    {
        await using var cluster = new InProcessCluster(1, 2, 3);
        await Task.WhenAll(StartAsync(cluster, 1), StartAsync(cluster, 2), StartAsync(cluster, 3));
        await cluster.UntilAsync(() => cluster.CreateTopic(1, Topic, copies: 3).ErrorCode is ErrorCode.None or ErrorCode.TopicAlreadyExists, "there are three brokers");
        await cluster.UntilAsync(() => cluster.Describe(1, Topic) is { LeaderId: > 0 } led && cluster.Produce(led.LeaderId, Topic) == ErrorCode.None, "a record is acknowledged");
        var leader = cluster.Describe(1, Topic).LeaderId;
        var other = (leader % 3) + 1;

        var sentAway = cluster.Fetch(leader, Topic, $"rack-{other}", maxWaitMs: 30_000);
        Assert.Equal((ErrorCode.None, other, true), (sentAway.ErrorCode, sentAway.PreferredReadReplica, sentAway.Records.IsEmpty));
        await cluster.UntilAsync(() => cluster.Fetch(other, Topic, $"rack-{other}") is { ErrorCode: ErrorCode.None, Records.IsEmpty: false }, "the follower serves what is committed");
        foreach (var rack in new[] { "", "rack-elsewhere", $"rack-{leader}" })
        {
            var served = cluster.Fetch(leader, Topic, rack);
            Assert.Equal((ErrorCode.None, -1, false), (served.ErrorCode, served.PreferredReadReplica, served.Records.IsEmpty));
        }

        Assert.Equal(ErrorCode.NotLeaderOrFollower, cluster.Fetch(other, Topic, version: 10).ErrorCode);
    }

    [Fact]
    public async Task A_selector_that_is_not_there_is_told_at_the_start()
    {
        await using var cluster = new InProcessCluster(1);
        var refused = await Assert.ThrowsAsync<StartupException>(() => cluster.StartAsync(1, more: ["--set", "replica.selector.class=com.example.Mine"]));
        Assert.Contains("RackAwareReplicaSelector", refused.Message, StringComparison.Ordinal);
    }

    private static Task StartAsync(InProcessCluster cluster, int id) => cluster.StartAsync(
        id, more: ["--set", $"broker.rack=rack-{id}", "--set", "replica.selector.class=org.apache.kafka.common.replica.RackAwareReplicaSelector"]);
}
