using System.Collections.Concurrent;
using System.Globalization;
using Milena.Metadata.Image;
using Milena.Metadata.Settings;
using Milena.Model;

namespace Milena.Broker.Producing;

/// <summary>What each topic asks of batches, worked out from its settings once for each change of them.</summary>
public sealed class TopicRules(BrokerContext broker)
{
    private readonly ConcurrentDictionary<string, Entry> _byTopic = new();

    /// <summary>The rules, and the settings that they were made from: these are replaced, never changed, so comparing references is enough.</summary>
    private sealed record Entry(object Topic, object Broker, object AllBrokers, BatchRules Rules);

    public BatchRules Of(string topic)
    {
        var image = broker.Image;
        var (own, here, everywhere) = (
            image.ConfigOf(ConfigResource.Topic(topic)), image.ConfigOf(ConfigResource.Broker(broker.BrokerId)), image.ConfigOf(ConfigResource.AllBrokers));
        if (_byTopic.TryGetValue(topic, out var known)
            && ReferenceEquals(known.Topic, own)
            && ReferenceEquals(known.Broker, here)
            && ReferenceEquals(known.AllBrokers, everywhere))
        {
            return known.Rules;
        }

        var rules = Make(image, topic);
        _byTopic[topic] = new Entry(own, here, everywhere, rules);
        return rules;
    }

    private BatchRules Make(MetadataImage image, string topic)
    {
        string Text(string name) => broker.Configs.TopicValue(image, topic, name) ?? throw new InvalidOperationException($"The setting {name} has no value.");
        long Number(string name) => long.Parse(Text(name), CultureInfo.InvariantCulture);
        var codec = Text("compression.type") switch
        {
            "uncompressed" => CompressionCodec.None,
            "gzip" => CompressionCodec.Gzip,
            "snappy" => CompressionCodec.Snappy,
            "lz4" => CompressionCodec.Lz4,
            "zstd" => CompressionCodec.Zstd,
            _ => (CompressionCodec?)null,
        };
        return new BatchRules(
            (int)Number("max.message.bytes"),
            Text("message.timestamp.type") == "LogAppendTime",
            Number("message.timestamp.before.max.ms"),
            Number("message.timestamp.after.max.ms"),
            SettingDefinition.SplitList(Text("cleanup.policy")).Contains("compact"),
            codec,
            codec is CompressionCodec.Gzip or CompressionCodec.Lz4 or CompressionCodec.Zstd
                ? (int)Number($"compression.{codec.ToString()!.ToLowerInvariant()}.level")
                : null);
    }
}
