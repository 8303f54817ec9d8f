using Microsoft.Extensions.Logging;
using Milena.Metadata.Controller;
using Milena.Metadata.Image;
using Milena.Metadata.Settings;
using Milena.Model;
using Milena.Replication;

namespace Milena.Broker;

/// <summary>What the handlers share: this node's view of the cluster and its own replicas. Made once, at start.</summary>
public sealed record BrokerContext(
    int BrokerId,
    string ClusterId,
    StaticSettings Settings,
    ConfigResolver Configs,
    MetadataStore Metadata,
    ControllerClient Controller,
    ReplicaHost Replicas,
    TimeProvider Time,
    ILoggerFactory Logs)
{
    private static readonly TimeSpan MaxLeaderWait = TimeSpan.FromSeconds(5);

    public MetadataImage Image => Metadata.Current;

    /// <summary>The broker that a topic partition's leader is, where clients of that listener reach it; null when it has none.</summary>
    public BrokerEndPoint? EndPointOf(int brokerId, string listenerName) =>
        Image.Brokers.TryGetValue(brokerId, out var broker) && !broker.Fenced ? broker.EndPoint(listenerName) : null;

    /// <summary>The name of a topic given by name or id. Of the two that a request has, the id counts from the version that carries it.</summary>
    public ErrorCode ResolveTopic(ref string name, Guid topicId)
    {
        if (topicId == Guid.Empty)
        {
            return ErrorCode.None;
        }

        if (Image.FindTopic(topicId) is not { } topic)
        {
            return ErrorCode.UnknownTopicId;
        }

        name = topic.Name;
        return ErrorCode.None;
    }

    /// <summary>
    /// Waits, for a bounded time, until the replicas that this broker leads of these topics have started. A client that hears of a topic
    /// too early is told NOT_LEADER_OR_FOLLOWER, and one that has several requests on the way then resends them out of order.
    /// </summary>
    public async Task WhenLeadingAsync(IEnumerable<string> topics)
    {
        var image = Image;
        var led = topics.Select(image.FindTopic).OfType<TopicImage>()
            .SelectMany(topic => topic.Partitions.Select((partition, index) => (partition.Leader, Partition: new TopicPartition(topic.Name, index))))
            .Where(one => one.Leader == BrokerId)
            .Select(one => one.Partition)
            .ToList();
        if (!led.TrueForAll(Replicas.Directory.IsLeading))
        {
            await Replicas.Directory.WhenLeadingAsync(led, MaxLeaderWait, Time);
        }
    }

    /// <summary>The replica that must answer for a partition, or why there is none.</summary>
    /// <param name="anyReplica">A follower may do so too.</param>
    public ErrorCode FindLeader(TopicPartition partition, int currentLeaderEpoch, out Replica? replica, bool anyReplica = false)
    {
        replica = Replicas.Directory.Find(partition);
        if (replica is not null)
        {
            return anyReplica ? replica.CheckReplica(currentLeaderEpoch) : replica.CheckLeader(currentLeaderEpoch);
        }

        // Known to the cluster, but not here: either another broker leads it, or its replica is still starting.
        return Image.FindTopic(partition.Topic)?.Find(partition.Partition) is null ? ErrorCode.UnknownTopicOrPartition : ErrorCode.NotLeaderOrFollower;
    }
}
