using System.Collections.Frozen;
using System.Globalization;
using Milena.Metadata.Image;
using Milena.Metadata.Settings;
using Milena.Model;

namespace Milena.Replication;

/// <summary>What this broker sends to followers, or fetches as one, of partitions that are to move no faster than a limit (KIP-73).</summary>
/// <remarks>
/// Only what would bring a replica into the in-sync ones waits. What those fetch counts, but is never held up: that would throw them out.
/// Safe for several threads.
/// </remarks>
public sealed class ReplicationThrottle
{
    private readonly int _brokerId;
    private readonly string _replicasSetting;
    private readonly string _rateSetting;
    private FrozenDictionary<string, FrozenSet<int>?> _throttled = FrozenDictionary<string, FrozenSet<int>?>.Empty;

    private ReplicationThrottle(int brokerId, ReplicationQuota quota, string replicasSetting, string rateSetting) =>
        (_brokerId, Quota, _replicasSetting, _rateSetting) = (brokerId, quota, replicasSetting, rateSetting);

    public ReplicationQuota Quota { get; }

    public static ReplicationThrottle Leading(int brokerId, ReplicationQuota quota) =>
        new(brokerId, quota, "leader.replication.throttled.replicas", "leader.replication.throttled.rate");

    public static ReplicationThrottle Following(int brokerId, ReplicationQuota quota) =>
        new(brokerId, quota, "follower.replication.throttled.replicas", "follower.replication.throttled.rate");

    /// <summary>Takes up the settings of a committed image.</summary>
    public void Follow(MetadataImage image, ConfigResolver configs)
    {
        Quota.BytesPerSecond = long.Parse(configs.BrokerValue(image, _rateSetting)!, CultureInfo.InvariantCulture);
        var throttled = new Dictionary<string, FrozenSet<int>?>();
        foreach (var (resource, settings) in image.Configs)
        {
            if (resource.Type == ConfigResourceType.Topic && settings.TryGetValue(_replicasSetting, out var replicas))
            {
                throttled[resource.Name] = ReplicasHere(replicas);
            }
        }

        Volatile.Write(ref _throttled, throttled.ToFrozenDictionary());
    }

    /// <summary>Whether the bytes of the partition count.</summary>
    public bool Counts(TopicPartition partition) =>
        Volatile.Read(ref _throttled).TryGetValue(partition.Topic, out var partitions) && (partitions is null || partitions.Contains(partition.Partition));

    public void Record(TopicPartition partition, long bytes)
    {
        if (Counts(partition))
        {
            Quota.Record(bytes);
        }
    }

    /// <summary>How long a replica of the partition that is not in sync has to wait from now on, as far as is known; zero where it has not.</summary>
    public TimeSpan PauseOf(TopicPartition partition) => Counts(partition) ? Quota.Pause : TimeSpan.Zero;

    /// <summary>From <c>partition:broker,…</c>: the partitions of which this broker's replica is meant; null for <c>*</c>, all of them.</summary>
    private FrozenSet<int>? ReplicasHere(string setting)
    {
        var members = SettingDefinition.SplitList(setting);
        return members.Contains("*")
            ? null
            : members.Select(member => member.Split(':').Select(number => int.Parse(number, CultureInfo.InvariantCulture)).ToArray())
                .Where(pair => pair[1] == _brokerId).Select(pair => pair[0]).ToFrozenSet();
    }
}
