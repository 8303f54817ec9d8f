using System.Collections.Immutable;
using Milena.Protocol;

namespace Milena.Metadata.Image;

/// <summary>The changes that a run of metadata records makes to an image; collected first, so that applying many records costs no more than it must.</summary>
/// <remarks>Not thread-safe. A record that names what does not exist is a broken log, so it throws: the node must not go on from a wrong image.</remarks>
public sealed class MetadataDelta(MetadataImage image)
{
    private readonly ImmutableSortedDictionary<int, BrokerRegistration>.Builder _brokers = image.Brokers.ToBuilder();
    private readonly ImmutableDictionary<ConfigResource, ImmutableSortedDictionary<string, string>>.Builder _configs = image.Configs.ToBuilder();
    private readonly ImmutableSortedDictionary<string, short>.Builder _features = image.Features.ToBuilder();
    private readonly Dictionary<Guid, TopicInProgress> _changedTopics = [];
    private readonly Dictionary<Guid, TopicImage> _deletedTopics = [];
    private readonly HashSet<ConfigResource> _changedConfigs = [];
    private readonly HashSet<string> _newNames = [];
    private long _nextProducerId = image.NextProducerId;

    private sealed record TopicInProgress(string Name, List<PartitionRegistration> Partitions);

    public MetadataImage Base => image;

    /// <summary>Topics that are new or have changed partitions.</summary>
    public IReadOnlyCollection<Guid> ChangedTopics => _changedTopics.Keys;

    public IReadOnlyCollection<TopicImage> DeletedTopics => _deletedTopics.Values;

    public IReadOnlyCollection<ConfigResource> ChangedConfigs => _changedConfigs;

    /// <summary>Takes one record, the next of the metadata log.</summary>
    /// <exception cref="InvalidDataException">The record does not fit what the records before it say.</exception>
    public void Replay(IMessage record)
    {
        switch (record)
        {
            case TopicRecord topic:
                Replay(topic);
                break;
            case PartitionRecord partition:
                Replay(partition);
                break;
            case PartitionChangeRecord change:
                Replay(change);
                break;
            case RemoveTopicRecord removed:
                Replay(removed);
                break;
            case ConfigRecord config:
                Replay(config);
                break;
            case RegisterBrokerRecord broker:
                Replay(broker);
                break;
            case BrokerRegistrationChangeRecord change:
                Replay(change);
                break;
            case UnregisterBrokerRecord unregistered:
                BrokerOf(unregistered.BrokerId);
                _brokers.Remove(unregistered.BrokerId);
                break;
            case ProducerIdsRecord producerIds:
                _nextProducerId = producerIds.NextProducerId;
                break;
            case FeatureLevelRecord feature when feature.FeatureLevel == 0:
                _features.Remove(feature.Name);
                break;
            case FeatureLevelRecord feature:
                _features[feature.Name] = feature.FeatureLevel;
                break;
            case NoOpRecord:
                break;
            default:
                throw new InvalidDataException($"The metadata log holds a {record.GetType().Name}, which this version does not know how to apply.");
        }
    }

    /// <summary>The image after the changes.</summary>
    public MetadataImage Apply(long offset, int epoch)
    {
        var byName = image.TopicsByName;
        var byId = image.TopicsById;
        if (_changedTopics.Count + _deletedTopics.Count > 0)
        {
            var names = byName.ToBuilder();
            var ids = byId.ToBuilder();
            foreach (var topic in _deletedTopics.Values)
            {
                names.Remove(topic.Name);
                ids.Remove(topic.Id);
            }

            foreach (var (id, topic) in _changedTopics)
            {
                names[topic.Name] = ids[id] = new TopicImage(topic.Name, id, [.. topic.Partitions]);
            }

            (byName, byId) = (names.ToImmutable(), ids.ToImmutable());
        }

        return new MetadataImage(
            offset, epoch, _brokers.ToImmutable(), byName, byId, _configs.ToImmutable(), _features.ToImmutable(), _nextProducerId);
    }

