using Milena.Coordinators.Runtime;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Coordinators.Groups;

/// <summary>OffsetCommit, versions 2 to 10, and OffsetDelete.</summary>
/// <remarks>Topics come with their names, and with their ids where the caller knows them; which topics exist is the caller's to check.</remarks>
internal sealed class OffsetHandling(GroupSettings settings, GroupTable groups)
{
    /// <summary>From this version on clients know that a group may be unknown (KIP-848).</summary>
    private const short CommitKnowsGroupIdNotFound = 9;

    private const long NoRetentionTime = -1;

    public void Handle(in CoordinatorRequest envelope, OffsetCommitRequest request, in Step step)
    {
        groups.TryGet(request.GroupId, out var group);
        var error = Check(group, request, envelope.ApiVersion);
        if (error == ErrorCode.None && MaxBytesOf(request) > settings.MaxBatchBytes)
        {
            error = ErrorCode.InvalidCommitOffsetSize;
        }

        if (error == ErrorCode.None && group is not null)
        {
            KeepSession(group, request.MemberId, step);
        }

        var response = new OffsetCommitResponse();
        foreach (var topic in request.Topics)
        {
            var answered = new OffsetCommitResponse.OffsetCommitResponseTopic { Name = topic.Name, TopicId = topic.TopicId };
            response.Topics.Add(answered);
            foreach (var partition in topic.Partitions)
            {
                answered.Partitions.Add(new OffsetCommitResponse.OffsetCommitResponsePartition
                {
                    PartitionIndex = partition.PartitionIndex,
                    ErrorCode = error == ErrorCode.None ? Commit(ref group, request, topic, partition, step) : error,
                });
            }
        }

        step.Effects.Reply(envelope.ReplyTo, response);
    }

    public void Handle(in CoordinatorRequest envelope, OffsetDeleteRequest request, in Step step)
    {
        var response = new OffsetDeleteResponse();
        if (request.GroupId.Length == 0)
        {
            response.ErrorCode = ErrorCode.InvalidGroupId;
        }
        else if (!groups.TryGet(request.GroupId, out var group))
        {
            response.ErrorCode = ErrorCode.GroupIdNotFound;
        }
        else if (group.State != GroupState.Empty && !group.UsesConsumerProtocol)
        {
            response.ErrorCode = ErrorCode.NonEmptyGroup;
        }
        else
        {
            foreach (var topic in request.Topics)
            {
                response.Topics.Add(Delete(group, topic, step));
            }
        }

        step.Effects.Reply(envelope.ReplyTo, response);
    }

    private static ErrorCode Check(Group? group, OffsetCommitRequest request, short version)
    {
        var generation = request.GenerationIdOrMemberEpoch;
        if (group is null)
        {
            return Names.IsTooLong(request.GroupId) ? ErrorCode.InvalidGroupId
                : generation < 0 ? ErrorCode.None
                : version >= CommitKnowsGroupIdNotFound ? ErrorCode.GroupIdNotFound
                : ErrorCode.IllegalGeneration;
        }

        // Without a generation the offsets are an administrator's, or a consumer's that assigns its partitions itself: then nobody may be
        // in the group whose offsets they are.
        if (generation < 0 && group.State == GroupState.Empty)
        {
            return ErrorCode.None;
        }

        if (generation < 0 && request.MemberId.Length == 0 && request.GroupInstanceId is null)
        {
            return ErrorCode.UnknownMemberId;
        }

        if (group.Validate(request.MemberId, request.GroupInstanceId) is var error and not ErrorCode.None)
        {
            return error;
        }

        if (generation != group.Generation)
        {
            return ErrorCode.IllegalGeneration;
        }

        return group.State == GroupState.CompletingRebalance ? ErrorCode.RebalanceInProgress : ErrorCode.None;
    }

    private static void KeepSession(Group group, string memberId, in Step step)
    {
        if (group.TryGetMember(memberId, out var member))
        {
            Rebalancing.Touch(group, member, step);
        }
    }

    private ErrorCode Commit(
        ref Group? group,
        OffsetCommitRequest request,
        OffsetCommitRequest.OffsetCommitRequestTopic topic,
        OffsetCommitRequest.OffsetCommitRequestPartition partition,
        in Step step)
    {
        if (partition.CommittedMetadata?.Length > settings.OffsetMetadataMaxBytes || Names.IsTooLong(partition.CommittedMetadata))
        {
            return ErrorCode.OffsetMetadataTooLarge;
        }

        if (group is null)
        {
            group = new Group(request.GroupId);
            groups.Set(group);
        }

        var committed = GroupRecords.AsStored(new CommittedOffset(
            partition.CommittedOffset,
            partition.CommittedLeaderEpoch < 0 ? -1 : partition.CommittedLeaderEpoch,
            partition.CommittedMetadata ?? "",
            step.NowMs,
            ExpiryOf(request.RetentionTimeMs, step.NowMs),
            topic.TopicId));
        group.Offsets.Set(topic.Name, partition.PartitionIndex, committed);
        step.Effects.Append(GroupRecords.OfOffset(group.Id, topic.Name, partition.PartitionIndex, committed));
        return ErrorCode.None;
    }

    private static long? ExpiryOf(long retentionTimeMs, long nowMs) =>
        retentionTimeMs == NoRetentionTime ? null : (long)Int128.Clamp((Int128)nowMs + retentionTimeMs, 0, long.MaxValue);

    private static long MaxBytesOf(OffsetCommitRequest request)
    {
        var bytes = 0L;
        foreach (var topic in request.Topics)
        {
            foreach (var partition in topic.Partitions)
            {
                bytes += GroupRecords.MaxBytesOfOffset(request.GroupId, topic.Name, partition.CommittedMetadata ?? "");
            }
        }

        return bytes;
    }

    private static OffsetDeleteResponse.OffsetDeleteResponseTopic Delete(
        Group group, OffsetDeleteRequest.OffsetDeleteRequestTopic topic, in Step step)
    {
        var isSubscribed = group.IsSubscribedTo(topic.Name);
        var answered = new OffsetDeleteResponse.OffsetDeleteResponseTopic { Name = topic.Name };
        foreach (var partition in topic.Partitions)
        {
            answered.Partitions.Add(new OffsetDeleteResponse.OffsetDeleteResponsePartition
            {
                PartitionIndex = partition.PartitionIndex,
                ErrorCode = isSubscribed ? ErrorCode.GroupSubscribedToTopic : ErrorCode.None,
            });
            if (!isSubscribed && group.Offsets.TryGet(topic.Name, partition.PartitionIndex, out _))
            {
                group.Offsets.Remove(topic.Name, partition.PartitionIndex);
                step.Effects.Append(GroupRecords.OffsetTombstone(group.Id, topic.Name, partition.PartitionIndex));
            }
        }

        return answered;
    }
}
