using Milena.Metadata.Controller;
using Milena.Metadata.Image;
using Milena.Metadata.Settings;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Metadata.Tests.Controller.Balancing;

public sealed class Evening_out
{
    [Fact]
    public void Unless_it_is_enabled_a_broker_that_comes_gets_nothing()
    {
        var cluster = BalancedCluster.Of(4);
        cluster.Settle();
        Assert.Equal(0, cluster.Image.Held(4));
        cluster.Enable().Settle();
        Assert.InRange(cluster.Image.Held(4), 17, 18);
        Assert.InRange(cluster.Image.Preferred(4), 5, 7);
    }

    [Fact]
    public void No_more_partitions_than_the_setting_says_are_on_their_way_at_once()
    {
        var cluster = BalancedCluster.Of(4).Enable();
        cluster.Apply(Clusters.Setting(OwnBrokerSettings.PartitionsInFlight, "3"));
        Assert.Equal(3, cluster.Round());
        Assert.Equal(0, cluster.Round());
        cluster.CatchUp(max: 1);
        Assert.Equal(1, cluster.Round());
        cluster.Settle(maxUnderWay: 3);
        Assert.InRange(cluster.Image.Held(4), 17, 18);
    }

    [Fact]
    public void A_broker_has_to_have_been_there_for_a_while_and_a_restart_begins_that_anew()
    {
        var cluster = BalancedCluster.Of(4).Enable();
        cluster.Apply(Clusters.Setting(OwnBrokerSettings.SettleMs, "60000"));
        cluster.Round();
        cluster.Wait(TimeSpan.FromSeconds(50));
        cluster.Kill(4);
        Assert.Equal(0, cluster.Round());
        cluster.Return(4);
        Assert.Equal(0, cluster.Round());
        cluster.Wait(TimeSpan.FromSeconds(50));
        Assert.Equal(0, cluster.Round());
        cluster.Wait(TimeSpan.FromSeconds(10));
        Assert.Equal(10, cluster.Round());
    }

    [Fact]
    public void Nobody_moves_because_a_broker_is_down_nor_while_it_is()
    {
        var cluster = BalancedCluster.Of(3).Enable();
        cluster.Settle();
        cluster.Kill(2);
        cluster.Apply(Images.Broker(4, epoch: 4));
        cluster.Settle();
        Assert.Equal((24, 0), (cluster.Image.Held(2), cluster.Image.Held(4)));
        cluster.Return(2);
        cluster.Settle();
        Assert.InRange(cluster.Image.Held(4), 17, 18);
    }

    [Fact]
    public void A_broker_that_is_unregistered_is_not_down_but_gone_and_others_take_what_it_had()
    {
        var cluster = BalancedCluster.Of(4);
        cluster.Kill(2);
        cluster.Apply([.. UnregisterBrokerDecision.Decide(cluster.Image, new UnregisterBrokerRequest { BrokerId = 2 }, Decisions.Context()).Records]);
        cluster.Settle();
        Assert.Equal(24, cluster.Image.Held(2));
        cluster.Enable().Settle(maxUnderWay: 10);
        Assert.Equal((0, 24), (cluster.Image.Held(2), cluster.Image.Held(4)));
        Assert.All(cluster.Image.All(), one => Assert.Equal(3, one.Partition.Isr.Length));
    }

    [Fact]
    public void A_topic_that_was_created_unevenly_waits_until_the_next_broker_comes()
    {
        var cluster = BalancedCluster.Of(4).Enable();
        cluster.Settle();
        cluster.Apply(Images.Topic("orders", Images.Orders), Images.Partition(Images.Orders, 0, 1), Images.Partition(Images.Orders, 1, 1), Images.Partition(Images.Orders, 2, 1));
        cluster.Settle();
        Assert.Equal([1, 1, 1], cluster.Image.FindTopic("orders")!.Partitions.Select(partition => partition.Replicas.Single()));
        cluster.Apply(Images.Broker(5, epoch: 5));
        cluster.Settle();
        Assert.All(cluster.Image.Brokers.Keys, id => Assert.InRange(cluster.Image.Held(id), 14, 16));
    }

    [Fact]
    public void Turned_off_in_the_middle_it_ends_what_it_began()
    {
        var cluster = BalancedCluster.Of(4).Enable();
        Assert.Equal(10, cluster.Round());
        cluster.Apply(Clusters.Setting(OwnBrokerSettings.BalancerEnable, "false"));
        cluster.Settle();
        Assert.Equal(10, cluster.Image.Held(4));
    }

