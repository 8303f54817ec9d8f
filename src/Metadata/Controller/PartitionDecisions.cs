using System.Collections.Immutable;
using Milena.Metadata.Image;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Metadata.Controller;

/// <summary>A leader proposes who is in sync with it; it acts on the committed answer only.</summary>
public static class AlterPartitionDecision
{
    private const long UncheckedEpoch = -1;
    private const sbyte Recovered = 0;

    public static Decision Decide(MetadataImage image, AlterPartitionRequest request, ControllerContext context)
    {
        if (!image.Brokers.TryGetValue(request.BrokerId, out var broker) || broker.Epoch != request.BrokerEpoch)
        {
            return Decision.Refuse(new AlterPartitionResponse { ErrorCode = ErrorCode.StaleBrokerEpoch });
        }

        var records = new List<IMessage>();
        var seen = new HashSet<(Guid, int)>();
        var response = new AlterPartitionResponse();
        foreach (var wanted in request.Topics)
        {
            var topic = image.FindTopic(wanted.TopicId);
            response.Topics.Add(new()
            {
                TopicId = wanted.TopicId,
                Partitions = [.. wanted.Partitions.Select(partition => seen.Add((wanted.TopicId, partition.PartitionIndex))
                    ? Alter(image, request.BrokerId, topic, partition, context, records)
                    : Refused(partition, ErrorCode.InvalidRequest))],
            });
        }

        return new Decision(records, response);
    }

    private static AlterPartitionResponse.PartitionData Alter(
        MetadataImage image, int leader, TopicImage? topic, AlterPartitionRequest.PartitionData wanted, ControllerContext context, List<IMessage> records)
    {
        if (topic is null)
        {
            return Refused(wanted, ErrorCode.UnknownTopicId);
        }

        if (topic.Find(wanted.PartitionIndex) is not { } partition)
        {
            return Refused(wanted, ErrorCode.UnknownTopicOrPartition);
        }

        List<AlterPartitionRequest.BrokerState> isr = wanted.NewIsrWithEpochs.Count > 0
            ? wanted.NewIsrWithEpochs
            : wanted.NewIsr.ConvertAll(id => new AlterPartitionRequest.BrokerState { BrokerId = id, BrokerEpoch = UncheckedEpoch });
        if (Refusal(image, leader, partition, wanted, isr) is var refusal and not ErrorCode.None)
        {
            return Refused(wanted, refusal);
        }

        var altered = partition with { Isr = [.. isr.Select(one => one.BrokerId)], LeaderRecoveryState = wanted.LeaderRecoveryState };
        var change = context.Changes(image, _ => true).Move(topic, wanted.PartitionIndex, partition, altered);
        if (change is not null)
        {
            records.Add(change);
        }

        if (change is { Leader: >= PartitionRegistration.NoLeader })
        {
            // The last replica of a reassignment is in sync, and with the old replicas the leader goes, or his epoch at least.
            return Refused(wanted, ErrorCode.NewLeaderElected);
        }

        return new()
        {
            PartitionIndex = wanted.PartitionIndex,
            LeaderId = partition.Leader,
            LeaderEpoch = partition.LeaderEpoch,
            Isr = [.. isr.Select(one => one.BrokerId)],
            LeaderRecoveryState = wanted.LeaderRecoveryState,
            PartitionEpoch = partition.PartitionEpoch + (change is null ? 0 : 1),
        };
    }

    private static ErrorCode Refusal(
        MetadataImage image, int leader, PartitionRegistration partition, AlterPartitionRequest.PartitionData wanted, List<AlterPartitionRequest.BrokerState> isr)
    {
        // A leader that knows more than this image heard it from a controller after this one.
        if (wanted.LeaderEpoch > partition.LeaderEpoch || wanted.PartitionEpoch > partition.PartitionEpoch)
        {
            return ErrorCode.NotController;
        }

        if (wanted.LeaderEpoch < partition.LeaderEpoch)
        {
            return ErrorCode.FencedLeaderEpoch;
        }

        if (partition.Leader != leader)
        {
            return ErrorCode.InvalidRequest;
        }

        if (wanted.PartitionEpoch < partition.PartitionEpoch)
        {
            return ErrorCode.InvalidUpdateVersion;
        }

        var isReplicaSet = isr.TrueForAll(one => partition.Replicas.Contains(one.BrokerId)) && isr.Select(one => one.BrokerId).Distinct().Count() == isr.Count;
        if (!isReplicaSet || isr.TrueForAll(one => one.BrokerId != leader))
        {
            return ErrorCode.InvalidRequest;
        }

        // A leader says once that it has recovered, and by asking for others in sync, that it has.
        if (wanted.LeaderRecoveryState != Recovered && (wanted.LeaderRecoveryState != partition.LeaderRecoveryState || isr.Count > 1))
        {
            return ErrorCode.InvalidRequest;
        }

        return isr.TrueForAll(one => IsEligible(image, partition, one)) ? ErrorCode.None : ErrorCode.IneligibleReplica;
    }

