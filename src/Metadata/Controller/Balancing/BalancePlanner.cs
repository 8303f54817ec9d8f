using System.Collections.Immutable;
using Milena.Metadata.Image;

namespace Milena.Metadata.Controller.Balancing;

/// <summary>Which partitions have to move, and where to, so that brokers are empty and the others hold equally much. Pure, and the same for the same image.</summary>
/// <remarks>
/// In this order: a broker that is to be emptied keeps nothing; no partition lies on fewer racks than before, unless that broker was the last of a rack;
/// replicas are even among the brokers that can take some, up to <see cref="Tolerance"/>; so are preferred leaders. No partition moves twice, and none that is on
/// its way already, or has no leader. On the outcome of a plan there is nothing to plan. It knows of numbers alone, not of bytes.
/// </remarks>
public static class BalancePlanner
{
    /// <summary>Of the mean: brokers that differ by no more are even. To move data for less is not worth it.</summary>
    private const double TolerancePart = 0.05;

    public static ImmutableArray<PartitionMove> Plan(MetadataImage image, BalanceGoal goal)
    {
        var map = new ReplicaMap(image, goal);
        foreach (var place in map.Partitions.Where(place => Array.Exists(place.Replicas, broker => map.IsLeaving[broker])))
        {
            Empty(map, place);
        }

        if (goal.Even && map.Takers.Length > 1)
        {
            var tolerance = Tolerance(map.Takers.Sum(broker => map.Held[broker]), map.Takers.Length);
            while (EvenReplicas(map, tolerance))
            {
                // Once more: what moved last may have made room for what could not move before.
            }

            var leaders = Tolerance(map.Takers.Sum(broker => map.Preferred[broker]), map.Takers.Length);
            while (EvenLeaders(map, leaders))
            {
            }
        }

        return map.Moves();
    }

    /// <summary>By how many the fullest of so many brokers may exceed the emptiest.</summary>
    public static int Tolerance(int total, int brokers) => Math.Max(1, (int)(total * TolerancePart / brokers));

    /// <summary>All replicas of the partition that have to go, or none if there are not brokers enough: one more could not be emptied by half of it.</summary>
    private static void Empty(ReplicaMap map, ReplicaMap.Place place)
    {
        var staying = place.Replicas.Where(broker => !map.IsLeaving[broker]).ToList();
        var going = place.Replicas.Length - staying.Count;
        if (map.Takers.Count(broker => !place.Has(broker)) < going)
        {
            return;
        }

        var lostLeader = map.IsLeaving[place.Replicas[0]];
        var spread = map.Spread(place.Replicas);
        for (var at = 0; at < place.Replicas.Length; at++)
        {
            if (map.IsLeaving[place.Replicas[at]])
            {
                var taker = Taker(map, staying, spread);
                staying.Add(taker);
                map.Replace(place, at, taker);
            }
        }

        if (lostLeader)
        {
            // One that has the records already, if there is one: the first of those that stayed are the first in the list.
            var kept = staying.Count - going;
            var next = staying.Take(kept > 0 ? kept : going).MinBy(broker => map.Preferred[broker] - (broker == place.Replicas[0] ? 1 : 0));
            map.Prefer(place, Array.IndexOf(place.Replicas, next));
        }
    }

    /// <summary>The emptiest broker that may be added, on a further rack while there have to be more.</summary>
    private static int Taker(ReplicaMap map, List<int> chosen, int spread)
    {
        var replicas = System.Runtime.InteropServices.CollectionsMarshal.AsSpan(chosen);
        var needsRack = map.Spread(replicas) < spread;
        var (best, bestIsNewRack) = (-1, false);
        foreach (var broker in map.Takers)
        {
            if (replicas.Contains(broker))
            {
                continue;
            }

            var isNewRack = needsRack && !map.IsOnRackOf(replicas, broker);
            if (best < 0 || (isNewRack && !bestIsNewRack) || (isNewRack == bestIsNewRack && map.Held[broker] < map.Held[best]))
            {
                (best, bestIsNewRack) = (broker, isNewRack);
            }
        }

        return best;
    }

    /// <summary>From the fullest to the emptiest broker, again and again, as long as a pair differs by more than it may and something can go that way.</summary>
    private static bool EvenReplicas(ReplicaMap map, int tolerance)
    {
        var lists = ListsOfTakers(map);
        // How far the list of a giver has been looked through for a taker.
        var looked = new Dictionary<(int Giver, int Taker), int>();
        var open = map.Takers.ToList();
        var moved = false;
        while (open.Count > 0)
        {
            var taker = open.MinBy(broker => map.Held[broker]);
            var giver = Giver(map, taker, tolerance, looked, lists);
            if (giver < 0)
            {
                open.Remove(taker);
            }
            else
            {
                moved |= TryGive(map, giver, taker, lists[giver], looked);
            }
        }

        return moved;
    }

    private static int Giver(ReplicaMap map, int taker, int tolerance, Dictionary<(int, int), int> looked, List<ReplicaMap.Place>[] lists)
    {
        var best = -1;
        foreach (var broker in map.Takers)
        {
            if (map.Held[broker] - map.Held[taker] > tolerance
                && (best < 0 || map.Held[broker] > map.Held[best])
                && looked.GetValueOrDefault((broker, taker)) < lists[broker].Count)
            {
                best = broker;
            }
        }

        return best;
    }

    private static bool TryGive(ReplicaMap map, int giver, int taker, List<ReplicaMap.Place> list, Dictionary<(int, int), int> looked)
    {
        for (var next = looked.GetValueOrDefault((giver, taker)); next < list.Count; next++)
        {
            var place = list[next];
            var at = Array.IndexOf(place.Replicas, giver);
            if (at >= 0 && !place.Has(taker) && KeepsSpread(map, place.Replicas, at, taker))
            {
                map.Replace(place, at, taker);
                looked[(giver, taker)] = next + 1;
                return true;
            }
        }

        looked[(giver, taker)] = list.Count;
        return false;
    }

    private static bool KeepsSpread(ReplicaMap map, ReadOnlySpan<int> replicas, int at, int taker)
    {
        Span<int> after = stackalloc int[replicas.Length];
        replicas.CopyTo(after);
        after[at] = taker;
        return map.Spread(after) >= map.Spread(replicas);
    }

    private static List<ReplicaMap.Place>[] ListsOfTakers(ReplicaMap map)
    {
        var lists = new List<ReplicaMap.Place>[map.Brokers];
        foreach (var broker in map.Takers)
        {
            lists[broker] = [];
        }

        foreach (var place in map.Partitions)
        {
            foreach (var broker in place.Replicas)
            {
                lists[broker]?.Add(place);
            }
        }

        return lists;
    }

    /// <summary>Each partition whose preferred leader has too many goes to the replica that has the fewest.</summary>
    private static bool EvenLeaders(ReplicaMap map, int tolerance)
    {
        var moved = false;
        foreach (var place in map.Partitions)
        {
            var leader = place.Replicas[0];
            if (!map.IsTaker[leader])
            {
                continue;
            }

            var next = place.Replicas.Where(broker => map.IsTaker[broker]).MinBy(broker => map.Preferred[broker]);
            if (map.Preferred[leader] - map.Preferred[next] > tolerance)
            {
                map.Prefer(place, Array.IndexOf(place.Replicas, next));
                moved = true;
            }
        }

        return moved;
    }
}
