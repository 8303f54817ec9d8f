using System.Collections.Immutable;
using Milena.Metadata.Controller;
using Milena.Metadata.Controller.Balancing;
using Milena.Metadata.Image;
using Milena.Model;

namespace Milena.Metadata.Tests.Controller.Balancing;

public sealed class Planning
{
    private const int Seeds = 3000;

    [Fact]
    public void A_broker_that_came_takes_its_share_of_each_topic_and_of_leading_and_no_others_exchange_anything()
    {
        var image = Brokers(1, 2, 3, 4).WithTopics(6, 20, 1, 2, 3);
        var plan = BalancePlanner.Plan(image, Even());
        // 360 replicas, 90 for each, and four or fewer of a difference are no difference.
        Assert.InRange(plan.Count(move => move.Copies), 86, 90);
        Assert.All(plan.Where(move => move.Copies), move => Assert.Equal([4], move.To.Except(move.From)));
        var after = plan.Aggregate(image, Clusters.After);
        Assert.All(after.Brokers.Keys, id => Assert.InRange(after.Held(id), 86, 94));
        Assert.All(after.Brokers.Keys, id => Assert.InRange(after.Preferred(id), 28, 32));
        Assert.All(after.TopicsById.Values, topic => Assert.InRange(topic.Partitions.Count(partition => partition.Replicas.Contains(4)), 12, 17));
    }

    [Fact]
    public void A_large_topic_does_not_fill_a_new_broker_alone_and_small_ones_are_not_forgotten()
    {
        var image = Brokers(1, 2, 3, 4).WithTopics(60, 1, 1, 2, 3).Apply(Images.Topic("large", Images.Orders)).Apply(
            [.. Enumerable.Range(0, 60).Select(index => Images.Partition(Images.Orders, index, 1 + (index % 3), 1 + ((index + 1) % 3), 1 + ((index + 2) % 3)))]);
        var after = BalancePlanner.Plan(image, Even()).Aggregate(image, Clusters.After);
        var ofLarge = after.FindTopic("large")!.Partitions.Count(partition => partition.Replicas.Contains(4));
        // 86 to 90 of 120 partitions get a replica there.
        Assert.InRange(ofLarge, 36, 54);
    }

    [Fact]
    public void A_broker_is_emptied_to_the_racks_that_have_none_yet_and_onto_the_emptiest()
    {
        var image = Images.WithBrokers((1, "a"), (2, "b"), (3, "b"), (4, "a")).Apply(
            Images.Topic("orders", Images.Orders), Images.Partition(Images.Orders, 0, 2, 1), Images.Partition(Images.Orders, 1, 1, 3), Images.Partition(Images.Orders, 2, 2, 3));
        var plan = BalancePlanner.Plan(image, Emptying(1));
        Assert.Equal(["orders-0 2,4", "orders-1 3,4"], plan.Select(Describe).Order());
        // The last one of its rack: then there is nothing to keep.
        image = plan.Aggregate(image, Clusters.After).Apply(new Protocol.UnregisterBrokerRecord { BrokerId = 1 });
        plan = BalancePlanner.Plan(image, Emptying(4));
        Assert.Equal(["orders-0 2,3", "orders-1 3,2"], plan.Select(Describe).Order());
    }

    [Fact]
    public void The_next_leader_is_one_that_has_the_records_and_leads_least()
    {
        var image = Brokers(1, 2, 3, 4).Apply(
            Images.Topic("orders", Images.Orders), Images.Partition(Images.Orders, 0, 1, 2, 3), Images.Partition(Images.Orders, 1, 2, 3), Images.Partition(Images.Orders, 2, 2, 3));
        Assert.Equal(["orders-0 3,4,2"], BalancePlanner.Plan(image, Emptying(1)).Select(Describe));
    }

    [Fact]
    public void Without_brokers_enough_nothing_moves()
    {
        var image = Brokers(1, 2, 3).WithTopics(1, 5, 1, 2, 3);
        Assert.Empty(BalancePlanner.Plan(image, Emptying(3)));
        Assert.Empty(BalancePlanner.Plan(image.Apply(Images.Broker(4)), Emptying(3, 4)));
        Assert.Equal(5, BalancePlanner.Plan(image.Apply(Images.Broker(4)), Emptying(3)).Length);
        Assert.Empty(BalancePlanner.Plan(image.Apply(Images.Broker(4), Clusters.Away(4)), Emptying(3)));
        Assert.Empty(BalancePlanner.Plan(image.Apply(Images.Broker(4)), Emptying(3) with { Resting = [4] }));
    }

    [Fact]
    public void Two_replicas_of_a_partition_that_both_have_to_go_are_one_move()
    {
        var image = Brokers(1, 2, 3, 4).WithTopics(1, 4, 1, 2);
        var plan = BalancePlanner.Plan(image, Emptying(1, 2));
        Assert.Equal(4, plan.Length);
        Assert.All(plan, move => Assert.Equal([3, 4], move.To.Order()));
        var after = plan.Aggregate(image, Clusters.After);
        Assert.Equal((2, 2), (after.Preferred(3), after.Preferred(4)));
    }

    [Fact]
    public void Leaders_alone_are_evened_out_without_copying()
    {
        var image = Brokers(1, 2).Apply(Images.Topic("orders", Images.Orders)).Apply([.. Enumerable.Range(0, 6).Select(index => Images.Partition(Images.Orders, index, 1, 2))]);
        var plan = BalancePlanner.Plan(image, Even());
        Assert.Equal(3, plan.Length);
        Assert.All(plan, move => Assert.False(move.Copies));
        Assert.Equal(3, plan.Aggregate(image, Clusters.After).Preferred(2));
    }

    [Fact]
    public void Every_plan_reaches_what_it_is_for_and_touches_nothing_else()
    {
        for (var seed = 0; seed < Seeds; seed++)
        {
            var random = new Random(seed);
            var image = Clusters.Random(random);
            var leaving = image.Brokers.Keys.Where(_ => random.Next(5) == 0).ToImmutableSortedSet();
            var resting = image.Brokers.Keys.Where(_ => random.Next(10) == 0).ToImmutableSortedSet();
            var held = image.All().Where(_ => random.Next(15) == 0).Select(one => (one.Topic.Id, one.Index)).ToHashSet();
            var goal = new BalanceGoal(leaving, random.Next(3) > 0) { Resting = resting, IsHeld = (topic, index) => held.Contains((topic, index)) };
            var plan = BalancePlanner.Plan(image, goal);
            try
            {
                new PlanCheck(image, goal, plan).All();
            }
            catch (Exception e)
            {
                throw new InvalidOperationException($"Seed {seed}: {e.Message}", e);
            }
        }
    }

    private static MetadataImage Brokers(params int[] ids) => Images.WithBrokers([.. ids.Select(id => (id, (string?)null))]);

    private static BalanceGoal Even() => new([], Even: true);

    private static BalanceGoal Emptying(params int[] ids) => new([.. ids], Even: false);

    private static string Describe(PartitionMove move) => $"{move.Topic}-{move.Partition} {string.Join(',', move.To)}";
}
