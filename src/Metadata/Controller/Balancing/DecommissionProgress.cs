using System.Collections.Immutable;
using Milena.Metadata.Image;

namespace Milena.Metadata.Controller.Balancing;

/// <summary>How far a broker that is to be emptied has come, as an image says.</summary>
/// <param name="Replicas">Those that it holds still.</param>
/// <param name="Moving">Of those, the ones whose partition is on its way, whoever asked for that.</param>
/// <param name="Homeless">Of those, the ones for which there are not brokers enough.</param>
/// <param name="Leaderless">Of those, the ones that nobody leads, so that there is nobody to copy from.</param>
/// <param name="Takers">How many brokers can take replicas.</param>
public sealed record DecommissionProgress(int BrokerId, int Replicas, int Moving, int Homeless, int Leaderless, int Takers)
{
    public bool IsEmpty => Replicas == 0;

    /// <summary>Whether nothing is left that could go as things are.</summary>
    public bool IsStuck => !IsEmpty && Homeless + Leaderless == Replicas;

    /// <summary>Why replicas stay for the time being, a sentence each.</summary>
    public ImmutableArray<string> Reasons =>
    [
        .. Homeless > 0 ? [$"{Homeless} partitions have a replica on each of the {Takers} brokers that can take one: add a broker, or lower their replication factor"] : Array.Empty<string>(),
        .. Leaderless > 0 ? [$"{Leaderless} partitions have no leader to copy from"] : Array.Empty<string>(),
    ];

    /// <summary>Of each broker that is to be emptied, in the order of their ids.</summary>
    public static ImmutableArray<DecommissionProgress> Of(MetadataImage image)
    {
        var leaving = BalancerSettings.Leaving(image);
        if (leaving.IsEmpty)
        {
            return [];
        }

        var takers = image.Brokers.Values.Where(broker => PartitionAssignment.TakesReplicas(image, broker)).Select(broker => broker.Id).ToHashSet();
        var found = leaving.ToDictionary(id => id, id => new DecommissionProgress(id, 0, 0, 0, 0, takers.Count));
        foreach (var topic in image.TopicsById.Values)
        {
            foreach (var partition in topic.Partitions)
            {
                foreach (var id in partition.Replicas)
                {
                    if (found.TryGetValue(id, out var one))
                    {
                        found[id] = one.And(partition, leaving, takers);
                    }
                }
            }
        }

        return [.. leaving.Select(id => found[id])];
    }

    private DecommissionProgress And(PartitionRegistration partition, ImmutableSortedSet<int> leaving, HashSet<int> takers)
    {
        var counted = this with { Replicas = Replicas + 1 };
        return Reassignment.IsUnderWay(partition) ? counted with { Moving = Moving + 1 }
            : partition.Leader == PartitionRegistration.NoLeader ? counted with { Leaderless = Leaderless + 1 }
            : partition.Replicas.Count(leaving.Contains) > takers.Count - partition.Replicas.Count(takers.Contains) ? counted with { Homeless = Homeless + 1 }
            : counted;
    }
}
