using System.Collections.Immutable;
using Milena.Protocol;

namespace Milena.Metadata.Image;

/// <summary>Everything the cluster has decided, as of one committed offset of the metadata log. Immutable: readers keep the one they have.</summary>
/// <param name="Offset">The offset of the last metadata record that is part of it, -1 before the first.</param>
/// <param name="Epoch">The controller epoch that wrote that record.</param>
/// <param name="NextProducerId">The first producer id that no broker has been given yet.</param>
public sealed record MetadataImage(
    long Offset,
    int Epoch,
    ImmutableSortedDictionary<int, BrokerRegistration> Brokers,
    ImmutableDictionary<string, TopicImage> TopicsByName,
    ImmutableDictionary<Guid, TopicImage> TopicsById,
    ImmutableDictionary<ConfigResource, ImmutableSortedDictionary<string, string>> Configs,
    ImmutableSortedDictionary<string, short> Features,
    long NextProducerId)
{
    public static MetadataImage Empty { get; } = new(
        -1,
        0,
        ImmutableSortedDictionary<int, BrokerRegistration>.Empty,
        ImmutableDictionary<string, TopicImage>.Empty,
        ImmutableDictionary<Guid, TopicImage>.Empty,
        ImmutableDictionary<ConfigResource, ImmutableSortedDictionary<string, string>>.Empty,
        ImmutableSortedDictionary<string, short>.Empty,
        0);

    public TopicImage? FindTopic(string name) => TopicsByName.GetValueOrDefault(name);

    public TopicImage? FindTopic(Guid id) => TopicsById.GetValueOrDefault(id);

    /// <summary>Whether the log directory that holds a broker's replica of the partition works, as far as the broker has told.</summary>
    public bool HasOnlineReplica(PartitionRegistration partition, int brokerId) =>
        Brokers.TryGetValue(brokerId, out var broker) && broker.IsOnline(partition.DirectoryOf(brokerId));

    /// <summary>The image as it will be once these records follow it, at the offset of this one.</summary>
    /// <exception cref="InvalidDataException">A record does not fit.</exception>
    internal MetadataImage With(IReadOnlyCollection<IMessage> records)
    {
        var delta = new MetadataDelta(this);
        foreach (var record in records)
        {
            delta.Replay(record);
        }

        return delta.Apply(Offset, Epoch);
    }

    /// <summary>The settings set on one resource, empty when there are none.</summary>
    public ImmutableSortedDictionary<string, string> ConfigOf(ConfigResource resource) =>
        Configs.GetValueOrDefault(resource) ?? ImmutableSortedDictionary<string, string>.Empty;
}

/// <summary>A topic and its partitions, which are numbered from 0 without holes.</summary>
public sealed record TopicImage(string Name, Guid Id, ImmutableArray<PartitionRegistration> Partitions)
{
    public PartitionRegistration? Find(int partition) => partition >= 0 && partition < Partitions.Length ? Partitions[partition] : null;
}

/// <summary>Where a partition lives and who leads it. Ids are broker ids.</summary>
/// <param name="Leader">The leader, or <see cref="NoLeader"/>.</param>
/// <param name="LeaderEpoch">Grows by one with each change of leader.</param>
/// <param name="PartitionEpoch">Grows by one with each change of anything here; guards concurrent ISR changes.</param>
/// <param name="Directories">For each replica the id of the log directory that holds it, all zero while unassigned.</param>
public sealed record PartitionRegistration(
    ImmutableArray<int> Replicas,
    ImmutableArray<Guid> Directories,
    ImmutableArray<int> Isr,
    ImmutableArray<int> RemovingReplicas,
    ImmutableArray<int> AddingReplicas,
    ImmutableArray<int> EligibleLeaderReplicas,
    ImmutableArray<int> LastKnownElr,
    int Leader,
    int LeaderEpoch,
    int PartitionEpoch)
{
    public const int NoLeader = -1;

    /// <summary>Kafka's number: 1 while a leader that was elected uncleanly recovers, else 0.</summary>
    public sbyte LeaderRecoveryState { get; init; }

    /// <summary>The directory that holds a broker's replica; unassigned where it is not known, or the broker has none.</summary>
    public Guid DirectoryOf(int brokerId) => Replicas.IndexOf(brokerId) is var index and >= 0 ? Directories[index] : DirectoryIds.Unassigned;
}

/// <summary>One broker as it registered itself with the controller.</summary>
/// <param name="Epoch">The offset of its registration record; a later incarnation has a higher one.</param>
/// <param name="LogDirectories">The ids of those that are online; empty where the broker never told.</param>
/// <param name="Fenced">True while the broker may not lead or serve: clients are not told of it.</param>
public sealed record BrokerRegistration(
    int Id,
    long Epoch,
    Guid IncarnationId,
    ImmutableArray<BrokerEndPoint> EndPoints,
    ImmutableArray<Guid> LogDirectories,
    string? Rack,
    bool Fenced,
    bool InControlledShutdown)
{
    /// <summary>Which levels of which features the broker's program can work at.</summary>
    public ImmutableArray<FeatureRange> Features { get; init; } = [];

    /// <summary>The ids of those that are to take no new replica, as the broker has told (KIP-1066).</summary>
    public ImmutableArray<Guid> CordonedDirectories { get; init; } = [];

    /// <summary>None of its directories takes a new replica, so the broker is to be given none.</summary>
    public bool IsCordoned => !LogDirectories.IsEmpty && LogDirectories.All(CordonedDirectories.Contains);

    /// <summary>Where a new replica of this broker comes to lie, if that is certain: it has no choice.</summary>
    public Guid OnlyDirectory => LogDirectories.Length == 1 ? LogDirectories[0] : DirectoryIds.Unassigned;

    /// <summary>Whether a replica in that directory can be served, as far as the broker has told.</summary>
    public bool IsOnline(Guid directory) =>
        directory != DirectoryIds.Lost
        && (directory == DirectoryIds.Unassigned || directory == DirectoryIds.Migrating || LogDirectories.IsEmpty || LogDirectories.Contains(directory));

    public BrokerEndPoint? EndPoint(string listenerName) => EndPoints.FirstOrDefault(endPoint => endPoint.ListenerName == listenerName);
}

/// <summary>The levels of one feature that a broker supports, both inclusive.</summary>
public sealed record FeatureRange(string Name, short Min, short Max);

/// <summary>Where clients reach a broker on one of its listeners.</summary>
/// <param name="SecurityProtocol">Kafka's number: 0 PLAINTEXT, 1 SSL, 2 SASL_PLAINTEXT, 3 SASL_SSL.</param>
public sealed record BrokerEndPoint(string ListenerName, string Host, int Port, short SecurityProtocol)
{
    /// <summary>The name under which a broker registers its address for other nodes (Akka remoting); no listener for clients may have it.</summary>
    public const string ClusterListener = "CLUSTER";
}

/// <summary>What settings are set on. The numbers are Kafka's.</summary>
public enum ConfigResourceType : sbyte
{
    Unknown = 0,
    Topic = 2,
    Broker = 4,
    BrokerLogger = 8,
    ClientMetrics = 16,
    Group = 32,
}

/// <param name="Name">The topic, the broker id as text, or empty for the default of all brokers.</param>
public readonly record struct ConfigResource(ConfigResourceType Type, string Name)
{
    public static ConfigResource Topic(string name) => new(ConfigResourceType.Topic, name);

    public static ConfigResource Broker(int id) => new(ConfigResourceType.Broker, id.ToString(System.Globalization.CultureInfo.InvariantCulture));

    public static ConfigResource AllBrokers { get; } = new(ConfigResourceType.Broker, "");
}
