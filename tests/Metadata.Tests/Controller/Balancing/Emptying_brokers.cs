using Milena.Metadata.Controller;
using Milena.Metadata.Controller.Balancing;
using Milena.Metadata.Image;
using Milena.Metadata.Settings;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Metadata.Tests.Controller.Balancing;

public sealed class Emptying_brokers
{
    [Fact]
    public void Leaders_go_first_then_replicas_a_few_at_a_time_until_none_is_left_and_that_is_told()
    {
        var cluster = BalancedCluster.Of(5);
        cluster.Apply(Clusters.Leaving(3));
        Assert.Equal(8, cluster.Round());
        Assert.Empty(cluster.UnderWay);
        Assert.DoesNotContain(cluster.Image.All(), one => one.Partition.Leader == 3 || one.Partition.Replicas[0] == 3);
        Assert.Equal(24, Progress(cluster).Replicas);
        cluster.Settle(maxUnderWay: 10);
        Assert.Equal((0, true), (cluster.Image.Held(3), Progress(cluster).IsEmpty));
        Assert.Equal((12, 12), (cluster.Image.Held(4), cluster.Image.Held(5)));
        Assert.All(cluster.Image.All(), one => Assert.Equal(3, one.Partition.Isr.Length));
        Assert.Equal(["Broker 3 is to be emptied, of 24 replicas", "Broker 3 holds no replica any more: it can be stopped and unregistered"], cluster.Notes);
    }

    [Fact]
    public void New_replicas_are_placed_elsewhere_and_its_absence_is_counted_for_internal_topics()
    {
        var image = BalancedCluster.Of(4).Image.Apply(Clusters.Leaving(2));
        var request = new CreateTopicsRequest { Topics = [new() { Name = "orders", NumPartitions = 9, ReplicationFactor = 3 }, new() { Name = "wide", NumPartitions = 1, ReplicationFactor = 4 }] };
        var decision = CreateTopicsDecision.Decide(image, request, Decisions.Context());
        Assert.Equal([ErrorCode.None, ErrorCode.InvalidReplicationFactor], ((CreateTopicsResponse)decision.Response).Topics.Select(topic => topic.ErrorCode));
        Assert.All(decision.Records.OfType<PartitionRecord>(), partition => Assert.DoesNotContain(2, partition.Replicas));
        image = Images.Of(Images.Broker(1), Images.Broker(2), Clusters.Leaving(2), Images.Topic(TopicNames.ConsumerOffsets, Images.Orders), Images.Partition(Images.Orders, 0, 1));
        Assert.Empty(InternalTopics.Tend(image, Decisions.Context()));
        Assert.Single(InternalTopics.Tend(image.Apply(Clusters.Leaving(2, isLeaving: false)), Decisions.Context()));
    }

    [Fact]
    public void Taken_back_it_keeps_what_it_has_and_what_is_on_its_way_goes()
    {
        var cluster = BalancedCluster.Of(4);
        cluster.Apply(Clusters.Leaving(3));
        cluster.Round();
        Assert.Equal(10, cluster.Round());
        cluster.Apply(Clusters.Leaving(3, isLeaving: false));
        cluster.Settle();
        Assert.Equal((14, 10), (cluster.Image.Held(3), cluster.Image.Held(4)));
        Assert.Equal("Broker 3 is not to be emptied any more", cluster.Notes[^1]);
    }

    [Fact]
    public void Without_brokers_enough_the_reason_is_told_once_and_another_broker_helps()
    {
        var cluster = BalancedCluster.Of(3);
        cluster.Apply(Clusters.Leaving(3));
        cluster.Settle();
        cluster.Wait(TimeSpan.FromHours(1));
        cluster.Settle();
        Assert.Equal(24, cluster.Image.Held(3));
        Assert.StartsWith("Broker 3 cannot be emptied of its last 24 replicas: 24 partitions have a replica on each of the 2 brokers", Assert.Single(cluster.Notes));
        Assert.Equal((true, 24), (Progress(cluster).IsStuck, Progress(cluster).Homeless));
        // Its leaders are gone all the same.
        Assert.DoesNotContain(cluster.Image.All(), one => one.Partition.Leader == 3);
        cluster.Apply(Images.Broker(4, epoch: 4));
        cluster.Settle(maxUnderWay: 10);
        Assert.Equal((0, 24, 3), (cluster.Image.Held(3), cluster.Image.Held(4), cluster.Notes.Count));
    }

    [Fact]
    public void A_broker_that_is_gone_for_good_is_emptied_too_and_its_mark_goes_with_its_registration()
    {
        var cluster = BalancedCluster.Of(4);
        cluster.Kill(3);
        cluster.Settle();
        Assert.Equal(24, cluster.Image.Held(3));
        cluster.Apply(Clusters.Leaving(3));
        cluster.Settle();
        Assert.Equal((0, 24), (cluster.Image.Held(3), cluster.Image.Held(4)));
        cluster.Apply([.. UnregisterBrokerDecision.Decide(cluster.Image, new UnregisterBrokerRequest { BrokerId = 3 }, Decisions.Context()).Records]);
        Assert.Empty(cluster.Image.ConfigOf(ConfigResource.Broker(3)));
        cluster.Apply(Images.Broker(3, epoch: 77));
        Assert.False(BalancerSettings.IsLeaving(cluster.Image, 3));
    }

