using Milena.Metadata.Image;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Metadata.Controller;

/// <summary>A broker says in which of its log directories its replicas lie (KIP-858).</summary>
/// <remarks>What lies in a directory that is not among the broker's online ones leaves the ISR, and leads nothing.</remarks>
public static class AssignReplicasToDirsDecision
{
    public static Decision Decide(MetadataImage image, AssignReplicasToDirsRequest request, ControllerContext context)
    {
        if (!image.Brokers.TryGetValue(request.BrokerId, out var broker) || broker.Epoch != request.BrokerEpoch)
        {
            return Decision.Refuse(new AssignReplicasToDirsResponse { ErrorCode = ErrorCode.StaleBrokerEpoch });
        }

        var records = new List<IMessage>();
        var seen = new HashSet<(Guid, int)>();
        var response = new AssignReplicasToDirsResponse();
        foreach (var directory in request.Directories)
        {
            response.Directories.Add(new()
            {
                Id = directory.Id,
                Topics = directory.Topics.ConvertAll(topic => new AssignReplicasToDirsResponse.TopicData
                {
                    TopicId = topic.TopicId,
                    Partitions = topic.Partitions.ConvertAll(partition => new AssignReplicasToDirsResponse.PartitionData
                    {
                        PartitionIndex = partition.PartitionIndex,
                        ErrorCode = seen.Add((topic.TopicId, partition.PartitionIndex))
                            ? Assign(image, broker, image.FindTopic(topic.TopicId), partition.PartitionIndex, directory.Id, context, records)
                            : ErrorCode.InvalidRequest,
                    }),
                }),
            });
        }

        return new Decision(records, response);
    }

    private static ErrorCode Assign(
        MetadataImage image, BrokerRegistration broker, TopicImage? topic, int index, Guid directory, ControllerContext context, List<IMessage> records)
    {
        if (topic is null)
        {
            return ErrorCode.UnknownTopicId;
        }

        if (topic.Find(index) is not { } partition)
        {
            return ErrorCode.UnknownTopicOrPartition;
        }

        if (!partition.Replicas.Contains(broker.Id))
        {
            return ErrorCode.NotLeaderOrFollower;
        }

        if (partition.DirectoryOf(broker.Id) == directory)
        {
            return ErrorCode.None;
        }

        var assigned = partition with { Directories = partition.Directories.SetItem(partition.Replicas.IndexOf(broker.Id), directory) };
        var changes = context.Changes(image, _ => true);
        var record = (broker.IsOnline(directory) ? changes.Change(topic, index, assigned, assigned.Isr) : changes.ReplicaFailed(topic, index, assigned, broker.Id))
            ?? new PartitionChangeRecord { TopicId = topic.Id, PartitionId = index };
        record.Directories ??= [.. assigned.Directories];
        records.Add(record);
        return ErrorCode.None;
    }
}
