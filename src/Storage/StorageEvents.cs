using Microsoft.Extensions.Logging;
using Milena.Model;

namespace Milena.Storage;

/// <summary>What the room writes to the program's log.</summary>
internal static partial class StorageEvents
{
    [LoggerMessage(1, LogLevel.Warning, "{TopicPartition}: repaired when it was opened: {Report}")]
    public static partial void Repaired(ILogger logger, TopicPartition topicPartition, RecoveryReport report);

    [LoggerMessage(2, LogLevel.Error, "{TopicPartition}: the disk failed in {Folder}")]
    public static partial void Failed(ILogger logger, TopicPartition topicPartition, string folder, Exception error);

    [LoggerMessage(3, LogLevel.Information, "{TopicPartition}: new segment at offset {BaseOffset}")]
    public static partial void Rolled(ILogger logger, TopicPartition topicPartition, long baseOffset);

    [LoggerMessage(4, LogLevel.Information, "{TopicPartition}: truncated to offset {Offset}")]
    public static partial void Truncated(ILogger logger, TopicPartition topicPartition, long offset);

    [LoggerMessage(5, LogLevel.Information, "{TopicPartition}: log start is now offset {Offset}, {Segments} segments deleted")]
    public static partial void StartMoved(ILogger logger, TopicPartition topicPartition, long offset, int segments);

    [LoggerMessage(6, LogLevel.Warning, "{Path}: unreadable, its content is rebuilt or taken as empty")]
    public static partial void Unreadable(ILogger logger, string path);
}
