using Microsoft.Extensions.Logging;
using Milena.Model;

namespace Milena.Replication;

/// <summary>What the room writes to the program's log outside its actors.</summary>
internal static partial class ReplicationEvents
{
    [LoggerMessage(1, LogLevel.Error, "{Path}: the log directory failed and is offline; its partitions answer KAFKA_STORAGE_ERROR until this node is restarted, and are led by other replicas where there are any in sync")]
    public static partial void DirectoryOffline(ILogger logger, string path, Exception error);

    [LoggerMessage(2, LogLevel.Warning, "{Partition}: the metadata does not place it here; its records were set aside in {Folder}, which nothing deletes")]
    public static partial void StraySetAside(ILogger logger, TopicPartition partition, string folder);

    [LoggerMessage(3, LogLevel.Warning, "{Folder} was set aside as a stray by an earlier start; delete it when its records are not wanted")]
    public static partial void StrayKept(ILogger logger, string folder);

    [LoggerMessage(4, LogLevel.Error, "{Path}: the checkpoints cannot be written")]
    public static partial void CheckpointFailed(ILogger logger, string path, Exception error);

    [LoggerMessage(5, LogLevel.Warning, "Broker {Leader} cannot be fetched from: {Reason}; tried again until it can")]
    public static partial void LeaderLost(ILogger logger, int leader, string reason);

    [LoggerMessage(6, LogLevel.Debug, "{Partition}: the fetch from leader {Leader} in epoch {Epoch} at offset {Offset} failed: {Error} {Reason}")]
    public static partial void FetchFailed(ILogger logger, TopicPartition partition, int leader, int epoch, long offset, ErrorCode error, string? reason);

    [LoggerMessage(7, LogLevel.Warning, "Changes of the in-sync replicas of {Count} partitions wait for the controller: {Reason}")]
    public static partial void IsrProposalsUnanswered(ILogger logger, int count, string reason);

    [LoggerMessage(8, LogLevel.Warning, "The controller is still to be told in which log directories {Count} replicas lie: {Reason}")]
    public static partial void AssignmentsUnanswered(ILogger logger, int count, string reason);

    [LoggerMessage(9, LogLevel.Error, "{Partition}: its records lie in no log directory that works; this replica is not served until the node is restarted with the one that holds them")]
    public static partial void ReplicaLost(ILogger logger, TopicPartition partition);

    [LoggerMessage(10, LogLevel.Information, "{Partition}: moves from {Source} to {Target}")]
    public static partial void MoveBegins(ILogger logger, TopicPartition partition, string source, string target);

    [LoggerMessage(11, LogLevel.Information, "{Partition}: has moved from {Source} to {Target}, up to offset {LogEndOffset}")]
    public static partial void Moved(ILogger logger, TopicPartition partition, string source, string target, long logEndOffset);

    [LoggerMessage(12, LogLevel.Error, "{Partition}: does not move to {Target}: {Reason}")]
    public static partial void MoveFailed(ILogger logger, TopicPartition partition, string target, string reason);

    [LoggerMessage(13, LogLevel.Warning, "{Partition}: lay in two directories; the records of the shorter log were set aside in {Folder}, which nothing deletes")]
    public static partial void DuplicateSetAside(ILogger logger, TopicPartition partition, string folder);
}
