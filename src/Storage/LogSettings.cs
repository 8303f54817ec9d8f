using Milena.Model;

namespace Milena.Storage;

[Flags]
public enum CleanupPolicies
{
    /// <summary>An empty <c>cleanup.policy</c>: records are kept for ever.</summary>
    None = 0,
    Delete = 1,
    Compact = 2,
}

/// <summary>The topic settings that concern one partition's log, with Kafka's defaults. Each is named as its topic setting.</summary>
public sealed record LogSettings
{
    public const long Unlimited = -1;

    public int SegmentBytes { get; init; } = 1 << 30;
    public long SegmentMs { get; init; } = 7 * 24 * 3_600_000L;
    public long SegmentJitterMs { get; init; }
    public int SegmentIndexBytes { get; init; } = 10 << 20;
    public int IndexIntervalBytes { get; init; } = 4096;
    public bool Preallocate { get; init; }
    public long FileDeleteDelayMs { get; init; } = 60_000;

    /// <summary><see cref="Unlimited"/> keeps records whatever their age.</summary>
    public long RetentionMs { get; init; } = 7 * 24 * 3_600_000L;

    /// <summary><see cref="Unlimited"/> keeps records whatever the log's size.</summary>
    public long RetentionBytes { get; init; } = Unlimited;
    public long FlushMessages { get; init; } = long.MaxValue;
    public long FlushMs { get; init; } = long.MaxValue;
    public CleanupPolicies CleanupPolicy { get; init; } = CleanupPolicies.Delete;
    public TimestampType MessageTimestampType { get; init; }
    public long MessageTimestampBeforeMaxMs { get; init; } = long.MaxValue;
    public long MessageTimestampAfterMaxMs { get; init; } = 3_600_000;
    public int MaxMessageBytes { get; init; } = 1_048_588;

    /// <summary>Null is <c>producer</c>: the sender's codec is kept.</summary>
    public CompressionCodec? CompressionType { get; init; }

    /// <summary>Null is the codec's default.</summary>
    public int? CompressionLevel { get; init; }

    /// <summary>The broker's <c>producer.id.expiration.ms</c>.</summary>
    public long ProducerIdExpirationMs { get; init; } = 86_400_000;

    /// <summary>The rules that a batch sent to this log now has to pass.</summary>
    public BatchRules Rules(long nowMs) => new()
    {
        NowMs = nowMs,
        MaxMessageBytes = MaxMessageBytes,
        Compacted = CleanupPolicy.HasFlag(CleanupPolicies.Compact),
        TimestampType = MessageTimestampType,
        TimestampBeforeMaxMs = MessageTimestampBeforeMaxMs,
        TimestampAfterMaxMs = MessageTimestampAfterMaxMs,
        TargetCodec = CompressionType,
        CompressionLevel = CompressionLevel,
    };
}
