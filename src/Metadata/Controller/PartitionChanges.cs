using System.Collections.Immutable;
using Milena.Metadata.Image;
using Milena.Protocol;

namespace Milena.Metadata.Controller;

/// <summary>Works out who is in sync, who is eligible beside them, and who leads, when brokers come, go or are asked to step back.</summary>
/// <param name="mayLead">Whether a broker is in a state to lead: registered, unfenced and not on its way out, after this decision.</param>
/// <param name="mayElectUncleanly">Whether a topic, by name, prefers a leader that may lack records to none (<c>unclean.leader.election.enable</c>).</param>
/// <param name="eligible">How eligible leader replicas follow from the rest.</param>
/// <remarks>
/// Rules as in KRaft. Without eligible leader replicas an ISR never becomes empty: its last member stays in it even while it is away, because it
/// alone has everything. With them it does, and its last members are remembered as eligible.
/// </remarks>
internal sealed class PartitionChanges(MetadataImage image, Func<int, bool> mayLead, Func<string, bool> mayElectUncleanly, EligibleLeaders eligible)
{
    private const int Nobody = -1;

    /// <summary>The broker is gone, or going, with all that it holds: it leaves each ISR that may be without it, and leads nothing.</summary>
    public IEnumerable<IMessage> BrokerLeft(int brokerId) =>
        from one in All()
        where one.Partition.Isr.Contains(brokerId) || one.Partition.Leader == brokerId
        let change = Move(one.Topic, one.Index, one.Partition, one.Partition with { Isr = Without(one.Partition.Isr, brokerId) })
        where change is not null
        select change;

    /// <summary>The broker may lack records that it held: it leaves each ISR that may be without it, and is eligible nowhere.</summary>
    public IEnumerable<IMessage> BrokerLostRecords(int brokerId) =>
        from one in All()
        where one.Partition.Isr.Contains(brokerId) || one.Partition.Leader == brokerId || one.Partition.EligibleLeaderReplicas.Contains(brokerId)
        let wanted = one.Partition with { Isr = Without(one.Partition.Isr, brokerId) }
        let change = Move(one.Topic, one.Index, one.Partition, wanted, mayLack: brokerId)
        where change is not null
        select change;

    /// <summary>Some of the broker's log directories are offline: what lies there leaves each ISR that may be without it, and leads nothing.</summary>
    public IEnumerable<IMessage> DirectoriesFailed(int brokerId) =>
        from one in All()
        where one.Partition.Isr.Contains(brokerId) || one.Partition.Leader == brokerId
        where !image.HasOnlineReplica(one.Partition, brokerId)
        let change = ReplicaFailed(one.Topic, one.Index, one.Partition, brokerId)
        where change is not null
        select change;

    /// <summary>The directory of a broker's replica is offline.</summary>
    /// <returns>Null when nothing changes.</returns>
    public PartitionChangeRecord? ReplicaFailed(TopicImage topic, int index, PartitionRegistration partition, int brokerId) =>
        Change(topic, index, partition, Without(partition.Isr, brokerId));

    /// <summary>The broker may lead again: what has no leader may have one now.</summary>
    public IEnumerable<IMessage> BrokerCame(int brokerId) =>
        from one in All()
        where one.Partition.Leader == PartitionRegistration.NoLeader && one.Partition.Replicas.Contains(brokerId)
        let change = Change(one.Topic, one.Index, one.Partition, one.Partition.Isr)
        where change is not null
        select change;

    /// <summary>A setting or a feature level has changed, so that other replicas are eligible, or the ISR alone.</summary>
    public IEnumerable<IMessage> EligibilityChanged() =>
        from one in All()
        where !one.Partition.EligibleLeaderReplicas.IsEmpty || !one.Partition.LastKnownElr.IsEmpty
        let wanted = one.Partition with { Isr = eligible.AreKept || !one.Partition.Isr.IsEmpty ? one.Partition.Isr : EligibleLeaders.Holders(one.Partition) }
        let change = Move(one.Topic, one.Index, one.Partition, wanted)
        where change is not null
        select change;

    /// <summary>Gives a partition another ISR, and the leader that follows from it; ends a reassignment whose replicas are all in it.</summary>
    /// <returns>Null when nothing changes.</returns>
    public PartitionChangeRecord? Change(TopicImage topic, int index, PartitionRegistration was, ImmutableArray<int> isr) =>
        Move(topic, index, was, was with { Isr = isr });

