using System.Collections.Immutable;
using Milena.Metadata.Controller.Balancing;
using Milena.Metadata.Image;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Metadata.Controller;

/// <summary>Which brokers hold a new partition, chosen or told, and the record that says so.</summary>
public static class PartitionAssignment
{
    /// <summary>A bound on one request: beyond it the records would not fit one atomic append of the metadata log.</summary>
    public const int MaxNewPartitions = 10_000;

    /// <summary>Whether the controller chooses the broker for new replicas: it is there, not about to go, and has a log directory that takes some.</summary>
    public static bool TakesReplicas(MetadataImage image, BrokerRegistration broker) =>
        broker is { Fenced: false, InControlledShutdown: false, IsCordoned: false } && !BalancerSettings.IsLeaving(image, broker.Id);

    /// <param name="partitions">How many this topic asks for.</param>
    /// <param name="before">How many the request's other topics were given before.</param>
    public static string? CheckCount(int partitions, int before) => partitions > MaxNewPartitions - before
        ? $"Excessively large number of partitions per request: {partitions} after {before} is more than {MaxNewPartitions}."
        : null;

    public static (ErrorCode Error, string Message) PlaceNew(
        MetadataImage image, int partitions, int replicationFactor, ControllerContext context, out ImmutableArray<ImmutableArray<int>> assignment)
    {
        assignment = [];
        var usable = image.Brokers.Values.Where(broker => TakesReplicas(image, broker)).ToList();
        if (replicationFactor > usable.Count)
        {
            return (ErrorCode.InvalidReplicationFactor,
                $"Unable to replicate the partition {replicationFactor} time(s): The target replication factor of {replicationFactor} cannot be reached " +
                $"because only {usable.Count} broker(s) are registered and have a log directory that takes new replicas.");
        }

        assignment = ReplicaPlacer.Place(usable, partitions, replicationFactor, context.Random.Next(usable.Count));
        return (ErrorCode.None, "");
    }

    public static (ErrorCode Error, string Message) TakeManual(
        MetadataImage image, List<CreateTopicsRequest.CreatableReplicaAssignment> manual, out ImmutableArray<ImmutableArray<int>> assignment)
    {
        assignment = [];
        var byIndex = manual.OrderBy(one => one.PartitionIndex).ToList();
        for (var index = 0; index < byIndex.Count; index++)
        {
            if (byIndex[index].PartitionIndex != index)
            {
                return (ErrorCode.InvalidReplicaAssignment, index > 0 && byIndex[index].PartitionIndex == index - 1
                    ? $"Found multiple manual partition assignments for partition {index - 1}"
                    : "partitions should be a consecutive 0-based integer sequence");
            }
        }

        return TakeManual(image, [.. byIndex.Select(one => one.BrokerIds)], byIndex[0].BrokerIds.Count, out assignment);
    }

    /// <param name="replicationFactor">What every partition of the topic has.</param>
    /// <param name="held">The brokers that hold the partition already, which may stay though they are cordoned.</param>
    public static (ErrorCode Error, string Message) TakeManual(
        MetadataImage image, IReadOnlyList<List<int>> manual, int replicationFactor, out ImmutableArray<ImmutableArray<int>> assignment, ImmutableArray<int> held = default)
    {
        assignment = [];
        foreach (var replicas in manual)
        {
            if (replicas.Count == 0)
            {
                return (ErrorCode.InvalidReplicaAssignment, "The manual partition assignment includes an empty replica list.");
            }

            if (replicas.Distinct().Count() != replicas.Count)
            {
                return (ErrorCode.InvalidReplicaAssignment,
                    $"The manual partition assignment includes the broker {replicas.GroupBy(id => id).First(group => group.Count() > 1).Key} more than once.");
            }

            if (replicas.FindIndex(id => !image.Brokers.ContainsKey(id)) is var unknown and >= 0)
            {
                return (ErrorCode.InvalidReplicaAssignment,
                    $"The manual partition assignment includes broker {replicas[unknown]}, but no such broker is registered.");
            }

            if (replicas.FindIndex(id => image.Brokers[id].IsCordoned && (held.IsDefault || !held.Contains(id))) is var cordoned and >= 0)
            {
                return (ErrorCode.InvalidReplicaAssignment,
                    $"The manual partition assignment includes broker {replicas[cordoned]}, and none of its log directories takes new replicas.");
            }

            if (replicas.Count != replicationFactor)
            {
                return (ErrorCode.InvalidReplicaAssignment,
                    $"The manual partition assignment includes a partition with {replicas.Count} replica(s), but this is not consistent with previous " +
                    $"partitions, which have {replicationFactor} replica(s).");
            }
        }

        assignment = [.. manual.Select(replicas => replicas.ToImmutableArray())];
        return (ErrorCode.None, "");
    }

    /// <summary>The record of a partition that starts empty: all unfenced replicas are in sync, the first of them leads.</summary>
    public static PartitionRecord NewPartition(MetadataImage image, Guid topicId, int index, ImmutableArray<int> replicas)
    {
        var inSync = replicas.Where(id => image.Brokers.TryGetValue(id, out var broker) && !broker.Fenced && !broker.InControlledShutdown).ToList();
        return new PartitionRecord
        {
            PartitionId = index,
            TopicId = topicId,
            Replicas = [.. replicas],
            Isr = inSync,
            Leader = inSync.Count == 0 ? PartitionRegistration.NoLeader : inSync[0],
            LeaderEpoch = 0,
            PartitionEpoch = 0,
            Directories = [.. replicas.Select(id => image.Brokers.GetValueOrDefault(id)?.OnlyDirectory ?? DirectoryIds.Unassigned)],
        };
    }
}
