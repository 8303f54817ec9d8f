using System.Collections.Immutable;
using Milena.Metadata.Image;

namespace Milena.Metadata.Controller;

/// <summary>Chooses the brokers of new partitions: leaders in turn, followers spread over racks and brokers.</summary>
public static class ReplicaPlacer
{
    /// <summary>
    /// One list of broker ids per partition, the preferred leader first. Each next partition starts one broker further, each replica
    /// of a partition on another broker, and on another rack while there is one that has none of its replicas.
    /// </summary>
    /// <param name="start">Where in the circle of brokers the first partition begins, so that topics do not all begin with the same one.</param>
    public static ImmutableArray<ImmutableArray<int>> Place(IReadOnlyList<BrokerRegistration> brokers, int partitions, int replicationFactor, int start)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(replicationFactor, brokers.Count);
        var circle = AlternateRacks(brokers);
        var placed = ImmutableArray.CreateBuilder<ImmutableArray<int>>(partitions);
        for (var partition = 0; partition < partitions; partition++)
        {
            var leader = (start + partition) % circle.Count;
            // Followers are shifted further each time round the circle, so that the load of a lost broker spreads over all others.
            var shift = (start + partition) / circle.Count;
            placed.Add(Replicas(circle, leader, shift, replicationFactor));
        }

        return placed.ToImmutable();
    }

    private static ImmutableArray<int> Replicas(List<BrokerRegistration> circle, int leader, int shift, int replicationFactor)
    {
        var others = Enumerable.Range(0, circle.Count - 1)
            .Select(step => circle[(leader + 1 + ((step + shift) % (circle.Count - 1))) % circle.Count])
            .ToList();
        var chosen = new List<BrokerRegistration>(replicationFactor) { circle[leader] };
        while (chosen.Count < replicationFactor)
        {
            var next = others.FirstOrDefault(broker => chosen.All(one => one.Rack != broker.Rack)) ?? others[0];
            chosen.Add(next);
            others.Remove(next);
        }

        return [.. chosen.Select(broker => broker.Id)];
    }

    private static List<BrokerRegistration> AlternateRacks(IReadOnlyList<BrokerRegistration> brokers)
    {
        var racks = brokers.GroupBy(broker => broker.Rack).OrderBy(rack => rack.Key, StringComparer.Ordinal).Select(rack => rack.ToList()).ToList();
        return Enumerable.Range(0, racks.Max(rack => rack.Count))
            .SelectMany(turn => racks.Where(rack => turn < rack.Count).Select(rack => rack[turn]))
            .ToList();
    }
}
