using System.Collections.Immutable;
using Milena.Metadata.Image;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Metadata.Controller;

/// <summary>Moves partitions to other brokers, or calls a move off.</summary>
public static class AlterPartitionReassignmentsDecision
{
    public static Decision Decide(MetadataImage image, AlterPartitionReassignmentsRequest request, ControllerContext context)
    {
        var response = new AlterPartitionReassignmentsResponse { AllowReplicationFactorChange = request.AllowReplicationFactorChange };
        if (PartitionAssignment.CheckCount(request.Topics.Sum(topic => topic.Partitions.Count), before: 0) is { } tooMany)
        {
            (response.ErrorCode, response.ErrorMessage) = (ErrorCode.InvalidRequest, tooMany);
            return Decision.Refuse(response);
        }

        var changes = context.Changes(image, _ => true);
        var records = new Dictionary<(string, int), PartitionChangeRecord>();
        foreach (var topic in request.Topics)
        {
            response.Responses.Add(new()
            {
                Name = topic.Name,
                Partitions = topic.Partitions.ConvertAll(wanted =>
                {
                    var refusal = Reassign(image, topic.Name, wanted, request.AllowReplicationFactorChange, changes, records);
                    return new AlterPartitionReassignmentsResponse.ReassignablePartitionResponse
                    {
                        PartitionIndex = wanted.PartitionIndex,
                        ErrorCode = refusal?.Error ?? ErrorCode.None,
                        ErrorMessage = ErrorText.Clip(refusal?.Message),
                    };
                }),
            });
        }

        return new Decision([.. records.Values], response);
    }

    private static (ErrorCode Error, string? Message)? Reassign(
        MetadataImage image,
        string name,
        AlterPartitionReassignmentsRequest.ReassignablePartition wanted,
        bool mayChangeFactor,
        PartitionChanges changes,
        Dictionary<(string, int), PartitionChangeRecord> records)
    {
        if (image.FindTopic(name) is not { } topic)
        {
            return (ErrorCode.UnknownTopicOrPartition, $"Unable to find a topic named {name}.");
        }

        if (topic.Find(wanted.PartitionIndex) is not { } partition)
        {
            return (ErrorCode.UnknownTopicOrPartition, $"Unable to find partition {name}:{wanted.PartitionIndex}.");
        }

        var (refusal, moved) = wanted.Replicas is { } target ? Begin(image, partition, target, mayChangeFactor) : Cancel(partition, name, wanted.PartitionIndex);
        if (moved is not null && changes.Move(topic, wanted.PartitionIndex, partition, moved) is { } change)
        {
            // Of what one request says twice of a partition, the last counts.
            records[(name, wanted.PartitionIndex)] = change;
        }

        return refusal;
    }

    private static ((ErrorCode, string?)? Refusal, PartitionRegistration? Moved) Begin(
        MetadataImage image, PartitionRegistration partition, List<int> target, bool mayChangeFactor)
    {
        // Of a partition that is on its way already, the factor that it will have.
        var factor = partition.Replicas.Length - partition.RemovingReplicas.Length;
        if (PartitionAssignment.TakeManual(image, [target], target.Count, out var assignment, partition.Replicas) is var (error, message) && error != ErrorCode.None)
        {
            return ((error, message), null);
        }

        return !mayChangeFactor && target.Count != factor
            ? ((ErrorCode.InvalidReplicationFactor, $"The replication factor is changed from {factor} to {target.Count}"), null)
            : (null, Reassignment.Begin(partition, assignment[0]));
    }

    private static ((ErrorCode, string?)? Refusal, PartitionRegistration? Moved) Cancel(PartitionRegistration partition, string name, int index)
    {
        if (!Reassignment.IsUnderWay(partition))
        {
            return ((ErrorCode.NoReassignmentInProgress, "No partition reassignment is in progress."), null);
        }

        return Reassignment.Cancel(partition) is { } before
            ? (null, before)
            : ((ErrorCode.InvalidReplicaAssignment,
                $"Unable to revert partition assignment for {name}:{index} because it would require an unclean leader election."), null);
    }
}

/// <summary>Which partitions are on their way to other brokers, as an image says.</summary>
public static class OngoingReassignments
{
    /// <param name="topics">Of these partitions only; null for all. What does not exist is left out.</param>
    public static ListPartitionReassignmentsResponse List(MetadataImage image, List<ListPartitionReassignmentsRequest.ListPartitionReassignmentsTopics>? topics)
    {
        var wanted = topics?.Select(topic => (Topic: image.FindTopic(topic.Name), Indexes: (IEnumerable<int>)topic.PartitionIndexes))
            ?? image.TopicsByName.Values.Select(topic => ((TopicImage?)topic, Enumerable.Range(0, topic.Partitions.Length)));
        var response = new ListPartitionReassignmentsResponse();
        foreach (var (topic, indexes) in wanted)
        {
            var ongoing = indexes.Distinct().Select(index => Describe(topic?.Find(index), index)).OfType<ListPartitionReassignmentsResponse.OngoingPartitionReassignment>().ToList();
            if (ongoing.Count > 0)
            {
                response.Topics.Add(new() { Name = topic!.Name, Partitions = ongoing });
            }
        }

        return response;
    }

    private static ListPartitionReassignmentsResponse.OngoingPartitionReassignment? Describe(PartitionRegistration? partition, int index) =>
        partition is not null && Reassignment.IsUnderWay(partition)
            ? new()
            {
                PartitionIndex = index,
                Replicas = [.. partition.Replicas],
                AddingReplicas = [.. partition.AddingReplicas],
                RemovingReplicas = [.. partition.RemovingReplicas],
            }
            : null;
}
