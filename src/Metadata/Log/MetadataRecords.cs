using System.Diagnostics.CodeAnalysis;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Metadata.Log;

/// <summary>Metadata records as Kafka frames them in a batch: a frame version of 1, the record's type and version, then its body.</summary>
public static class MetadataRecords
{
    private const uint FrameVersion = 1;

    public static byte[] ToBatch(IReadOnlyList<IMessage> records, long nowMs)
    {
        using var builder = new RecordBatchBuilder();
        foreach (var record in records)
        {
            builder.Add(nowMs, null, Encode(record));
        }

        return builder.Build();
    }

    public static byte[] Encode(IMessage record)
    {
        var (type, version) = TypeOf(record);
        using var buffer = new MessageBuffer();
        var writer = new ProtocolWriter(buffer);
        writer.WriteUnsignedVarint(FrameVersion);
        writer.WriteUnsignedVarint((uint)type);
        writer.WriteUnsignedVarint((uint)version);
        record.Write(ref writer, version);
        return buffer.Written.ToArray();
    }

    /// <returns>False for a record that this version does not know, or whose bytes are not what they say.</returns>
    public static bool TryDecode(ReadOnlyMemory<byte> value, [NotNullWhen(true)] out IMessage? record)
    {
        record = null;
        var reader = new ProtocolReader(value);
        if (reader.ReadUnsignedVarint() != FrameVersion)
        {
            return false;
        }

        var type = reader.ReadUnsignedVarint();
        var version = reader.ReadUnsignedVarint();
        record = type <= (uint)short.MaxValue && version <= (uint)short.MaxValue ? TryRead((short)type, (short)version, ref reader) : null;
        // A later version may have given the same bytes another meaning.
        return record is not null && reader.IsAtEnd && version <= TypeOf(record).Version;
    }

    private static IMessage? TryRead(short type, short version, ref ProtocolReader reader) => type switch
    {
        RegisterBrokerRecord.ApiKey when RegisterBrokerRecord.TryRead(ref reader, version, out var read) => read,
        UnregisterBrokerRecord.ApiKey when UnregisterBrokerRecord.TryRead(ref reader, version, out var read) => read,
        TopicRecord.ApiKey when TopicRecord.TryRead(ref reader, version, out var read) => read,
        PartitionRecord.ApiKey when PartitionRecord.TryRead(ref reader, version, out var read) => read,
        ConfigRecord.ApiKey when ConfigRecord.TryRead(ref reader, version, out var read) => read,
        PartitionChangeRecord.ApiKey when PartitionChangeRecord.TryRead(ref reader, version, out var read) => read,
        RemoveTopicRecord.ApiKey when RemoveTopicRecord.TryRead(ref reader, version, out var read) => read,
        FeatureLevelRecord.ApiKey when FeatureLevelRecord.TryRead(ref reader, version, out var read) => read,
        ProducerIdsRecord.ApiKey when ProducerIdsRecord.TryRead(ref reader, version, out var read) => read,
        BrokerRegistrationChangeRecord.ApiKey when BrokerRegistrationChangeRecord.TryRead(ref reader, version, out var read) => read,
        NoOpRecord.ApiKey when NoOpRecord.TryRead(ref reader, version, out var read) => read,
        _ => null,
    };

    private static (short Type, short Version) TypeOf(IMessage record) => record switch
    {
        RegisterBrokerRecord => (RegisterBrokerRecord.ApiKey, RegisterBrokerRecord.HighestVersion),
        UnregisterBrokerRecord => (UnregisterBrokerRecord.ApiKey, UnregisterBrokerRecord.HighestVersion),
        TopicRecord => (TopicRecord.ApiKey, TopicRecord.HighestVersion),
        PartitionRecord => (PartitionRecord.ApiKey, PartitionRecord.HighestVersion),
        ConfigRecord => (ConfigRecord.ApiKey, ConfigRecord.HighestVersion),
        PartitionChangeRecord => (PartitionChangeRecord.ApiKey, PartitionChangeRecord.HighestVersion),
        RemoveTopicRecord => (RemoveTopicRecord.ApiKey, RemoveTopicRecord.HighestVersion),
        FeatureLevelRecord => (FeatureLevelRecord.ApiKey, FeatureLevelRecord.HighestVersion),
        ProducerIdsRecord => (ProducerIdsRecord.ApiKey, ProducerIdsRecord.HighestVersion),
        BrokerRegistrationChangeRecord => (BrokerRegistrationChangeRecord.ApiKey, BrokerRegistrationChangeRecord.HighestVersion),
        NoOpRecord => (NoOpRecord.ApiKey, NoOpRecord.HighestVersion),
        _ => throw new ArgumentException($"{record.GetType().Name} is no metadata record."),
    };
}
