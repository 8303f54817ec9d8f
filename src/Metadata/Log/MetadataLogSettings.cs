using Milena.Metadata.Settings;

namespace Milena.Metadata.Log;

/// <summary>How the metadata log is cut into files, when it is snapshotted, and how much history it keeps. Kafka's names and defaults.</summary>
public sealed record MetadataLogSettings
{
    /// <summary><c>metadata.log.segment.bytes</c>.</summary>
    public int SegmentBytes { get; init; } = 1 << 30;

    /// <summary><c>metadata.log.segment.ms</c>.</summary>
    public long SegmentMs { get; init; } = 7 * 24 * 3_600_000L;

    /// <summary><c>metadata.log.max.record.bytes.between.snapshots</c>.</summary>
    public long MaxBytesBetweenSnapshots { get; init; } = 20 << 20;

    /// <summary><c>metadata.log.max.snapshot.interval.ms</c>; zero is never.</summary>
    public TimeSpan MaxSnapshotInterval { get; init; } = TimeSpan.FromHours(1);

    /// <summary><c>metadata.max.retention.bytes</c> of log and snapshots together; negative is without limit.</summary>
    public long MaxRetentionBytes { get; init; } = 100 << 20;

    /// <summary><c>metadata.max.retention.ms</c>; negative is without limit.</summary>
    public long MaxRetentionMs { get; init; } = 7 * 24 * 3_600_000L;

    public static MetadataLogSettings From(StaticSettings settings) => new()
    {
        SegmentBytes = settings.GetInt("metadata.log.segment.bytes"),
        SegmentMs = settings.GetLong("metadata.log.segment.ms"),
        MaxBytesBetweenSnapshots = settings.GetLong("metadata.log.max.record.bytes.between.snapshots"),
        MaxSnapshotInterval = settings.GetMs("metadata.log.max.snapshot.interval.ms"),
        MaxRetentionBytes = settings.GetLong("metadata.max.retention.bytes"),
        MaxRetentionMs = settings.GetLong("metadata.max.retention.ms"),
    };
}