    [Fact]
    public void What_somebody_calls_off_stays_for_a_while_and_is_begun_again_then()
    {
        var cluster = BalancedCluster.Of(4, topics: 1, partitions: 3);
        cluster.Apply(Clusters.Leaving(3));
        cluster.Round();
        Assert.Equal(3, cluster.Round());
        Assert.Equal(ErrorCode.None, cluster.Reassign("topic-0", 1, null));
        cluster.Settle();
        Assert.Equal(1, cluster.Image.Held(3));
        cluster.Wait(TimeSpan.FromMinutes(15));
        cluster.Settle();
        Assert.Equal(0, cluster.Image.Held(3));
    }

    [Fact]
    public void A_broker_that_is_marked_while_replicas_move_to_it_gets_none_of_them()
    {
        var cluster = BalancedCluster.Of(5);
        cluster.Apply(Clusters.Leaving(3), Images.Config(ConfigResource.AllBrokers, OwnBrokerSettings.PartitionsInFlight, "24"));
        cluster.Round();
        cluster.Round();
        var toFour = cluster.UnderWay.Count(one => one.Partition.AddingReplicas.Contains(4));
        Assert.Equal(12, toFour);
        cluster.Apply(Clusters.Leaving(4));
        cluster.Round();
        Assert.DoesNotContain(cluster.UnderWay, one => one.Partition.AddingReplicas.Contains(4));
        cluster.Settle();
        Assert.Equal((0, 0, 24), (cluster.Image.Held(3), cluster.Image.Held(4), cluster.Image.Held(5)));
    }

    [Fact]
    public void A_leader_that_nobody_in_sync_can_follow_stays()
    {
        var cluster = BalancedCluster.Of(4, topics: 1, partitions: 1);
        cluster.Kill(2);
        cluster.Kill(3);
        cluster.Apply(Clusters.Leaving(1));
        Assert.Equal(1, cluster.Round());
        Assert.Equal((1, true), (cluster.Image.All().Single().Partition.Leader, cluster.UnderWay.Any()));
        cluster.Settle();
        var after = cluster.Image.All().Single().Partition;
        Assert.Equal((4, "2,3,4"), (after.Leader, string.Join(',', after.Replicas.Order())));
    }

    [Fact]
    public void Whatever_happens_meanwhile_it_ends_empty()
    {
        for (var seed = 0; seed < 200; seed++)
        {
            var random = new Random(seed);
            var cluster = BalancedCluster.Of(6);
            if (random.Next(2) == 0)
            {
                cluster.Enable();
            }

            cluster.Apply(Clusters.Leaving(3));
            for (var step = 0; step < 40; step++)
            {
                Disturb(cluster, random);
                // Some begin to count only when their broker is back; then no others are begun.
                var before = Copying(cluster);
                cluster.Round();
                Assert.True(Copying(cluster) <= Math.Max(before, 10), $"Seed {seed}: too many at once.");
                cluster.CatchUp(random.Next(4));
            }

            foreach (var away in cluster.Image.Brokers.Values.Where(broker => broker.Fenced).ToList())
            {
                cluster.Return(away.Id);
            }

            cluster.CatchUp();
            cluster.Settle();
            cluster.Wait(Respect);
            cluster.Settle();
            Assert.True(cluster.Image.Held(3) == 0 && !cluster.UnderWay.Any(), $"Seed {seed}: {cluster.Image.Held(3)} replicas are left.");
            Assert.All(cluster.Image.All(), one => Assert.Equal(3, one.Partition.Replicas.Length));
        }
    }

    private static readonly TimeSpan Respect = TimeSpan.FromMinutes(15);

    private static int Copying(BalancedCluster cluster) =>
        cluster.UnderWay.Count(one => one.Partition.AddingReplicas.All(id => !cluster.Image.Brokers[id].Fenced));

    private static void Disturb(BalancedCluster cluster, Random random)
    {
        var id = new[] { 1, 2, 4, 5, 6 }[random.Next(5)];
        var (topic, index, partition) = cluster.Image.All().ElementAt(random.Next(cluster.Image.All().Count()));
        switch (random.Next(12))
        {
            case 0 when cluster.Image.Brokers.Values.Count(broker => broker.Fenced) == 0:
                cluster.Kill(id);
                break;
            case 1 or 2 when cluster.Image.Brokers.Values.FirstOrDefault(broker => broker.Fenced) is { } away:
                cluster.Return(away.Id);
                break;
            case 3:
                cluster.FailOver();
                break;
            case 4 when cluster.Image.TopicsById.Count > 1 && random.Next(4) == 0:
                cluster.Apply(new RemoveTopicRecord { TopicId = topic.Id });
                break;
            case 5 when Reassignment.IsUnderWay(partition):
                cluster.Reassign(topic.Name, index, null);
                break;
            case 6 when !cluster.UnderWay.Any():
                cluster.Reassign(topic.Name, index, [.. cluster.Image.Brokers.Keys.Where(broker => broker != 3).OrderBy(_ => random.Next()).Take(3)]);
                break;
            default:
                cluster.Wait(TimeSpan.FromSeconds(random.Next(60)));
                break;
        }
    }

    private static DecommissionProgress Progress(BalancedCluster cluster) => Assert.Single(DecommissionProgress.Of(cluster.Image));
}
