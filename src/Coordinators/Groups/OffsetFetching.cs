using Milena.Coordinators.Runtime;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Coordinators.Groups;

/// <summary>OffsetFetch, versions 1 to 10.</summary>
/// <remarks>
/// An answer leaves only when all earlier records are committed, so that what it says is stable; until there are transactional commits,
/// <c>RequireStable</c> asks for nothing more.
/// </remarks>
internal sealed class OffsetFetching(GroupTable groups)
{
    /// <summary>From this version on a request is for many groups, and a topic may be given by its id.</summary>
    private const short FetchIsBatch = 8;

    private const long NoOffset = -1;
    private const int NoLeaderEpoch = -1;

    public void Handle(in CoordinatorRequest envelope, OffsetFetchRequest request, in Step step)
    {
        var response = new OffsetFetchResponse();
        if (envelope.ApiVersion >= FetchIsBatch)
        {
            foreach (var wanted in request.Groups)
            {
                groups.TryGet(wanted.GroupId, out var group);
                response.Groups.Add(new OffsetFetchResponse.OffsetFetchResponseGroup
                {
                    GroupId = wanted.GroupId,
                    Topics = wanted.Topics is null
                        ? AllOf(group)
                        : wanted.Topics.ConvertAll(topic => TopicOf(group, topic.Name, topic.TopicId, topic.PartitionIndexes)),
                });
            }
        }
        else
        {
            groups.TryGet(request.GroupId, out var group);
            var topics = request.Topics is null
                ? AllOf(group)
                : request.Topics.ConvertAll(topic => TopicOf(group, topic.Name, Guid.Empty, topic.PartitionIndexes));
            response.Topics = topics.ConvertAll(ToSingle);
        }

        step.Effects.Reply(envelope.ReplyTo, response);
    }

    /// <summary>The ids are those of the commits; a caller that answers by id checks that they are still the topics'.</summary>
    private static List<OffsetFetchResponse.OffsetFetchResponseTopics> AllOf(Group? group)
    {
        var topics = new List<OffsetFetchResponse.OffsetFetchResponseTopics>();
        if (group is null)
        {
            return topics;
        }

        foreach (var (name, partitions) in group.Offsets.Topics)
        {
            var topic = new OffsetFetchResponse.OffsetFetchResponseTopics { Name = name, TopicId = partitions.Values.Last().TopicId };
            foreach (var (partition, committed) in partitions)
            {
                topic.Partitions.Add(Found(partition, committed));
            }

            topics.Add(topic);
        }

        return topics;
    }

    private static OffsetFetchResponse.OffsetFetchResponseTopics TopicOf(Group? group, string name, Guid topicId, List<int> partitions)
    {
        var topic = new OffsetFetchResponse.OffsetFetchResponseTopics { Name = name, TopicId = topicId };
        foreach (var partition in partitions)
        {
            var found = group is not null && group.Offsets.TryGet(name, partition, out var committed) && IsOf(committed, topicId)
                ? Found(partition, committed)
                : Missing(partition);
            topic.Partitions.Add(found);
        }

        return topic;
    }

    /// <summary>An offset of a topic that was deleted says nothing of the one that bears its name now.</summary>
    private static bool IsOf(in CommittedOffset committed, Guid topicId) =>
        committed.TopicId == Guid.Empty || topicId == Guid.Empty || committed.TopicId == topicId;

    private static OffsetFetchResponse.OffsetFetchResponsePartitions Found(int partition, in CommittedOffset committed) => new()
    {
        PartitionIndex = partition,
        CommittedOffset = committed.Offset,
        CommittedLeaderEpoch = committed.LeaderEpoch,
        Metadata = committed.Metadata,
    };

    private static OffsetFetchResponse.OffsetFetchResponsePartitions Missing(int partition) => new()
    {
        PartitionIndex = partition,
        CommittedOffset = NoOffset,
        CommittedLeaderEpoch = NoLeaderEpoch,
        Metadata = "",
    };

    private static OffsetFetchResponse.OffsetFetchResponseTopic ToSingle(OffsetFetchResponse.OffsetFetchResponseTopics topic) => new()
    {
        Name = topic.Name,
        Partitions = topic.Partitions.ConvertAll(partition => new OffsetFetchResponse.OffsetFetchResponsePartition
        {
            PartitionIndex = partition.PartitionIndex,
            CommittedOffset = partition.CommittedOffset,
            CommittedLeaderEpoch = partition.CommittedLeaderEpoch,
            Metadata = partition.Metadata,
            ErrorCode = ErrorCode.None,
        }),
    };
}
