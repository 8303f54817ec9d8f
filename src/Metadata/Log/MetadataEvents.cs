using Microsoft.Extensions.Logging;

namespace Milena.Metadata.Log;

/// <summary>What the metadata log writes to the program's log.</summary>
internal static partial class MetadataEvents
{
    [LoggerMessage(Level = LogLevel.Information, Message = "Metadata snapshot {File} of {Topics} topics written: {Bytes} bytes in {Elapsed}")]
    public static partial void SnapshotWritten(ILogger logger, string file, int topics, long bytes, TimeSpan elapsed);

    [LoggerMessage(Level = LogLevel.Error, Message = "No metadata snapshot up to offset {EndOffset} could be written; the next attempt is in {RetryAfter}")]
    public static partial void SnapshotFailed(ILogger logger, long endOffset, TimeSpan retryAfter, Exception e);

    [LoggerMessage(Level = LogLevel.Error, Message = "The metadata snapshot {File} is damaged and was set aside; the one before it, or the log, is used. {Problem}")]
    public static partial void SnapshotDamaged(ILogger logger, string file, string problem);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The metadata log, which ends at offset {LogEndOffset}, does not hold what the snapshot up to offset {EndOffset} says: it goes on from the snapshot")]
    public static partial void LogIsNotTheSnapshots(ILogger logger, long logEndOffset, long endOffset);

    [LoggerMessage(Level = LogLevel.Information, Message = "The metadata log now begins with the snapshot up to offset {EndOffset}; what is older was deleted")]
    public static partial void HistoryDropped(ILogger logger, long endOffset);
}
