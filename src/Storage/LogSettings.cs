namespace Milena.Storage;

/// <summary>The topic settings that a log obeys, under Kafka's names and with its defaults.</summary>
public sealed record LogSettings
{
    public int SegmentBytes { get; init; } = 1024 * 1024 * 1024;
    public TimeSpan SegmentAge { get; init; } = TimeSpan.FromDays(7);
    public int IndexIntervalBytes { get; init; } = 4096;
    public int IndexMaxBytes { get; init; } = 10 * 1024 * 1024;

    /// <summary>Negative keeps for ever.</summary>
    public long RetentionMs { get; init; } = 7L * 24 * 60 * 60 * 1000;

    /// <summary>Negative keeps all.</summary>
    public long RetentionBytes { get; init; } = -1;

    /// <summary>Whether <c>cleanup.policy</c> names delete: without it nothing is dropped.</summary>
    public bool DeletesOldSegments { get; init; } = true;

    /// <summary>Records between flushes to the disk (<c>flush.messages</c>).</summary>
    public long FlushMessages { get; init; } = long.MaxValue;

    public TimeSpan ProducerExpiry { get; init; } = TimeSpan.FromDays(1);
}

/// <summary>The disk failed. The log's owner takes the log's directory offline.</summary>
public sealed class LogIOException(string message, Exception cause) : IOException(message, cause);
