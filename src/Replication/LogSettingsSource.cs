using System.Globalization;
using Milena.Metadata.Image;
using Milena.Metadata.Settings;
using Milena.Model;
using Milena.Storage;

namespace Milena.Replication;

/// <summary>Turns a topic's settings, in all their layers, into what its logs and its replicas work by.</summary>
public sealed class LogSettingsSource(MetadataStore metadata, ConfigResolver configs)
{
    public LogSettings Of(string topic)
    {
        var image = metadata.Current;
        string Text(string name) => configs.TopicValue(image, topic, name) ?? throw new InvalidOperationException($"The setting {name} has no value.");
        long Number(string name) => long.Parse(Text(name), CultureInfo.InvariantCulture);
        var codec = CodecOf(Text("compression.type"));
        return new LogSettings
        {
            SegmentBytes = (int)Number("segment.bytes"),
            SegmentMs = Number("segment.ms"),
            SegmentJitterMs = Number("segment.jitter.ms"),
            SegmentIndexBytes = (int)Number("segment.index.bytes"),
            IndexIntervalBytes = (int)Number("index.interval.bytes"),
            Preallocate = bool.Parse(Text("preallocate")),
            FileDeleteDelayMs = Number("file.delete.delay.ms"),
            RetentionMs = Number("retention.ms"),
            RetentionBytes = Number("retention.bytes"),
            FlushMessages = Number("flush.messages"),
            FlushMs = Number("flush.ms"),
            CleanupPolicy = PoliciesOf(Text("cleanup.policy")),
            MessageTimestampType = Text("message.timestamp.type") == "LogAppendTime" ? TimestampType.LogAppendTime : TimestampType.CreateTime,
            MessageTimestampBeforeMaxMs = Number("message.timestamp.before.max.ms"),
            MessageTimestampAfterMaxMs = Number("message.timestamp.after.max.ms"),
            MaxMessageBytes = (int)Number("max.message.bytes"),
            CompressionType = codec,
            CompressionLevel = codec is CompressionCodec.Gzip or CompressionCodec.Lz4 or CompressionCodec.Zstd
                ? (int)Number($"compression.{codec.ToString()!.ToLowerInvariant()}.level")
                : null,
            ProducerIdExpirationMs = long.Parse(configs.BrokerValue(image, "producer.id.expiration.ms") ?? "86400000", CultureInfo.InvariantCulture),
        };
    }

    public int MinInSyncReplicas(MetadataImage image, string topic) =>
        int.Parse(configs.TopicValue(image, topic, "min.insync.replicas") ?? "1", CultureInfo.InvariantCulture);

    /// <summary>Null keeps the producer's codec.</summary>
    private static CompressionCodec? CodecOf(string compressionType) => compressionType switch
    {
        "uncompressed" => CompressionCodec.None,
        "gzip" => CompressionCodec.Gzip,
        "snappy" => CompressionCodec.Snappy,
        "lz4" => CompressionCodec.Lz4,
        "zstd" => CompressionCodec.Zstd,
        _ => null,
    };

    private static CleanupPolicies PoliciesOf(string cleanupPolicy)
    {
        var policies = CleanupPolicies.None;
        foreach (var policy in SettingDefinition.SplitList(cleanupPolicy))
        {
            policies |= policy switch
            {
                "delete" => CleanupPolicies.Delete,
                "compact" => CleanupPolicies.Compact,
                _ => CleanupPolicies.None,
            };
        }

        return policies;
    }
}
