using System.Collections.Immutable;
using Milena.Metadata.Image;
using Milena.Protocol;

namespace Milena.Metadata.Controller.Balancing;

/// <summary>Leaders leave a broker that is to be emptied before its replicas do: that costs nothing, and the broker has less to do from then on.</summary>
internal static class LeadersFirst
{
    /// <summary>Gives each partition that such a broker leads, or is to lead, to a replica that is in sync and stays. The others come last in the list.</summary>
    /// <param name="max">Of one round, so that not every leader moves at once.</param>
    public static List<IMessage> Leave(MetadataImage image, ControllerContext context, ImmutableSortedSet<int> leaving, int max)
    {
        var changes = context.Changes(image, id => !leaving.Contains(id));
        var records = new List<IMessage>();
        foreach (var topic in image.TopicsById.Values)
        {
            for (var index = 0; index < topic.Partitions.Length && records.Count < max; index++)
            {
                var partition = topic.Partitions[index];
                if ((leaving.Contains(partition.Replicas[0]) || leaving.Contains(partition.Leader))
                    && !Reassignment.IsUnderWay(partition)
                    && partition.Isr.Any(id => !leaving.Contains(id) && MayLead(image, partition, id))
                    && changes.Move(topic, index, partition, Reassignment.Begin(partition, StayingFirst(partition, leaving))) is { } record)
                {
                    records.Add(record);
                }
            }
        }

        return records;
    }

    private static ImmutableArray<int> StayingFirst(PartitionRegistration partition, ImmutableSortedSet<int> leaving) =>
        [.. partition.Replicas.Where(id => !leaving.Contains(id)), .. partition.Replicas.Where(leaving.Contains)];

    private static bool MayLead(MetadataImage image, PartitionRegistration partition, int id) =>
        image.Brokers.TryGetValue(id, out var broker) && !broker.Fenced && !broker.InControlledShutdown && image.HasOnlineReplica(partition, id);
}
