using System.Collections.Immutable;
using System.Globalization;
using Milena.Metadata.Controller.Balancing;
using Milena.Metadata.Image;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Metadata.Controller;

/// <summary>Internal topics are made with as many replicas as there are brokers then; when more come, they get the replicas that they lack.</summary>
public static class InternalTopics
{
    public const string MinInSyncReplicas = "min.insync.replicas";

    /// <summary>From three replicas on, one may be missing and the records are still on two machines.</summary>
    public const int FactorOfTwoInSync = 3;

    /// <summary>How many replicas a topic's partitions are to have.</summary>
    private static readonly ImmutableDictionary<string, string> FactorSettings =
        ImmutableDictionary<string, string>.Empty.Add(TopicNames.ConsumerOffsets, "offsets.topic.replication.factor");

    /// <summary>What is due: moves to more brokers, and, when all of a topic's partitions have arrived, a second replica that has to be in sync.</summary>
    public static IReadOnlyList<IMessage> Tend(MetadataImage image, ControllerContext context)
    {
        var usable = image.Brokers.Values.Where(broker => !broker.Fenced && !broker.InControlledShutdown && !BalancerSettings.IsLeaving(image, broker.Id)).ToList();
        var records = new List<IMessage>();
        foreach (var (name, setting) in FactorSettings)
        {
            if (image.FindTopic(name) is { } topic)
            {
                records.AddRange(Tend(image, topic, usable, context.Settings.GetInt(setting), context));
            }
        }

        return records;
    }

    private static IEnumerable<IMessage> Tend(MetadataImage image, TopicImage topic, List<BrokerRegistration> usable, int factor, ControllerContext context)
    {
        // A move that is under way ends first, whoever asked for it.
        if (topic.Partitions.Any(Reassignment.IsUnderWay))
        {
            return [];
        }

        var changes = context.Changes(image, _ => true);
        var grown = Enumerable.Range(0, topic.Partitions.Length)
            .Select(index => (Index: index, Was: topic.Partitions[index]))
            .Select(one => (one.Index, one.Was, Wanted: Math.Min(factor, usable.Count(broker => !broker.IsCordoned || one.Was.Replicas.Contains(broker.Id)))))
            .Where(one => one.Was.Replicas.Length < one.Wanted)
            .Select(one => (IMessage?)changes.Move(topic, one.Index, one.Was, Reassignment.Begin(one.Was, More(one.Was, usable, one.Wanted, one.Index))))
            .OfType<IMessage>()
            .ToList();
        return grown.Count == 0 && IsGrown(image, topic) ? [TwoInSync(topic)] : grown;
    }

    private static bool IsGrown(MetadataImage image, TopicImage topic) =>
        topic.Partitions.All(partition => partition.Replicas.Length >= FactorOfTwoInSync && partition.Isr.Length >= 2)
        && !image.ConfigOf(ConfigResource.Topic(topic.Name)).ContainsKey(MinInSyncReplicas);

    private static ConfigRecord TwoInSync(TopicImage topic) => new()
    {
        ResourceType = (sbyte)ConfigResourceType.Topic,
        ResourceName = topic.Name,
        Name = MinInSyncReplicas,
        Value = 2.ToString(CultureInfo.InvariantCulture),
    };

    /// <summary>The replicas that are there and others behind them, on racks that have none before those that have, each partition beginning at another broker.</summary>
    private static ImmutableArray<int> More(PartitionRegistration partition, List<BrokerRegistration> usable, int wanted, int start)
    {
        var replicas = partition.Replicas;
        var others = Enumerable.Range(0, usable.Count).Select(step => usable[(start + step) % usable.Count])
            .Where(broker => !broker.IsCordoned && !replicas.Contains(broker.Id)).ToList();
        while (replicas.Length < wanted)
        {
            var racks = usable.Where(broker => replicas.Contains(broker.Id)).Select(broker => broker.Rack).ToHashSet();
            var next = others.Find(broker => !racks.Contains(broker.Rack)) ?? others[0];
            others.Remove(next);
            replicas = replicas.Add(next.Id);
        }

        return replicas;
    }
}