    [Fact]
    public void A_move_that_somebody_calls_off_is_not_begun_again()
    {
        var cluster = BalancedCluster.Of(4).Enable();
        cluster.Round();
        var (topic, index, _) = cluster.UnderWay.First();
        Assert.Equal(ErrorCode.None, cluster.Reassign(topic.Name, index, null));
        cluster.Settle();
        Assert.DoesNotContain(4, cluster.Image.FindTopic(topic.Name)!.Partitions[index].Replicas);
        Assert.InRange(cluster.Image.Held(4), 17, 18);
        Assert.Contains("somebody else called the move off", Assert.Single(cluster.Notes));
    }

    [Fact]
    public void What_somebody_else_moves_is_let_be_and_takes_its_place_among_those_on_their_way()
    {
        var cluster = BalancedCluster.Of(5);
        for (var index = 0; index < 7; index++)
        {
            Assert.Equal(ErrorCode.None, cluster.Reassign("topic-0", index, [5, 1, 2]));
        }

        var before = cluster.UnderWay.Select(one => one.Partition).ToList();
        Assert.Equal(3, cluster.Enable().Round());
        Assert.Equal(before, cluster.Image.FindTopic("topic-0")!.Partitions.Take(7));
        cluster.Settle(maxUnderWay: 10);
        Assert.All(cluster.Image.FindTopic("topic-0")!.Partitions.Take(7), partition => Assert.False(Reassignment.IsUnderWay(partition)));
        Assert.All(cluster.Image.Brokers.Keys, id => Assert.InRange(cluster.Image.Held(id), 14, 15));
    }

    [Fact]
    public void A_broker_that_dies_while_replicas_move_to_it_is_waited_for_and_then_not()
    {
        var cluster = BalancedCluster.Of(4).Enable();
        Assert.Equal(10, cluster.Round());
        cluster.CatchUp(max: 4);
        cluster.Kill(4);
        cluster.Settle();
        Assert.Equal(6, cluster.UnderWay.Count());
        cluster.Wait(TimeSpan.FromMinutes(5));
        cluster.Settle();
        Assert.Empty(cluster.UnderWay);
        Assert.Equal(4, cluster.Image.Held(4));
        cluster.Return(4);
        cluster.Settle();
        Assert.InRange(cluster.Image.Held(4), 17, 18);
    }

    [Fact]
    public void A_broker_that_is_soon_back_goes_on()
    {
        var cluster = BalancedCluster.Of(4).Enable();
        cluster.Round();
        cluster.Kill(4);
        cluster.Settle();
        cluster.Wait(TimeSpan.FromMinutes(4));
        cluster.Round();
        cluster.Return(4);
        cluster.Wait(TimeSpan.FromMinutes(4));
        cluster.Round();
        Assert.Equal(10, cluster.UnderWay.Count());
        cluster.Settle();
        Assert.Equal(["Evening out waits until the brokers 4 have been there for a while"], cluster.Notes);
    }

    [Fact]
    public void A_broker_whose_directories_are_cordoned_keeps_what_it_has_and_gets_nothing_until_they_are_not()
    {
        var cluster = BalancedCluster.Of(4).Enable();
        var directory = cluster.Image.Brokers[4].LogDirectories.Single();
        cluster.Apply(new BrokerRegistrationChangeRecord { BrokerId = 4, BrokerEpoch = 4, CordonedLogDirs = [directory] });
        cluster.Settle();
        Assert.Equal(0, cluster.Image.Held(4));
        cluster.Apply(new BrokerRegistrationChangeRecord { BrokerId = 4, BrokerEpoch = 4, CordonedLogDirs = [] });
        Assert.Equal(10, cluster.Round());
        cluster.CatchUp();
        cluster.Apply(new BrokerRegistrationChangeRecord { BrokerId = 4, BrokerEpoch = 4, CordonedLogDirs = [directory] });
        cluster.Settle();
        Assert.Equal(10, cluster.Image.Held(4));
    }

    [Fact]
    public void A_topic_may_be_deleted_in_the_middle()
    {
        var cluster = BalancedCluster.Of(4).Enable();
        cluster.Round();
        cluster.Apply(new RemoveTopicRecord { TopicId = Clusters.IdOf(0) });
        cluster.Settle(maxUnderWay: 10);
        Assert.InRange(cluster.Image.Held(4), 8, 9);
        Assert.Empty(cluster.Notes);
    }

    [Fact]
    public void The_next_controller_goes_on_and_takes_what_is_on_its_way_for_somebody_elses()
    {
        var cluster = BalancedCluster.Of(4).Enable();
        for (var controller = 0; controller < 20; controller++)
        {
            cluster.Round();
            Assert.InRange(cluster.UnderWay.Count(), 0, 10);
            cluster.CatchUp(max: 2);
            cluster.FailOver();
        }

        cluster.Settle(maxUnderWay: 10);
        Assert.InRange(cluster.Image.Held(4), 17, 18);
        Assert.Empty(cluster.Notes);
    }
}
