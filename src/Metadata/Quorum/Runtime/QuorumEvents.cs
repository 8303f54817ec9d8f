using Microsoft.Extensions.Logging;

namespace Milena.Metadata.Quorum;

/// <summary>What the quorum writes to the program's log.</summary>
internal static partial class QuorumEvents
{
    [LoggerMessage(1, LogLevel.Information, "Metadata quorum: {Replica} is {Role} in epoch {Epoch}, leader {Leader}, end offset {EndOffset}")]
    public static partial void RoleChanged(ILogger logger, ReplicaKey replica, QuorumRole role, int epoch, int? leader, long endOffset);

    [LoggerMessage(2, LogLevel.Warning, "Metadata quorum: {Replica} cuts its log at offset {Offset} in epoch {Epoch}, where it differs from the leader's")]
    public static partial void Truncated(ILogger logger, ReplicaKey replica, long offset, int epoch);

    [LoggerMessage(3, LogLevel.Error, "Metadata quorum: {Replica} stops in epoch {Epoch}")]
    public static partial void Failed(ILogger logger, ReplicaKey replica, int epoch, Exception cause);
}
