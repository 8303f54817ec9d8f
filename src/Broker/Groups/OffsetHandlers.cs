using Milena.Metadata.Image;
using Milena.Model;
using Milena.Network;
using Milena.Protocol;

namespace Milena.Broker.Groups;

/// <summary>Commits offsets of the partitions that exist; the others are answered here.</summary>
public sealed class OffsetCommitHandler(BrokerContext broker, GroupRouting routing) : ApiHandler<OffsetCommitRequest>(ApiKey.OffsetCommit)
{
    private const short TopicIdVersion = 10;

    protected override async ValueTask<IResponseMessage?> HandleAsync(RequestContext context, OffsetCommitRequest request)
    {
        var response = new OffsetCommitResponse();
        var known = new List<OffsetCommitRequest.OffsetCommitRequestTopic>();
        foreach (var topic in request.Topics)
        {
            Sort(topic, context.ApiVersion >= TopicIdVersion, known, response);
        }

        if (known.Count == 0)
        {
            return response;
        }

        var forwarded = new OffsetCommitRequest
        {
            GroupId = request.GroupId,
            GenerationIdOrMemberEpoch = request.GenerationIdOrMemberEpoch,
            MemberId = request.MemberId,
            GroupInstanceId = request.GroupInstanceId,
            RetentionTimeMs = request.RetentionTimeMs,
            Topics = known,
        };
        var answer = await routing.AskAsync(context, request.GroupId, forwarded);
        response.Topics.AddRange(answer.Response is OffsetCommitResponse committed ? committed.Topics : known.Select(topic => Answer(topic, _ => answer.Error)));
        response.Topics = Merge(response.Topics);
        return response;
    }

    /// <summary>Fills in name and id of a topic that exists; what does not exist is answered at once.</summary>
    private void Sort(
        OffsetCommitRequest.OffsetCommitRequestTopic topic,
        bool byId,
        List<OffsetCommitRequest.OffsetCommitRequestTopic> known,
        OffsetCommitResponse response)
    {
        var found = byId ? broker.Image.FindTopic(topic.TopicId) : broker.Image.FindTopic(topic.Name);
        if (found is null)
        {
            response.Topics.Add(Answer(topic, _ => byId ? ErrorCode.UnknownTopicId : ErrorCode.UnknownTopicOrPartition));
            return;
        }

        var missing = topic.Partitions.FindAll(partition => found.Find(partition.PartitionIndex) is null);
        topic.Partitions.RemoveAll(missing.Contains);
        (topic.Name, topic.TopicId) = (found.Name, found.Id);
        if (missing.Count > 0)
        {
            var absent = new OffsetCommitRequest.OffsetCommitRequestTopic { Name = topic.Name, TopicId = topic.TopicId, Partitions = missing };
            response.Topics.Add(Answer(absent, _ => ErrorCode.UnknownTopicOrPartition));
        }

        if (topic.Partitions.Count > 0)
        {
            known.Add(topic);
        }
    }

    private static OffsetCommitResponse.OffsetCommitResponseTopic Answer(OffsetCommitRequest.OffsetCommitRequestTopic topic, Func<int, ErrorCode> error) => new()
    {
        Name = topic.Name,
        TopicId = topic.TopicId,
        Partitions = topic.Partitions.ConvertAll(partition => new OffsetCommitResponse.OffsetCommitResponsePartition
        {
            PartitionIndex = partition.PartitionIndex,
            ErrorCode = error(partition.PartitionIndex),
        }),
    };

    private static List<OffsetCommitResponse.OffsetCommitResponseTopic> Merge(List<OffsetCommitResponse.OffsetCommitResponseTopic> topics) =>
    [
        .. topics.GroupBy(topic => (topic.Name, topic.TopicId)).Select(same => new OffsetCommitResponse.OffsetCommitResponseTopic
        {
            Name = same.Key.Name,
            TopicId = same.Key.TopicId,
            Partitions = [.. same.SelectMany(topic => topic.Partitions)],
        })
    ];
}

/// <summary>Tells what groups have committed: one group before version 8, several of perhaps several coordinators since.</summary>
public sealed class OffsetFetchHandler(BrokerContext broker, GroupRouting routing) : ApiHandler<OffsetFetchRequest>(ApiKey.OffsetFetch)
{
    private const short BatchVersion = 8;
    private const short TopicIdVersion = 10;
    private const short TopLevelErrorVersion = 2;
    private const long NoOffset = -1;

