using Milena.Model;
using Milena.Network;
using Milena.Protocol;
using Milena.Storage;

namespace Milena.Broker.Handlers;

/// <summary>How much each partition takes on each of this broker's disks, how far those are that move in, how much room is left there, and whether anything new may come.</summary>
public sealed class DescribeLogDirsHandler(BrokerContext broker) : ApiHandler<DescribeLogDirsRequest>(ApiKey.DescribeLogDirs)
{
    protected override ValueTask<IResponseMessage?> HandleAsync(RequestContext context, DescribeLogDirsRequest request)
    {
        var wanted = request.Topics?.SelectMany(topic => topic.Partitions.Select(partition => new TopicPartition(topic.Topic, partition))).ToHashSet();
        var directories = broker.Replicas.LogDirectories;
        var cordoned = broker.Replicas.CordonedDirectories;
        var response = new DescribeLogDirsResponse();
        response.Results.AddRange(directories.Failures.Select(one => Failed(one.Key)));
        response.Results.AddRange(directories.All.Where(one => !directories.IsOffline(one.FullPath)).Select(one => Describe(one, wanted, cordoned.Contains(one.FullPath))));
        return Answer(response);
    }

    private static DescribeLogDirsResponse.DescribeLogDirsResult Failed(string path) => new() { LogDir = path, ErrorCode = ErrorCode.KafkaStorageError };

    private DescribeLogDirsResponse.DescribeLogDirsResult Describe(LogDirectory directory, HashSet<TopicPartition>? wanted, bool isCordoned)
    {
        try
        {
            var (total, usable) = directory.Space();
            var partitions = Residents(directory).Concat(Newcomers(directory)).Where(one => wanted is null || wanted.Contains(one.Partition));
            return new()
            {
                LogDir = directory.FullPath,
                TotalBytes = total,
                UsableBytes = usable,
                IsCordoned = isCordoned,
                Topics = [.. partitions.GroupBy(one => one.Partition.Topic).Select(topic => new DescribeLogDirsResponse.DescribeLogDirsTopic
                {
                    Name = topic.Key,
                    Partitions = [.. topic.Select(one => one.Described)],
                })],
            };
        }
        catch (LogIOException)
        {
            // It has just failed, and the sink knows.
            return Failed(directory.FullPath);
        }
    }

    private IEnumerable<(TopicPartition Partition, DescribeLogDirsResponse.DescribeLogDirsPartition Described)> Residents(LogDirectory directory) =>
        from replica in broker.Replicas.Directory.All
        let log = replica.Log
        where Path.GetDirectoryName(log.Folder) == directory.FullPath
        select (replica.TopicPartition, new DescribeLogDirsResponse.DescribeLogDirsPartition
        {
            PartitionIndex = replica.TopicPartition.Partition,
            PartitionSize = log.SizeInBytes,
            OffsetLag = Math.Max(0, replica.HighWatermark - log.LogEndOffset),
        });

    private IEnumerable<(TopicPartition Partition, DescribeLogDirsResponse.DescribeLogDirsPartition Described)> Newcomers(LogDirectory directory) =>
        from future in directory.Futures
        let present = broker.Replicas.Directory.Find(future.Key)
        where present is not null
        select (future.Key, new DescribeLogDirsResponse.DescribeLogDirsPartition
        {
            PartitionIndex = future.Key.Partition,
            PartitionSize = future.Value.SizeInBytes,
            OffsetLag = new LogCopy(present.Log, future.Value).Lag,
            IsFutureKey = true,
        });
}

/// <summary>Moves replicas of this broker between its log directories (KIP-113). The answer says what begins; DescribeLogDirs tells how far it is.</summary>
public sealed class AlterReplicaLogDirsHandler(BrokerContext broker) : ApiHandler<AlterReplicaLogDirsRequest>(ApiKey.AlterReplicaLogDirs)
{
    protected override ValueTask<IResponseMessage?> HandleAsync(RequestContext context, AlterReplicaLogDirsRequest request)
    {
        var answers =
            from directory in request.Dirs
            from topic in directory.Topics
            from partition in topic.Partitions
            let error = broker.Replicas.MoveReplica(new TopicPartition(topic.Name, partition), directory.Path)
            group new AlterReplicaLogDirsResponse.AlterReplicaLogDirPartitionResult { PartitionIndex = partition, ErrorCode = error } by topic.Name;
        return Answer(new AlterReplicaLogDirsResponse
        {
            Results = [.. answers.Select(topic => new AlterReplicaLogDirsResponse.AlterReplicaLogDirTopicResult { TopicName = topic.Key, Partitions = [.. topic] })],
        });
    }
}
