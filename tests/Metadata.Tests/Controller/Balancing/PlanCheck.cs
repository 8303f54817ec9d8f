using System.Collections.Immutable;
using Milena.Metadata.Controller;
using Milena.Metadata.Controller.Balancing;
using Milena.Metadata.Image;

namespace Milena.Metadata.Tests.Controller.Balancing;

/// <summary>What is true of every plan, whatever the cluster.</summary>
internal sealed class PlanCheck(MetadataImage image, BalanceGoal goal, ImmutableArray<PartitionMove> plan)
{
    private readonly MetadataImage _after = plan.Aggregate(image, Clusters.After);

    private readonly HashSet<int> _takers = [.. image.Brokers.Values
        .Where(broker => !broker.Fenced && !broker.InControlledShutdown && !goal.Leaving.Contains(broker.Id) && !goal.Resting.Contains(broker.Id))
        .Select(broker => broker.Id)];

    private readonly HashSet<int> _leaving = [.. goal.Leaving, .. goal.Even ? image.All().SelectMany(one => one.Partition.Replicas).Where(id => !image.Brokers.ContainsKey(id)) : []];

    public void All()
    {
        OneMoveAPartition();
        TheSameAgain();
        NothingIsLeftToPlan();
        Assert.All(plan, EachMoveIsProper);
        Assert.All(image.All(), one => WhatHasToGoIsGone(one.Topic, one.Index, one.Partition));
        NoPairIsUnevenThatCouldBeEven();
        NotMoreMovesThanNeeded();
    }

    private void OneMoveAPartition() => Assert.Equal(plan.Length, plan.Select(move => (move.TopicId, move.Partition)).Distinct().Count());

    private void TheSameAgain() => Assert.Equal(plan.Select(Text), BalancePlanner.Plan(image, goal).Select(Text));

    private void NothingIsLeftToPlan() => Assert.Equal([], BalancePlanner.Plan(_after, goal).Select(Text));

    private void EachMoveIsProper(PartitionMove move)
    {
        var was = image.FindTopic(move.TopicId)!.Partitions[move.Partition];
        Assert.False(Reassignment.IsUnderWay(was), "It was on its way.");
        Assert.False(was.Leader == PartitionRegistration.NoLeader || goal.IsHeld(move.TopicId, move.Partition), "It was to stay.");
        Assert.Equal(was.Replicas, move.From);
        Assert.Equal((move.From.Length, move.From.Length), (move.To.Length, move.To.Distinct().Count()));
        Assert.NotEqual(move.From, move.To);
        Assert.All(move.To.Except(move.From), id => Assert.Contains(id, _takers));
        Assert.All(move.From.Except(move.To), id => Assert.True(_leaving.Contains(id) || (goal.Even && _takers.Contains(id)), $"{id} had no reason to lose a replica."));
        var racks = move.From.Except(move.To).Any(_leaving.Contains) ? MostRacks(move) : int.MaxValue;
        Assert.True(Spread(move.To) >= Math.Min(Spread(move.From), racks), $"{Text(move)} lies on fewer racks.");
        Assert.True(goal.Even || move.Copies, "Nobody asked for another order.");
    }

    private void WhatHasToGoIsGone(TopicImage topic, int index, PartitionRegistration was)
    {
        var going = was.Replicas.Count(_leaving.Contains);
        var mayMove = !Reassignment.IsUnderWay(was) && was.Leader != PartitionRegistration.NoLeader && !goal.IsHeld(topic.Id, index);
        var isPossible = _takers.Count(id => !was.Replicas.Contains(id)) >= going;
        var now = _after.FindTopic(topic.Id)!.Partitions[index].Replicas.Count(_leaving.Contains);
        Assert.Equal(mayMove && isPossible ? 0 : going, now);
    }

    private void NoPairIsUnevenThatCouldBeEven()
    {
        if (!goal.Even || _takers.Count < 2)
        {
            return;
        }

        var held = _takers.ToDictionary(id => id, id => _after.All().Count(one => Target(one.Partition).Contains(id)));
        var preferred = _takers.ToDictionary(id => id, id => _after.All().Count(one => Target(one.Partition)[0] == id));
        var (replicas, leaders) = (BalancePlanner.Tolerance(held.Values.Sum(), _takers.Count), BalancePlanner.Tolerance(preferred.Values.Sum(), _takers.Count));
        foreach (var (topic, index, partition) in _after.All().Where(one => MayMove(one.Topic, one.Index, one.Partition)))
        {
            foreach (var giver in partition.Replicas.Where(_takers.Contains))
            {
                Assert.DoesNotContain(_takers.Except(partition.Replicas), taker => held[giver] - held[taker] > replicas
                    && Spread(partition.Replicas.Replace(giver, taker)) >= Spread(partition.Replicas));
                Assert.True(giver != partition.Replicas[0] || partition.Replicas.Where(_takers.Contains).All(other => preferred[giver] - preferred[other] <= leaders), $"{topic.Name}-{index}: {giver} leads too much.");
            }
        }

        // Where racks and partitions that stay do not stand in the way, all of them are even.
        if (_leaving.Count == 0
            && image.Brokers.Values.Select(broker => broker.Rack).Distinct().Count() == 1
            && image.All().All(one => MayMove(one.Topic, one.Index, one.Partition) && one.Partition.Replicas.Length == 1))
        {
            Assert.True(held.Values.Max() - held.Values.Min() <= replicas, string.Join(' ', held));
        }
    }

    /// <summary>Each replica that has to go, and each that a broker has above the mean, costs a move; beside them no more than racks may cost.</summary>
    private void NotMoreMovesThanNeeded()
    {
        var going = image.All().Count(one => one.Partition.Replicas.Any(_leaving.Contains));
        var held = _takers.ToDictionary(id => id, id => image.All().Count(one => Target(one.Partition).Contains(id)));
        var mean = _takers.Count == 0 ? 0 : (double)held.Values.Sum() / _takers.Count;
        var above = goal.Even ? held.Values.Sum(count => Math.Max(0, count - mean)) : 0;
        var copies = plan.Count(move => move.Copies);
        Assert.True(copies <= going + (2 * above) + _takers.Count, $"{copies} moves for {going} that have to go and {above} too many.");
        Assert.True(goal.Even || copies <= going, $"{copies} moves for {going}.");
    }

    private bool MayMove(TopicImage topic, int index, PartitionRegistration partition) =>
        !Reassignment.IsUnderWay(partition) && partition.Leader != PartitionRegistration.NoLeader && !goal.IsHeld(topic.Id, index);

    private static ImmutableArray<int> Target(PartitionRegistration partition) => [.. partition.Replicas.Except(partition.RemovingReplicas)];

    private int Spread(IEnumerable<int> replicas) => replicas.Where(image.Brokers.ContainsKey).Select(id => image.Brokers[id].Rack).Distinct().Count();

    /// <summary>The most racks that a partition can lie on when what has to go is gone.</summary>
    private int MostRacks(PartitionMove move)
    {
        var staying = move.From.Where(id => !_leaving.Contains(id)).ToList();
        var racks = staying.Where(image.Brokers.ContainsKey).Select(id => image.Brokers[id].Rack);
        var further = _takers.Select(id => image.Brokers[id].Rack).Except(racks).Count();
        return Spread(staying) + Math.Min(further, move.From.Length - staying.Count);
    }

    private static string Text(PartitionMove move) => $"{move.Topic}-{move.Partition}: {string.Join(',', move.From)} to {string.Join(',', move.To)}";
}