    /// <summary>
    /// A follower that was replaced or fenced since the leader heard of it last, or whose log directory went offline, is not let in: it may have
    /// lost what it held.
    /// </summary>
    private static bool IsEligible(MetadataImage image, PartitionRegistration partition, AlterPartitionRequest.BrokerState one) =>
        image.Brokers.TryGetValue(one.BrokerId, out var broker)
        && !broker.Fenced
        && !broker.InControlledShutdown
        && broker.IsOnline(partition.DirectoryOf(one.BrokerId))
        && (one.BrokerEpoch == UncheckedEpoch || one.BrokerEpoch == broker.Epoch);

    private static AlterPartitionResponse.PartitionData Refused(AlterPartitionRequest.PartitionData partition, ErrorCode error) =>
        new() { PartitionIndex = partition.PartitionIndex, ErrorCode = error, Isr = [] };
}

/// <summary>Elects leaders on request: the preferred ones, or, where all of the ISR is away, one that may lack records.</summary>
public static class ElectLeadersDecision
{
    private const sbyte Preferred = 0;
    private const sbyte Unclean = 1;

    /// <summary>Of one round of balancing, so that it does not move every leader at once.</summary>
    private const int MaxBalanced = 1000;

    /// <summary>Gives leaders back to their preferred replicas, as <c>auto.leader.rebalance.enable</c> asks.</summary>
    public static IReadOnlyList<IMessage> Balance(MetadataImage image, ControllerContext context)
    {
        var changes = context.Changes(image, _ => true);
        var balanced = from topic in image.TopicsById.Values
                       from index in Enumerable.Range(0, topic.Partitions.Length)
                       let change = changes.Prefer(topic, index, topic.Partitions[index])
                       where change is not null
                       select change;
        return [.. balanced.Take(MaxBalanced)];
    }

    public static Decision Decide(MetadataImage image, ElectLeadersRequest request, ControllerContext context)
    {
        if (request.ElectionType is not (Preferred or Unclean))
        {
            return Decision.Refuse(new ElectLeadersResponse { ErrorCode = ErrorCode.InvalidRequest });
        }

        var all = request.TopicPartitions is null;
        var wanted = request.TopicPartitions
            ?? image.TopicsByName.Values.Select(topic => new ElectLeadersRequest.TopicPartitionsStruct
            {
                Topic = topic.Name,
                Partitions = [.. Enumerable.Range(0, topic.Partitions.Length)],
            }).ToList();
        var changes = context.Changes(image, _ => true, electUncleanly: request.ElectionType == Unclean);
        var records = new Dictionary<(string, int), IMessage>();
        var response = new ElectLeadersResponse();
        foreach (var one in wanted)
        {
            var results = one.Partitions
                .Select(index => Elect(image.FindTopic(one.Topic), one.Topic, index, request.ElectionType, changes, records))
                .Where(result => !all || result.ErrorCode != ErrorCode.ElectionNotNeeded)
                .ToList();
            if (results.Count > 0)
            {
                response.ReplicaElectionResults.Add(new() { Topic = one.Topic, PartitionResult = results });
            }
        }

        return new Decision([.. records.Values], response);
    }

    private static ElectLeadersResponse.PartitionResultStruct Elect(
        TopicImage? topic, string name, int index, sbyte type, PartitionChanges changes, Dictionary<(string, int), IMessage> records)
    {
        if (topic?.Find(index) is not { } partition)
        {
            return Result(index, ErrorCode.UnknownTopicOrPartition, topic is null ? $"No such topic as {name}" : $"No such partition as {name}-{index}");
        }

        var isNeeded = type == Preferred ? partition.Leader != partition.Replicas[0] : partition.Leader == PartitionRegistration.NoLeader;
        if (!isNeeded)
        {
            return Result(index, ErrorCode.ElectionNotNeeded, null);
        }

        var change = type == Preferred ? changes.Prefer(topic, index, partition) : changes.Change(topic, index, partition, partition.Isr);
        if (change is null)
        {
            return Result(index, type == Preferred ? ErrorCode.PreferredLeaderNotAvailable : ErrorCode.EligibleLeadersNotAvailable, null);
        }

        records[(name, index)] = change;
        return Result(index, ErrorCode.None, null);
    }

    private static ElectLeadersResponse.PartitionResultStruct Result(int index, ErrorCode error, string? message) =>
        new() { PartitionId = index, ErrorCode = error, ErrorMessage = ErrorText.Clip(message) };
}
