using Microsoft.Extensions.Logging;

namespace Milena.Metadata.Quorum;

/// <summary>What the quorum writes to the program's log.</summary>
internal static partial class QuorumEvents
{
    [LoggerMessage(1, LogLevel.Debug, "Metadata quorum: {Replica} is {Role} in epoch {Epoch}, leader {Leader}, end offset {EndOffset}")]
    public static partial void RoleChanged(ILogger logger, ReplicaKey replica, QuorumRole role, int epoch, int? leader, long endOffset);

    [LoggerMessage(2, LogLevel.Warning, "Metadata quorum: {Replica} cuts its log at offset {Offset} in epoch {Epoch}, where it differs from the leader's")]
    public static partial void Truncated(ILogger logger, ReplicaKey replica, long offset, int epoch);

    [LoggerMessage(4, LogLevel.Information, "Metadata quorum: {Replica} fetches the snapshot {File} in epoch {Epoch}, because its leader's log begins above this one's end")]
    public static partial void FetchingSnapshot(ILogger logger, ReplicaKey replica, string file, int epoch);

    [LoggerMessage(5, LogLevel.Information, "Metadata quorum: {Replica} goes on from the snapshot {File} in epoch {Epoch}")]
    public static partial void GoesOnFromSnapshot(ILogger logger, ReplicaKey replica, string file, int epoch);

    [LoggerMessage(6, LogLevel.Error, "Metadata quorum: {Replica} fetched the snapshot {File}, which is damaged, and will fetch it again. {Problem}")]
    public static partial void SnapshotRefused(ILogger logger, ReplicaKey replica, string file, string problem);

    [LoggerMessage(3, LogLevel.Error, "Metadata quorum: {Replica} stops in epoch {Epoch}")]
    public static partial void Failed(ILogger logger, ReplicaKey replica, int epoch, Exception cause);
}
