using Milena.Model;

namespace Milena.Storage;

/// <summary>What became of a batch that was given to the log.</summary>
/// <param name="BaseOffset">-1 with an error. A duplicate has the offset that it was first given.</param>
/// <param name="LogAppendTimeMs">-1 unless the batch carries LogAppendTime.</param>
public readonly record struct AppendResult(
    ErrorCode Error,
    long BaseOffset,
    long LastOffset,
    long LogStartOffset,
    long LogAppendTimeMs,
    bool IsDuplicate,
    string? Message)
{
    internal static AppendResult Refuse(ErrorCode error, string? message, long logStartOffset) =>
        new(error, -1, -1, logStartOffset, -1, IsDuplicate: false, message);
}

/// <summary>A place in the log: of the batch in which an offset lies.</summary>
public readonly record struct LogPosition(long Offset, long SegmentBaseOffset, int Position);

/// <summary>What a read found besides the bytes.</summary>
/// <param name="Start">Where the slice begins; the fetch offset itself when there are no bytes.</param>
/// <param name="FirstBatchBytes">Bytes of the first whole batch; 0 without bytes.</param>
public readonly record struct LogReadInfo(ErrorCode Error, LogPosition Start, int FirstBatchBytes, long LogStartOffset, long LogEndOffset);

/// <summary>A record found by its timestamp; -1 in each field when there is none.</summary>
public readonly record struct TimestampOffset(long TimestampMs, long Offset, int LeaderEpoch)
{
    public static TimestampOffset None { get; } = new(-1, -1, -1);

    public bool IsFound => Offset >= 0;
}

/// <summary>How a partition was left, as the log directory's checkpoints and marker tell.</summary>
/// <param name="CleanShutdown">The last process closed every log: nothing has to be checked.</param>
/// <param name="RecoveryPoint">Everything below was made durable.</param>
/// <param name="LogStartOffset">What DeleteRecords and retention had reached; 0 when nothing is known.</param>
public readonly record struct LogRecovery(bool CleanShutdown, long RecoveryPoint = 0, long LogStartOffset = 0);

/// <summary>What opening a log had to repair.</summary>
public sealed record RecoveryReport
{
    /// <summary>Segments whose batches were checked one by one.</summary>
    public int SegmentsChecked { get; init; }

    /// <summary>Bytes behind the last intact batch that were cut off, deleted segments included.</summary>
    public long BytesCut { get; init; }

    /// <summary>Offset from which records were lost to the cut; null when there was none.</summary>
    public long? CutAtOffset { get; init; }
    public string? CutReason { get; init; }
    public int SegmentsDeleted { get; init; }
    public int IndexesRebuilt { get; init; }

    public bool IsClean => BytesCut == 0 && SegmentsDeleted == 0 && IndexesRebuilt == 0;
}