    private TopicInProgress Change(Guid id)
    {
        if (!_changedTopics.TryGetValue(id, out var topic))
        {
            var existing = Existing(id);
            topic = new TopicInProgress(existing.Name, [.. existing.Partitions]);
            _changedTopics.Add(id, topic);
        }

        return topic;
    }

    private TopicImage Existing(Guid id) => !_deletedTopics.ContainsKey(id) && image.FindTopic(id) is { } topic
        ? topic
        : throw new InvalidDataException($"The metadata log speaks of topic id {id}, which does not exist.");

    private BrokerRegistration BrokerOf(int id) => _brokers.TryGetValue(id, out var broker)
        ? broker
        : throw new InvalidDataException($"The metadata log speaks of broker {id}, which is not registered.");

    private void Replay(TopicRecord record)
    {
        var taken = image.FindTopic(record.TopicId) ?? image.FindTopic(record.Name);
        if ((taken is not null && !_deletedTopics.ContainsKey(taken.Id)) || !_newNames.Add(record.Name) || _changedTopics.ContainsKey(record.TopicId))
        {
            throw new InvalidDataException($"The metadata log creates the topic '{record.Name}' with id {record.TopicId} a second time.");
        }

        _changedTopics.Add(record.TopicId, new TopicInProgress(record.Name, []));
    }

    private void Replay(PartitionRecord record)
    {
        var partitions = Change(record.TopicId).Partitions;
        ImmutableArray<int> replicas = [.. record.Replicas];
        var registration = new PartitionRegistration(
            replicas,
            Sharing.Directories(record.Directories, replicas.Length, partitions),
            Sharing.Isr(record.Isr, replicas),
            [.. record.RemovingReplicas],
            [.. record.AddingReplicas],
            [.. record.EligibleLeaderReplicas ?? []],
            [.. record.LastKnownElr ?? []],
            record.Leader,
            record.LeaderEpoch,
            record.PartitionEpoch)
        {
            LeaderRecoveryState = record.LeaderRecoveryState,
        };
        if (record.PartitionId < partitions.Count)
        {
            partitions[record.PartitionId] = registration;
        }
        else if (record.PartitionId == partitions.Count)
        {
            partitions.Add(registration);
        }
        else
        {
            throw new InvalidDataException($"The metadata log skips from partition {partitions.Count - 1} to {record.PartitionId} of {record.TopicId}.");
        }
    }

    private void Replay(PartitionChangeRecord record)
    {
        const int unchanged = -2;
        var partitions = Change(record.TopicId).Partitions;
        if (record.PartitionId < 0 || record.PartitionId >= partitions.Count)
        {
            throw new InvalidDataException($"The metadata log changes partition {record.PartitionId} of {record.TopicId}, which has {partitions.Count}.");
        }

        var old = partitions[record.PartitionId];
        ImmutableArray<int> replicas = record.Replicas is null ? old.Replicas : [.. record.Replicas];
        partitions[record.PartitionId] = old with
        {
            Replicas = replicas,
            Directories = Sharing.Directories(record.Directories ?? (IReadOnlyList<Guid>)old.Directories, replicas.Length, partitions),
            Isr = record.Isr is null ? old.Isr : Sharing.Isr(record.Isr, replicas),
            LeaderRecoveryState = record.LeaderRecoveryState < 0 ? old.LeaderRecoveryState : record.LeaderRecoveryState,
            RemovingReplicas = record.RemovingReplicas is null ? old.RemovingReplicas : [.. record.RemovingReplicas],
            AddingReplicas = record.AddingReplicas is null ? old.AddingReplicas : [.. record.AddingReplicas],
            EligibleLeaderReplicas = record.EligibleLeaderReplicas is null ? old.EligibleLeaderReplicas : [.. record.EligibleLeaderReplicas],
            LastKnownElr = record.LastKnownElr is null ? old.LastKnownElr : [.. record.LastKnownElr],
            Leader = record.Leader == unchanged ? old.Leader : record.Leader,
            LeaderEpoch = record.Leader == unchanged ? old.LeaderEpoch : old.LeaderEpoch + 1,
            PartitionEpoch = old.PartitionEpoch + 1,
        };
    }