    protected override async ValueTask<IResponseMessage?> HandleAsync(RequestContext context, OffsetFetchRequest request) => context.ApiVersion >= BatchVersion
        ? await FetchBatchAsync(context, request)
        : await FetchOneAsync(context, request);

    private async Task<OffsetFetchResponse> FetchOneAsync(RequestContext context, OffsetFetchRequest request)
    {
        var answer = await routing.AskAsync(context, request.GroupId, request);
        if (answer.Response is OffsetFetchResponse response)
        {
            return response;
        }

        return context.ApiVersion >= TopLevelErrorVersion
            ? new OffsetFetchResponse { ErrorCode = answer.Error }
            : new OffsetFetchResponse
            {
                Topics = (request.Topics ?? []).ConvertAll(topic => new OffsetFetchResponse.OffsetFetchResponseTopic
                {
                    Name = topic.Name,
                    Partitions = topic.PartitionIndexes.ConvertAll(partition => new OffsetFetchResponse.OffsetFetchResponsePartition
                    {
                        PartitionIndex = partition,
                        CommittedOffset = NoOffset,
                        Metadata = "",
                        ErrorCode = answer.Error,
                    }),
                }),
            };
    }

    private async Task<OffsetFetchResponse> FetchBatchAsync(RequestContext context, OffsetFetchRequest request)
    {
        var image = broker.Image;
        var byId = context.ApiVersion >= TopicIdVersion;
        var unknown = new Dictionary<string, List<OffsetFetchResponse.OffsetFetchResponseTopics>>();
        foreach (var group in request.Groups)
        {
            unknown[group.GroupId] = byId ? TakeUnknown(image, group) : [];
            if (!byId)
            {
                Identify(image, group);
            }
        }

        var groups = await routing.ScatterAsync<OffsetFetchRequest.OffsetFetchRequestGroup, OffsetFetchResponse, OffsetFetchResponse.OffsetFetchResponseGroup>(
            context,
            request.Groups,
            group => group.GroupId,
            some => new OffsetFetchRequest { Groups = some, RequireStable = request.RequireStable },
            answer => answer.Groups,
            (group, error) => new() { GroupId = group.GroupId, ErrorCode = error });
        foreach (var group in groups.Where(group => group.ErrorCode == ErrorCode.None))
        {
            if (byId)
            {
                DropStale(image, group);
            }

            group.Topics.AddRange(unknown[group.GroupId]);
        }

        return new OffsetFetchResponse { Groups = groups };
    }

    /// <summary>Takes topics whose id the cluster does not know out of the request, and answers them.</summary>
    private static List<OffsetFetchResponse.OffsetFetchResponseTopics> TakeUnknown(MetadataImage image, OffsetFetchRequest.OffsetFetchRequestGroup group)
    {
        var missing = group.Topics?.FindAll(topic => image.FindTopic(topic.TopicId) is null) ?? [];
        group.Topics?.RemoveAll(missing.Contains);
        foreach (var topic in group.Topics ?? [])
        {
            topic.Name = image.FindTopic(topic.TopicId)!.Name;
        }

        return missing.ConvertAll(topic => new OffsetFetchResponse.OffsetFetchResponseTopics
        {
            TopicId = topic.TopicId,
            Partitions = topic.PartitionIndexes.ConvertAll(partition => new OffsetFetchResponse.OffsetFetchResponsePartitions
            {
                PartitionIndex = partition,
                CommittedOffset = NoOffset,
                Metadata = "",
                ErrorCode = ErrorCode.UnknownTopicId,
            }),
        });
    }

    /// <summary>So that an offset of a deleted topic is not told as that of its namesake.</summary>
    private static void Identify(MetadataImage image, OffsetFetchRequest.OffsetFetchRequestGroup group)
    {
        foreach (var topic in group.Topics ?? [])
        {
            topic.TopicId = image.FindTopic(topic.Name)?.Id ?? Guid.Empty;
        }
    }

    /// <summary>An answer by id can only name topics that still exist.</summary>
    private static void DropStale(MetadataImage image, OffsetFetchResponse.OffsetFetchResponseGroup group)
    {
        foreach (var topic in group.Topics.Where(topic => topic.TopicId == Guid.Empty))
        {
            topic.TopicId = image.FindTopic(topic.Name)?.Id ?? Guid.Empty;
        }

        group.Topics.RemoveAll(topic => image.FindTopic(topic.TopicId) is null);
    }
}