    /// <summary>Gives a partition other replicas, or another ISR, or both, and the leader that follows from them.</summary>
    /// <param name="wanted">As <paramref name="was"/> but for the replicas, those that are added and removed, the ISR, and whether its leader recovers.</param>
    /// <param name="mayLack">A replica that may have lost records.</param>
    /// <returns>Null when nothing changes.</returns>
    public PartitionChangeRecord? Move(TopicImage topic, int index, PartitionRegistration was, PartitionRegistration wanted, int mayLack = Nobody)
    {
        wanted = eligible.Follow(topic.Name, was, Reassignment.EndIfDone(wanted), mayLack);
        var leader = wanted.Isr.Contains(was.Leader) && MayLead(was, was.Leader) ? was.Leader : FirstToLead(was, wanted, wanted.Isr.Contains);
        if (leader == PartitionRegistration.NoLeader && FirstToLead(was, wanted, wanted.EligibleLeaderReplicas.Contains) is var clean and not PartitionRegistration.NoLeader)
        {
            // It holds all that was committed, while what lies above it on others was never acknowledged to who waits for all.
            (leader, wanted) = (clean, eligible.Follow(topic.Name, was, wanted with { Isr = [clean] }, mayLack));
        }

        if (leader == PartitionRegistration.NoLeader && FirstToLead(was, wanted, replica => MayLeadUncleanly(topic, wanted, replica)) is var unclean and not PartitionRegistration.NoLeader)
        {
            // What only the absent members of the ISR have is lost by this; a topic has to ask for it.
            (leader, wanted) = (unclean, wanted with { Isr = [unclean], EligibleLeaderReplicas = [], LastKnownElr = [], LeaderRecoveryState = 1 });
        }

        return Record(topic, index, was, wanted with { Leader = leader });
    }

    /// <summary>Gives the lead back to the first of the replicas, where it can have it and has not.</summary>
    public PartitionChangeRecord? Prefer(TopicImage topic, int index, PartitionRegistration was)
    {
        var preferred = was.Replicas[0];
        return preferred != was.Leader && was.Isr.Contains(preferred) && MayLead(was, preferred)
            ? Record(topic, index, was, was with { Leader = preferred })
            : null;
    }

    private IEnumerable<(TopicImage Topic, int Index, PartitionRegistration Partition)> All() =>
        from topic in image.TopicsById.Values
        from index in Enumerable.Range(0, topic.Partitions.Length)
        select (topic, index, topic.Partitions[index]);

    /// <summary>Where nobody is left who surely has everything, the last who led is the one that may have it, and needs no leave to lead again.</summary>
    private bool MayLeadUncleanly(TopicImage topic, PartitionRegistration partition, int replica) =>
        mayElectUncleanly(topic.Name) || (partition.Isr.IsEmpty && partition.EligibleLeaderReplicas.IsEmpty && partition.LastKnownElr.Contains(replica));

    private ImmutableArray<int> Without(ImmutableArray<int> isr, int brokerId)
    {
        var others = isr.Remove(brokerId);
        return others.IsEmpty && !eligible.AreKept ? isr : others;
    }

    /// <summary>A broker may, and its replica is not in a log directory that is offline.</summary>
    private bool MayLead(PartitionRegistration was, int brokerId) => mayLead(brokerId) && image.HasOnlineReplica(was, brokerId);

    private int FirstToLead(PartitionRegistration was, PartitionRegistration wanted, Func<int, bool> isCandidate)
    {
        foreach (var replica in wanted.Replicas)
        {
            if (isCandidate(replica) && MayLead(was, replica))
            {
                return replica;
            }
        }

        return PartitionRegistration.NoLeader;
    }

    private PartitionChangeRecord? Record(TopicImage topic, int index, PartitionRegistration was, PartitionRegistration wanted)
    {
        var record = new PartitionChangeRecord
        {
            TopicId = topic.Id,
            PartitionId = index,
            Isr = Changed(was.Isr, wanted.Isr),
            Replicas = Changed(was.Replicas, wanted.Replicas),
            AddingReplicas = Changed(was.AddingReplicas, wanted.AddingReplicas),
            RemovingReplicas = Changed(was.RemovingReplicas, wanted.RemovingReplicas),
            EligibleLeaderReplicas = Changed(was.EligibleLeaderReplicas, wanted.EligibleLeaderReplicas),
            LastKnownElr = Changed(was.LastKnownElr, wanted.LastKnownElr),
        };
        if (record.Replicas is { } replicas)
        {
            record.Directories = replicas.ConvertAll(id => was.Replicas.Contains(id) ? was.DirectoryOf(id) : OnlyDirectoryOf(id));
        }

        // A replica that is taken away must not go on in the epoch in which it was one.
        if (wanted.Leader != was.Leader || was.Replicas.Any(replica => !wanted.Replicas.Contains(replica)))
        {
            record.Leader = wanted.Leader;
        }
        else if (record is { Isr: null, Replicas: null, AddingReplicas: null, RemovingReplicas: null, EligibleLeaderReplicas: null, LastKnownElr: null }
            && wanted.LeaderRecoveryState == was.LeaderRecoveryState)
        {
            return null;
        }

        if (wanted.LeaderRecoveryState != was.LeaderRecoveryState)
        {
            record.LeaderRecoveryState = wanted.LeaderRecoveryState;
        }

        return record;
    }

    private Guid OnlyDirectoryOf(int brokerId) => image.Brokers.GetValueOrDefault(brokerId)?.OnlyDirectory ?? DirectoryIds.Unassigned;

    private static List<int>? Changed(ImmutableArray<int> was, ImmutableArray<int> wanted) =>
        wanted.AsSpan().SequenceEqual(was.AsSpan()) ? null : [.. wanted];
}
