using System.Collections.Immutable;
using Milena.Metadata.Image;

namespace Milena.Metadata.Controller;

/// <summary>Which replicas outside the ISR hold everything that was committed, and so may lead without loss (KIP-966).</summary>
/// <param name="minInSyncReplicas">What a topic, by name, asks for; null where eligible leader replicas are not kept.</param>
/// <remarks>
/// Below <c>min.insync.replicas</c> nothing new is committed. Who leaves the ISR when it falls below, or is below already, therefore goes on
/// holding everything, until as many are in sync as are asked for, or until it may have lost records. An ISR may be empty then.
/// </remarks>
internal sealed class EligibleLeaders(Func<string, int>? minInSyncReplicas)
{
    public bool AreKept => minInSyncReplicas is not null;

    /// <summary>Those of a partition among which everything is: in sync, else eligible, else the last who led, who may lack some.</summary>
    public static ImmutableArray<int> Holders(PartitionRegistration partition)
    {
        ImmutableArray<int> all = [.. partition.Isr.Union(partition.EligibleLeaderReplicas)];
        return all.IsEmpty ? partition.LastKnownElr : all;
    }

    /// <summary>The partition with the eligible replicas that follow from what it was and what its ISR and its replicas are to be.</summary>
    /// <param name="mayLack">A replica that may have lost records.</param>
    public PartitionRegistration Follow(string topic, PartitionRegistration was, PartitionRegistration wanted, int mayLack)
    {
        if (minInSyncReplicas is null || wanted.Isr.Length >= Math.Min(minInSyncReplicas(topic), wanted.Replicas.Length))
        {
            return wanted with { EligibleLeaderReplicas = [], LastKnownElr = [] };
        }

        var held = was.EligibleLeaderReplicas.Union(was.Isr);
        return wanted with
        {
            EligibleLeaderReplicas = [.. held.Where(replica => replica != mayLack && wanted.Replicas.Contains(replica) && !wanted.Isr.Contains(replica))],
            LastKnownElr = wanted.Isr.IsEmpty ? LastToLead(was) : was.LastKnownElr,
        };
    }

    private static ImmutableArray<int> LastToLead(PartitionRegistration was) =>
        was.Leader != PartitionRegistration.NoLeader ? [was.Leader]
        : !was.LastKnownElr.IsEmpty ? was.LastKnownElr
        : [.. was.Isr.Concat(was.EligibleLeaderReplicas).Take(1)];
}
