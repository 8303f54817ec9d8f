using Milena.Model;
using Milena.Network;
using Milena.Protocol;
using Milena.Replication;
using Milena.Storage;

namespace Milena.Broker.Handlers;

/// <summary>Finds offsets: the ends of a partition, the record with the largest timestamp, or the first one at or after a time.</summary>
public sealed class ListOffsetsHandler(BrokerContext broker) : ApiHandler<ListOffsetsRequest>(ApiKey.ListOffsets)
{
    private const long Latest = -1;
    private const long Earliest = -2;
    private const long MaxTimestamp = -3;
    private const long EarliestLocal = -4;
    private const long LatestTiered = -5;
    private const long EarliestPendingUpload = -6;
    private const short LeaderEpochVersion = 4;
    private const short OffsetNotAvailableVersion = 5;

    /// <summary>A client's replica id: it sees what is committed. A debugging consumer (-2) sees all that is here.</summary>
    private const int Consumer = -1;

    protected override ValueTask<IResponseMessage?> HandleAsync(RequestContext context, ListOffsetsRequest request)
    {
        var response = new ListOffsetsResponse();
        var repeated = request.Topics.SelectMany(topic => topic.Partitions.Select(partition => (topic.Name, partition.PartitionIndex)))
            .GroupBy(one => one).Where(group => group.Count() > 1).Select(group => group.Key).ToHashSet();
        foreach (var topic in request.Topics)
        {
            var answers = new ListOffsetsResponse.ListOffsetsTopicResponse { Name = topic.Name };
            foreach (var partition in topic.Partitions)
            {
                if (!repeated.Contains((topic.Name, partition.PartitionIndex)))
                {
                    answers.Partitions.Add(TryFind(request, topic.Name, partition, context.ApiVersion));
                }
                else if (answers.Partitions.TrueForAll(answer => answer.PartitionIndex != partition.PartitionIndex))
                {
                    answers.Partitions.Add(new() { PartitionIndex = partition.PartitionIndex, ErrorCode = ErrorCode.InvalidRequest });
                }
            }

            response.Topics.Add(answers);
        }

        return Answer(response);
    }

    private ListOffsetsResponse.ListOffsetsPartitionResponse TryFind(
        ListOffsetsRequest request, string topic, ListOffsetsRequest.ListOffsetsPartition wanted, short version)
    {
        try
        {
            return Find(request, topic, wanted, version);
        }
        catch (LogIOException)
        {
            return new() { PartitionIndex = wanted.PartitionIndex, ErrorCode = ErrorCode.KafkaStorageError };
        }
    }

    private ListOffsetsResponse.ListOffsetsPartitionResponse Find(
        ListOffsetsRequest request, string topic, ListOffsetsRequest.ListOffsetsPartition wanted, short version)
    {
        var answer = new ListOffsetsResponse.ListOffsetsPartitionResponse { PartitionIndex = wanted.PartitionIndex };
        Replica? replica = null;
        answer.ErrorCode = IsServed(wanted.Timestamp, version)
            ? broker.FindLeader(new TopicPartition(topic, wanted.PartitionIndex), wanted.CurrentLeaderEpoch, out replica)
            : ErrorCode.UnsupportedVersion;
        if (answer.ErrorCode != ErrorCode.None)
        {
            return answer;
        }

        var log = replica!.Log;
        var end = request.ReplicaId != Consumer ? log.LogEndOffset
            : request.IsolationLevel == 1 ? replica.LastStableOffset
            : replica.HighWatermark;
        var isBehind = request.ReplicaId == Consumer && end < EpochStartOf(replica);
        switch (wanted.Timestamp)
        {
            case Latest when isBehind:
                answer.ErrorCode = NotAvailable(version);
                break;
            case Latest:
                (answer.Offset, answer.LeaderEpoch) = (end, replica.Leadership.Epoch);
                break;
            case Earliest or EarliestLocal:
                (answer.Offset, answer.LeaderEpoch) = (log.LogStartOffset, log.LeaderEpochs.EpochOf(log.LogStartOffset) ?? -1);
                break;
            case LatestTiered or EarliestPendingUpload:
                // Nothing is tiered: the answer for both is "no such offset".
                break;
            default:
                var found = wanted.Timestamp == MaxTimestamp ? log.FindMaxTimestamp() : log.FindByTimestamp(wanted.Timestamp, end);
                // An offset that consumers may not read yet does not exist for them yet.
                if (found.IsFound && found.Offset < end)
                {
                    (answer.Offset, answer.Timestamp, answer.LeaderEpoch) = (found.Offset, found.TimestampMs, found.LeaderEpoch);
                }
                else if (isBehind)
                {
                    answer.ErrorCode = NotAvailable(version);
                }

                break;
        }

        if (version < LeaderEpochVersion)
        {
            answer.LeaderEpoch = -1;
        }

        return answer;
    }

    /// <summary>
    /// A new leader does not know at once how far its predecessor had committed. Until it has committed its own epoch's start, an end that
    /// it told could lie before one that the client was told earlier (KIP-207).
    /// </summary>
    private static long EpochStartOf(Replica replica) =>
        replica.Log.LeaderEpochs.Starts is [.., var last] && last.Epoch == replica.Leadership.Epoch ? last.StartOffset : 0;

    private static ErrorCode NotAvailable(short version) => version >= OffsetNotAvailableVersion ? ErrorCode.OffsetNotAvailable : ErrorCode.LeaderNotAvailable;

    private static bool IsServed(long timestamp, short version) => timestamp switch
    {
        >= Earliest => true,
        MaxTimestamp => version >= 7,
        EarliestLocal => version >= 8,
        LatestTiered => version >= 9,
        EarliestPendingUpload => version >= 11,
        _ => false,
    };
}

/// <summary>Where a leader epoch ended in a partition: clients and followers truncate by it (KIP-101, KIP-320).</summary>
public sealed class OffsetForLeaderEpochHandler(BrokerContext broker) : ApiHandler<OffsetForLeaderEpochRequest>(ApiKey.OffsetForLeaderEpoch)
{
    protected override ValueTask<IResponseMessage?> HandleAsync(RequestContext context, OffsetForLeaderEpochRequest request)
    {
        var response = new OffsetForLeaderEpochResponse();
        foreach (var topic in request.Topics)
        {
            var answers = new OffsetForLeaderEpochResponse.OffsetForLeaderTopicResult { Topic = topic.Topic };
            foreach (var partition in topic.Partitions)
            {
                var answer = new OffsetForLeaderEpochResponse.EpochEndOffset { Partition = partition.Partition };
                answer.ErrorCode = broker.FindLeader(new TopicPartition(topic.Topic, partition.Partition), partition.CurrentLeaderEpoch, out var replica);
                if (answer.ErrorCode == ErrorCode.None)
                {
                    (answer.LeaderEpoch, answer.EndOffset) = replica!.Log.EndOffsetForEpoch(partition.LeaderEpoch);
                }

                answers.Partitions.Add(answer);
            }

            response.Topics.Add(answers);
        }

        return Answer(response);
    }
}
