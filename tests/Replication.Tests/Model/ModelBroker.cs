using Milena.Metadata.Image;

namespace Milena.Replication.Tests;

/// <summary>One broker's replica in a model: a log of records that are known by the epoch they were written in and a number, and its leader's arithmetic.</summary>
internal sealed class ModelBroker(int id)
{
    private const long MaxLagMs = 100;

    public int Id => id;

    public List<(int Epoch, int Number)> Log { get; } = [];

    /// <summary>Null while it does not lead, for all it knows.</summary>
    public PartitionLeader? Leader { get; private set; }

    public long HighWatermark { get; set; }

    public bool IsRunning { get; set; } = true;

    /// <summary>Of its present incarnation, or the last one.</summary>
    public long BrokerEpoch { get; set; }

    /// <summary>As in the marker of its log directory, -1 without one.</summary>
    public long CleanEpoch { get; set; } = -1;

    /// <summary>It crashed, and has not registered since: what it holds is not what the cluster knows of.</summary>
    public bool MayLack { get; set; }

    /// <summary>The metadata as far as this broker has heard.</summary>
    public MetadataImage Known { get; private set; } = MetadataImage.Empty;

    public bool IsRegistered => Known.Brokers.TryGetValue(id, out var self) && self.Epoch == BrokerEpoch;

    public void Stop(bool isClean)
    {
        (IsRunning, Leader) = (false, null);
        (CleanEpoch, MayLack) = (isClean ? BrokerEpoch : -1, MayLack || !isClean);
    }

    public void Hear(MetadataImage image, PartitionRegistration partition, int minInSync, long nowMs)
    {
        Known = image;
        if (!partition.Replicas.Contains(id))
        {
            Log.Clear();
            (HighWatermark, Leader) = (0, null);
        }
        else if (partition.Leader != id || !IsRegistered)
        {
            Leader = null;
        }
        else if (Leader is { } leader && leader.LeaderEpoch == partition.LeaderEpoch)
        {
            leader.Adopt(partition, minInSync);
        }
        else
        {
            Leader = new PartitionLeader(
                id, partition, minInSync, Log.Count, HighWatermark, nowMs, MaxLagMs, new FollowerBrokers(broker => Known.Brokers.GetValueOrDefault(broker), _ => false));
        }

        LearnHighWatermark();
    }

    public void LearnHighWatermark() => HighWatermark = Leader?.HighWatermark ?? HighWatermark;

    /// <summary>As a follower does: what the leader does not share is cut, then some records come.</summary>
    public void Fetch(ModelBroker from, int records, long nowMs)
    {
        var shared = Shared(Log, from.Log);
        Log.RemoveRange(shared, Log.Count - shared);
        from.Leader!.Fetched(id, BrokerEpoch, Log.Count, nowMs);
        from.LearnHighWatermark();
        Log.AddRange(from.Log.Skip(Log.Count).Take(records));
        HighWatermark = Math.Min(from.HighWatermark, Log.Count);
    }

    public static int Shared(List<(int, int)> one, List<(int, int)> other)
    {
        var shared = 0;
        while (shared < one.Count && shared < other.Count && one[shared] == other[shared])
        {
            shared++;
        }

        return shared;
    }
}
