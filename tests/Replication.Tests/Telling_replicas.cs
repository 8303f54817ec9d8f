using Akka.Actor;
using Milena.Metadata.Image;
using Milena.Model;
using Milena.Storage;
using Milena.Testing;

namespace Milena.Replication.Tests;

/// <summary>How replicas are told what they are, and told again.</summary>
public sealed class Telling_replicas
{
    private static readonly TopicPartition Orders = new(TestCluster.Topic, 0);
    private static readonly LogSettings Settings = new();
    private static readonly TopicImage Topic = new("orders", Guid.NewGuid(), [Partition(), Partition(), Partition()]);
    private readonly ToldTopics _told = new();

    [Fact]
    public void A_change_is_told_to_the_partitions_that_it_is_about()
    {
        Assert.Equal([0, 1, 2], _told.Tell(new(Topic, Settings, 1)));
        Assert.Empty(_told.Tell(new(Topic, Settings, 1)));
        var changed = Topic with { Partitions = Topic.Partitions.SetItem(1, Partition(partitionEpoch: 1)) };
        Assert.Equal([1], _told.Tell(new(changed, Settings, 1)));
        Assert.Empty(_told.Tell(new(changed, Settings, 1)));
        var grown = changed with { Partitions = changed.Partitions.Add(Partition()) };
        Assert.Equal([3], _told.Tell(new(grown, Settings, 1)));
    }

    [Fact]
    public void Settings_are_told_to_all_partitions_and_only_where_they_have_changed()
    {
        _told.Tell(new(Topic, Settings, 1));
        Assert.Equal([0, 1, 2], _told.Tell(new(Topic, Settings, 2)));
        Assert.Equal([0, 1, 2], _told.Tell(new(Topic, Settings with { RetentionMs = 1 }, 2)));
        Assert.Empty(_told.Tell(new(Topic, new LogSettings { RetentionMs = 1 }, 2)));
    }

    [Fact]
    public void Who_was_forgotten_is_told_all_again()
    {
        _told.Tell(new(Topic, Settings, 1));
        _told.Forget(Topic.Id);
        Assert.Empty(_told.All);
        Assert.Equal([0, 1, 2], _told.Tell(new(Topic, Settings, 1)));
    }

    [Fact]
    public async Task A_leader_whose_actor_ended_leads_on_in_the_same_epoch_with_all_that_it_had_acknowledged()
    {
        await using var cluster = TestCluster.Start();
        await cluster.AppendAsync(Orders, Batches.Plain());
        await cluster.SyncedAsync(Orders);
        var leader = cluster.LeaderOf(Orders)!;
        var ended = leader.Find(Orders)!;
        ended.Actor.Tell(Kill.Instance, ActorRefs.NoSender);
        await TestCluster.UntilAsync("it leads again", () => leader.Find(Orders) is { Leadership.IsLeader: true } next && next != ended, () => cluster.Describe(Orders));
        Assert.Equal((0, 1), (leader.Find(Orders)!.Leadership.Epoch, leader.Find(Orders)!.HighWatermark));
        await cluster.AppendAsync(Orders, Batches.Plain());
        await cluster.SyncedAsync(Orders);
        Assert.Equal(2, leader.Find(Orders)!.HighWatermark);
    }

    [Fact]
    public async Task A_follower_whose_actor_ended_follows_again()
    {
        await using var cluster = TestCluster.Start();
        await cluster.SyncedAsync(Orders);
        var follower = cluster.Nodes[2];
        var ended = follower.Find(Orders)!;
        ended.Actor.Tell(Kill.Instance, ActorRefs.NoSender);
        await TestCluster.UntilAsync("it has a role again", () => follower.Find(Orders) is { } next && next != ended, () => cluster.Describe(Orders));
        await cluster.AppendAsync(Orders, Batches.Plain());
        await cluster.SyncedAsync(Orders);
    }

    private static PartitionRegistration Partition(int partitionEpoch = 0) => Registrations.Partition([1, 2, 3], [1, 2, 3], leader: 1, partitionEpoch: partitionEpoch);
}
