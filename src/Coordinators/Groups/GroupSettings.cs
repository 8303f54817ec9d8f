using Milena.Metadata.Settings;

namespace Milena.Coordinators.Groups;

/// <summary>The broker settings that rule classic groups, with Kafka's defaults; each says which key it is made from.</summary>
public sealed record GroupSettings
{
    public static readonly GroupSettings Default = new();

    /// <summary><c>group.min.session.timeout.ms</c></summary>
    public TimeSpan MinSessionTimeout { get; init; } = TimeSpan.FromMilliseconds(6_000);

    /// <summary><c>group.max.session.timeout.ms</c></summary>
    public TimeSpan MaxSessionTimeout { get; init; } = TimeSpan.FromMilliseconds(1_800_000);

    /// <summary><c>group.initial.rebalance.delay.ms</c>: how long an empty group waits for more members before its first rebalance.</summary>
    public TimeSpan InitialRebalanceDelay { get; init; } = TimeSpan.FromMilliseconds(3_000);

    /// <summary><c>group.max.size</c>, in members.</summary>
    public int MaxSize { get; init; } = int.MaxValue;

    /// <summary><c>offset.metadata.max.bytes</c>; counted in characters, as Kafka counts.</summary>
    public int OffsetMetadataMaxBytes { get; init; } = 4_096;

    /// <summary><c>offsets.retention.minutes</c></summary>
    public TimeSpan OffsetsRetention { get; init; } = TimeSpan.FromMinutes(10_080);

    /// <summary><c>offsets.retention.check.interval.ms</c></summary>
    public TimeSpan OffsetsRetentionCheckInterval { get; init; } = TimeSpan.FromMilliseconds(600_000);

    /// <summary>
    /// The most that one batch of the offsets topic may hold, in bytes: its <c>max.message.bytes</c>. A commit that would be larger is refused
    /// before it changes the state.
    /// </summary>
    public int MaxBatchBytes { get; init; } = 1_048_588;

    public static GroupSettings From(StaticSettings settings) => new()
    {
        MinSessionTimeout = settings.GetMs("group.min.session.timeout.ms"),
        MaxSessionTimeout = settings.GetMs("group.max.session.timeout.ms"),
        InitialRebalanceDelay = settings.GetMs("group.initial.rebalance.delay.ms"),
        MaxSize = settings.GetInt("group.max.size"),
        OffsetMetadataMaxBytes = settings.GetInt("offset.metadata.max.bytes"),
        OffsetsRetention = TimeSpan.FromMinutes(settings.GetInt("offsets.retention.minutes")),
        OffsetsRetentionCheckInterval = settings.GetMs("offsets.retention.check.interval.ms"),
        MaxBatchBytes = settings.GetInt("message.max.bytes"),
    };
}
