using Milena.Metadata.Settings;
using Milena.Protocol;

namespace Milena.Metadata.Tests.Controller.Balancing;

/// <summary>Three brokers that lead eight of twenty-four partitions each, until one of them goes and comes again.</summary>
public sealed class Returning_leaders
{
    private const int Preferred = 8;

    private readonly BalancedCluster _cluster;

    public Returning_leaders() => _cluster = Of(partitions: 12);

    [Fact]
    public void A_broker_that_is_in_sync_everywhere_gets_its_leaders_back_at_once()
    {
        Leave(1);
        _cluster.Return(1);
        Assert.Equal(0, _cluster.ReturnLeaders());
        _cluster.Synchronize();
        Assert.Equal(Preferred, _cluster.ReturnLeaders());
        Assert.Equal(Preferred, Led(1));
        Assert.Equal(0, _cluster.ReturnLeaders());
    }

    [Fact]
    public void A_broker_that_is_not_in_sync_everywhere_gets_none_of_them_before_it_is()
    {
        Leave(1);
        _cluster.Return(1);
        _cluster.Synchronize(index => index != 3);
        for (var second = 0; second < 20; second++)
        {
            Assert.Equal(0, _cluster.ReturnLeaders());
        }

        _cluster.Synchronize();
        Assert.Equal(Preferred, _cluster.ReturnLeaders());
    }

    [Fact]
    public void A_broker_that_is_not_in_sync_for_long_is_left_to_the_next_round()
    {
        Leave(1);
        _cluster.Return(1);
        _cluster.ReturnLeaders();
        _cluster.Wait(TimeSpan.FromSeconds(StaticSettings.Defaults.GetLong("leader.imbalance.check.interval.seconds")));
        Assert.Equal(0, _cluster.ReturnLeaders());
        _cluster.Synchronize();
        Assert.Equal(0, _cluster.ReturnLeaders());
    }

    [Fact]
    public void A_broker_that_does_not_stay_waits_twice_as_long_each_time()
    {
        Assert.Equal([1, 2, 4, 8, 16], Enumerable.Range(0, 5).Select(_ => SecondsUntilItLeads()));
        _cluster.Wait(TimeSpan.FromMinutes(1));
        Assert.Equal([1, 2], Enumerable.Range(0, 2).Select(_ => SecondsUntilItLeads()));
    }

    [Fact]
    public void However_often_it_goes_it_waits_no_longer_than_until_the_next_round()
    {
        for (var time = 0; time < 20; time++)
        {
            _cluster.Wait(TimeSpan.FromSeconds(10));
            Leave(1);
            Come(1);
            Assert.Equal(0, _cluster.ReturnLeaders());
        }

        _cluster.Wait(TimeSpan.FromSeconds(StaticSettings.Defaults.GetLong("leader.imbalance.check.interval.seconds") - 2));
        Assert.Equal(0, _cluster.ReturnLeaders());
        Assert.Equal(Preferred, _cluster.ReturnLeaders());
    }

    [Fact]
    public void A_controller_that_has_just_come_gives_back_what_it_finds()
    {
        Leave(1);
        Come(1);
        _cluster.FailOver();
        Assert.Equal(0, _cluster.ReturnLeaders());
        Assert.Equal(Preferred, _cluster.ReturnLeaders());
    }

    [Fact]
    public void Nothing_is_given_back_where_leaders_are_not_balanced()
    {
        var settings = new StaticSettings(new Dictionary<string, string> { ["auto.leader.rebalance.enable"] = "false" });
        Leave(1);
        Come(1);
        Assert.Equal(0, _cluster.ReturnLeaders(settings) + _cluster.ReturnLeaders(settings) + _cluster.ReturnLeaders(settings));
    }

    [Fact]
    public void A_negative_wait_leaves_it_to_the_next_round()
    {
        _cluster.Apply(Clusters.Setting(OwnBrokerSettings.LeaderReturnMs, "-1"));
        Leave(1);
        Come(1);
        Assert.Equal(0, _cluster.ReturnLeaders() + _cluster.ReturnLeaders() + _cluster.ReturnLeaders());
    }

    [Fact]
    public void A_broker_that_registered_anew_between_two_looks_has_come_again()
    {
        _cluster.Kill(1);
        _cluster.Apply(Images.Broker(1, epoch: 100));
        Come(1);
        Assert.Equal(0, _cluster.ReturnLeaders());
        Assert.Equal(Preferred, _cluster.ReturnLeaders());
    }

    [Fact]
    public void More_leaders_than_may_change_at_once_come_back_one_round_after_the_other()
    {
        var large = Of(partitions: 900);
        large.Kill(1);
        Assert.Equal(0, large.ReturnLeaders());
        large.Return(1);
        large.Synchronize();
        Assert.Equal([0, 500, 100, 0], Enumerable.Range(0, 4).Select(_ => large.ReturnLeaders()));
    }

    private static BalancedCluster Of(int partitions)
    {
        var cluster = BalancedCluster.Of(3, partitions: partitions);
        Assert.Equal(0, cluster.ReturnLeaders());
        return cluster;
    }

    private void Leave(int broker)
    {
        _cluster.Kill(broker);
        Assert.Equal(0, _cluster.ReturnLeaders());
        Assert.Equal(0, Led(broker));
    }

    private void Come(int broker)
    {
        _cluster.Return(broker);
        _cluster.Synchronize();
    }

    /// <summary>It goes and comes again, and goes as soon as it leads.</summary>
    private int SecondsUntilItLeads()
    {
        Leave(1);
        Come(1);
        // The round in which the controller sees it come.
        Assert.Equal(0, _cluster.ReturnLeaders());
        var seconds = 1;
        for (; _cluster.ReturnLeaders() == 0; seconds++)
        {
            Assert.True(seconds < 100, "It never leads again.");
        }

        return seconds;
    }

    private int Led(int broker) => _cluster.Image.All().Count(one => one.Partition.Leader == broker);
}
