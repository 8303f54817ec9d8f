using System.Globalization;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Milena.Metadata.Image;
using Milena.Metadata.Settings;
using Milena.Protocol;

namespace Milena.Metadata.Controller;

/// <summary>What the controller decided: the records that make it so, and the answer to give once they are committed.</summary>
/// <param name="Records">Written as one atomic append; empty when nothing changes.</param>
public sealed record Decision(IReadOnlyList<IMessage> Records, IResponseMessage Response)
{
    public static Decision Refuse(IResponseMessage response) => new([], response);
}

/// <summary>What a decision may look at beside the image: this node's own settings, chance and time. All of it fixed by a test.</summary>
public sealed record ControllerContext(StaticSettings Settings, Random Random, Func<Guid> NewId)
{
    public short DefaultReplicationFactor => (short)Settings.GetInt("default.replication.factor");

    public int DefaultPartitions => Settings.GetInt("num.partitions");

    /// <summary>
    /// Whether the process that a registration speaks of is seen to live, as far as anybody watches: who claims its id then is another one,
    /// and a broker that is not seen is not let in.
    /// </summary>
    public Func<BrokerRegistration, bool>? IsReachable { get; init; }

    /// <summary>Where what an operator has to know is told; Akka's own log is for what goes wrong.</summary>
    public ILogger Logger { get; init; } = NullLogger.Instance;

    /// <param name="mayLead">Of brokers that the image lets lead: whether they still may after this decision.</param>
    /// <param name="electUncleanly">For all topics, whatever their settings say.</param>
    internal PartitionChanges Changes(MetadataImage image, Func<int, bool> mayLead, bool electUncleanly = false)
    {
        var configs = new ConfigResolver(Settings, brokerId: -1);
        return new PartitionChanges(
            image,
            id => mayLead(id) && image.Brokers.TryGetValue(id, out var broker) && !broker.Fenced && !broker.InControlledShutdown,
            topic => electUncleanly || configs.TopicValue(image, topic, "unclean.leader.election.enable") == "true",
            new EligibleLeaders(Features.KeepsEligibleLeaders(image) ? MinInSyncReplicas : null));
        int MinInSyncReplicas(string topic) => int.Parse(configs.TopicValue(image, topic, InternalTopics.MinInSyncReplicas)!, CultureInfo.InvariantCulture);
    }
}