    private void Replay(RemoveTopicRecord record)
    {
        string name;
        if (image.FindTopic(record.TopicId) is null && _changedTopics.TryGetValue(record.TopicId, out var unapplied))
        {
            name = unapplied.Name;
            _newNames.Remove(name);
        }
        else
        {
            var topic = Existing(record.TopicId);
            _deletedTopics.Add(topic.Id, topic);
            name = topic.Name;
        }

        _changedTopics.Remove(record.TopicId);
        _configs.Remove(ConfigResource.Topic(name));
    }

    private void Replay(ConfigRecord record)
    {
        var resource = new ConfigResource((ConfigResourceType)record.ResourceType, record.ResourceName);
        var config = _configs.GetValueOrDefault(resource) ?? ImmutableSortedDictionary<string, string>.Empty;
        config = record.Value is null ? config.Remove(record.Name) : config.SetItem(record.Name, record.Value);
        _changedConfigs.Add(resource);
        if (config.IsEmpty)
        {
            _configs.Remove(resource);
        }
        else
        {
            _configs[resource] = config;
        }
    }

    private void Replay(RegisterBrokerRecord record) =>
        _brokers[record.BrokerId] = new BrokerRegistration(
            record.BrokerId,
            record.BrokerEpoch,
            record.IncarnationId,
            [.. record.EndPoints.Select(endPoint => new BrokerEndPoint(endPoint.Name, endPoint.Host, endPoint.Port, endPoint.SecurityProtocol))],
            [.. record.LogDirs],
            record.Rack,
            record.Fenced,
            record.InControlledShutdown)
        {
            Features = [.. record.Features.Select(feature => new FeatureRange(feature.Name, feature.MinSupportedVersion, feature.MaxSupportedVersion))],
            CordonedDirectories = [.. record.CordonedLogDirs ?? []],
        };

    private void Replay(BrokerRegistrationChangeRecord record)
    {
        // Kafka's encoding of the two flags: -1 clears, 0 leaves as it is, 1 sets.
        static bool Flag(sbyte change, bool current) => change == 0 ? current : change > 0;
        var old = BrokerOf(record.BrokerId);
        _brokers[record.BrokerId] = old with
        {
            Fenced = Flag(record.Fenced, old.Fenced),
            InControlledShutdown = Flag(record.InControlledShutdown, old.InControlledShutdown),
            LogDirectories = record.LogDirs is { Count: > 0 } ? [.. record.LogDirs] : old.LogDirectories,
            CordonedDirectories = record.CordonedLogDirs is null ? old.CordonedDirectories : [.. record.CordonedLogDirs],
        };
    }
}

/// <summary>Most partitions are in sync on all replicas, and lie where others of their topic do: such lists share one array, which halves an image.</summary>
internal static class Sharing
{
    private const int MaxShared = 8;

    /// <summary>Three brokers with a directory each lay partitions out in six ways.</summary>
    private const int MaxLookedAt = 16;

    private static readonly ImmutableArray<Guid>[] Unassigned =
        [.. Enumerable.Range(0, MaxShared + 1).Select(count => Enumerable.Repeat(Guid.Empty, count).ToImmutableArray())];

    public static ImmutableArray<int> Isr(List<int> isr, ImmutableArray<int> replicas) =>
        replicas.AsSpan().SequenceEqual(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(isr)) ? replicas : [.. isr];

    /// <summary>One directory for each replica; a list of another length was not meant for these replicas, so they are unassigned.</summary>
    /// <param name="others">The topic's partitions so far.</param>
    public static ImmutableArray<Guid> Directories(IReadOnlyList<Guid> directories, int replicas, List<PartitionRegistration> others)
    {
        if (directories.Count != replicas || directories.All(directory => directory == Guid.Empty))
        {
            return replicas <= MaxShared ? Unassigned[replicas] : [.. Enumerable.Repeat(Guid.Empty, replicas)];
        }

        if (directories is ImmutableArray<Guid> same)
        {
            return same;
        }

        foreach (var other in others.Take(MaxLookedAt))
        {
            if (other.Directories.SequenceEqual(directories))
            {
                return other.Directories;
            }
        }

        return [.. directories];
    }
}
