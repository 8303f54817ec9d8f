using System.Collections.Immutable;
using Milena.Metadata.Image;

namespace Milena.Metadata.Controller;

/// <summary>How a partition moves from some replicas to others (KIP-455): it has both until the new ones are in sync, then the old ones go.</summary>
public static class Reassignment
{
    public static bool IsUnderWay(PartitionRegistration partition) => partition.AddingReplicas.Length + partition.RemovingReplicas.Length > 0;

    /// <summary>The partition on its way to <paramref name="target"/>, from wherever it was or was going to.</summary>
    /// <param name="target">At least one broker, none twice; the first is the preferred leader.</param>
    public static PartitionRegistration Begin(PartitionRegistration partition, ImmutableArray<int> target)
    {
        ImmutableArray<int> settled = [.. partition.Replicas.Except(partition.AddingReplicas)];
        ImmutableArray<int> removing = [.. partition.Replicas.Except(target).Order()];
        return partition with
        {
            // Those that go come last, so that whoever looks for a leader finds one that stays.
            Replicas = [.. target, .. removing],
            AddingReplicas = [.. target.Except(settled)],
            RemovingReplicas = removing,
        };
    }

    /// <summary>The partition as it was before the reassignment that is under way.</summary>
    /// <returns>Null where none of its old replicas is in sync any more: going back would lose records.</returns>
    public static PartitionRegistration? Cancel(PartitionRegistration partition)
    {
        ImmutableArray<int> isr = [.. partition.Isr.Except(partition.AddingReplicas)];
        return isr.IsEmpty
            ? null
            : partition with { Replicas = [.. partition.Replicas.Except(partition.AddingReplicas)], Isr = isr, AddingReplicas = [], RemovingReplicas = [] };
    }

    /// <summary>The partition without what it is to lose, once all that it is to gain is in sync.</summary>
    internal static PartitionRegistration EndIfDone(PartitionRegistration partition)
    {
        ImmutableArray<int> isr = [.. partition.Isr.Except(partition.RemovingReplicas)];
        return IsUnderWay(partition) && !isr.IsEmpty && partition.AddingReplicas.All(isr.Contains)
            ? partition with { Replicas = [.. partition.Replicas.Except(partition.RemovingReplicas)], Isr = isr, AddingReplicas = [], RemovingReplicas = [] }
            : partition;
    }
}
