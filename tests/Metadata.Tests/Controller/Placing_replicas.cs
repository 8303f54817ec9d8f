using Milena.Metadata.Controller;
using Milena.Metadata.Image;

namespace Milena.Metadata.Tests.Controller;

public sealed class Placing_replicas
{
    [Fact]
    public void Every_placement_is_balanced_distinct_and_spread_over_racks()
    {
        for (var seed = 0; seed < 500; seed++)
        {
            var random = new Random(seed);
            var racks = random.Next(1, 5);
            var perRack = random.Next(1, 4);
            var brokers = Images.WithBrokers([.. Enumerable.Range(0, racks * perRack).Select(id => (id, (string?)$"rack{id % racks}"))]).Brokers;
            var factor = random.Next(1, brokers.Count + 1);
            var rounds = random.Next(1, 5);
            var placed = ReplicaPlacer.Place([.. brokers.Values], rounds * brokers.Count, factor, random.Next(100));
            Assert.Equal(rounds * brokers.Count, placed.Length);
            Assert.All(placed, replicas => Assert.Equal((factor, factor), (replicas.Length, replicas.Distinct().Count())));
            // As many partitions as brokers, or a multiple of it: every broker leads and holds the same number.
            var what = $"seed {seed}: {racks} racks of {perRack}, factor {factor}, {rounds} rounds";
            Assert.True(brokers.Keys.All(id => placed.Count(replicas => replicas[0] == id) == rounds), $"Leaders of {what}.");
            Assert.True(
                placed.All(replicas => replicas.Select(id => brokers[id].Rack).Distinct().Count() == Math.Min(racks, factor)), $"Racks of {what}.");
            var held = brokers.Keys.Select(id => placed.Count(replicas => replicas.Contains(id))).ToList();
            // Racks that are served first cost some evenness; the bound is what was observed over all these seeds.
            Assert.True(held.Max() - held.Min() <= 2 * rounds, $"Replicas of {what}: {string.Join(' ', held)}");
        }
    }

    [Fact]
    public void Neighbours_in_the_circle_are_on_different_racks_and_leaders_take_turns()
    {
        var brokers = Images.WithBrokers((1, "a"), (2, "a"), (3, "b"), (4, "b")).Brokers.Values;
        var placed = ReplicaPlacer.Place([.. brokers], 4, 2, start: 0);
        Assert.Equal([1, 3, 2, 4], placed.Select(replicas => replicas[0]));
    }

    [Fact]
    public void The_followers_of_one_leader_differ_so_that_its_loss_spreads()
    {
        var brokers = Images.WithBrokers((1, null), (2, null), (3, null), (4, null)).Brokers.Values;
        var placed = ReplicaPlacer.Place([.. brokers], 12, 2, start: 0);
        Assert.Equal([2, 3, 4], placed.Where(replicas => replicas[0] == 1).Select(replicas => replicas[1]).Order());
    }

    [Fact]
    public void More_replicas_than_brokers_is_a_callers_bug()
    {
        var brokers = Images.WithBrokers((1, null)).Brokers.Values;
        Assert.Throws<ArgumentOutOfRangeException>(() => ReplicaPlacer.Place([.. brokers], 1, 2, 0));
    }
}
