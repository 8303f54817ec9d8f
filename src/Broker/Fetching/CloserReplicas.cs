using Milena.Metadata.Image;
using Milena.Replication;

namespace Milena.Broker.Fetching;

/// <summary>Which follower a leader sends a consumer to, by Kafka's rack-aware selector: one in the consumer's rack that has what it asks for (KIP-392).</summary>
internal sealed class CloserReplicas(BrokerContext broker)
{
    /// <returns>Null where the leader is as good as any, or is not here.</returns>
    public int? Find(Replica replica, long fetchOffset, string rack)
    {
        if (!replica.Leadership.IsLeader || RackOf(broker.BrokerId) == rack || Registration(replica) is not { } partition)
        {
            return null;
        }

        int? best = null;
        foreach (var candidate in partition.Isr)
        {
            if (replica.FollowerEnd(candidate) >= fetchOffset && RackOf(candidate) == rack && (best is null || replica.FollowerEnd(candidate) > replica.FollowerEnd(best.Value)))
            {
                best = candidate;
            }
        }

        return best;
    }

    private string? RackOf(int brokerId) => broker.Image.Brokers.TryGetValue(brokerId, out var registration) && !registration.Fenced ? registration.Rack : null;

    private PartitionRegistration? Registration(Replica replica) => broker.Image.FindTopic(replica.Id.TopicId)?.Find(replica.Id.Partition);
}
