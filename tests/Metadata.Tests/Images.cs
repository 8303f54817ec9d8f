using Milena.Metadata.Image;
using Milena.Metadata.Log;
using Milena.Metadata.Snapshots;
using Milena.Protocol;

namespace Milena.Metadata.Tests;

/// <summary>Images for tests: applied, compared, and made up at random.</summary>
internal static class Images
{
    public static readonly Guid Orders = new("11111111-0000-0000-0000-000000000001");
    public static readonly Guid Payments = new("22222222-0000-0000-0000-000000000002");

    public static MetadataImage Apply(this MetadataImage image, params IMessage[] records)
    {
        var delta = new MetadataDelta(image);
        foreach (var record in records)
        {
            delta.Replay(record);
        }

        return delta.Apply(image.Offset + records.Length, epoch: 1);
    }

    public static MetadataImage Of(params IMessage[] records) => MetadataImage.Empty.Apply(records);

    /// <summary>Three brokers, each on the rack that its id is looked up in, none fenced.</summary>
    public static MetadataImage WithBrokers(params (int Id, string? Rack)[] brokers) =>
        Of([.. brokers.Select(broker => Broker(broker.Id, broker.Rack))]);

    public static RegisterBrokerRecord Broker(int id, string? rack = null, bool fenced = false, long epoch = 0) => new()
    {
        BrokerId = id,
        BrokerEpoch = epoch,
        IncarnationId = new Guid(id, 0, 0, new byte[8]),
        Rack = rack,
        Fenced = fenced,
        EndPoints = [new() { Name = "PLAINTEXT", Host = $"node{id}", Port = 9092 }],
        Features = [new() { Name = "metadata.version", MinSupportedVersion = 7, MaxSupportedVersion = 30 }],
        LogDirs = [new Guid(id, 1, 0, new byte[8])],
    };

    public static TopicRecord Topic(string name, Guid id) => new() { Name = name, TopicId = id };

    public static PartitionRecord Partition(Guid topicId, int index, params int[] replicas) => new()
    {
        TopicId = topicId,
        PartitionId = index,
        Replicas = [.. replicas],
        Isr = [.. replicas],
        Leader = replicas[0],
        LeaderEpoch = 0,
        PartitionEpoch = 0,
        Directories = [.. replicas.Select(_ => Guid.Empty)],
    };

    public static ConfigRecord Config(ConfigResource resource, string name, string? value) =>
        new() { ResourceType = (sbyte)resource.Type, ResourceName = resource.Name, Name = name, Value = value };

    /// <summary>An image's whole content as text, equal for equal images.</summary>
    public static string Describe(this MetadataImage image) =>
        string.Join('\n', ImageRecords.Of(image).Select(record => $"{record.GetType().Name} {Convert.ToHexString(MetadataRecords.Encode(record))}"));

    public static MetadataImage Random(Random random)
    {
        var image = MetadataImage.Empty;
        for (var step = 0; step < 60; step++)
        {
            image = image.Apply([.. RandomChange(image, random)]);
        }

        return image;
    }

    /// <summary>A change that is possible on this image, as records of one decision.</summary>
    public static IEnumerable<IMessage> RandomChange(MetadataImage image, Random random)
    {
        var topics = image.TopicsById.Values.OrderBy(topic => topic.Id).ToList();
        var brokers = image.Brokers.Keys.ToList();
        return random.Next(9) switch
        {
            0 when topics.Count > 0 => [new RemoveTopicRecord { TopicId = topics[random.Next(topics.Count)].Id }],
            1 when topics.Count > 0 => [RandomPartitionChange(topics[random.Next(topics.Count)], random)],
            2 when brokers.Count > 0 => [new BrokerRegistrationChangeRecord
            {
                BrokerId = brokers[random.Next(brokers.Count)],
                Fenced = (sbyte)random.Next(-1, 2),
                InControlledShutdown = (sbyte)random.Next(-1, 2),
                CordonedLogDirs = random.Next(3) == 0 ? [NewId(random)] : null,
            }],
            3 when brokers.Count > 3 => [new UnregisterBrokerRecord { BrokerId = brokers[random.Next(brokers.Count)] }],
            4 => [Broker(random.Next(8), random.Next(3) == 0 ? null : $"rack{random.Next(3)}", random.Next(2) == 0, random.Next(1000))],
            5 => [Config(RandomResource(topics, random), $"key{random.Next(4)}", random.Next(4) == 0 ? null : $"värde{random.Next()}")],
            6 => [new ProducerIdsRecord { BrokerId = 1, NextProducerId = image.NextProducerId + 1000 }],
            7 => [new FeatureLevelRecord { Name = $"feature{random.Next(3)}", FeatureLevel = (short)random.Next(4) }],
            _ => RandomTopic(random),
        };
    }

    private static ConfigResource RandomResource(List<TopicImage> topics, Random random) => random.Next(3) switch
    {
        0 => ConfigResource.AllBrokers,
        1 => ConfigResource.Broker(random.Next(3)),
        _ => topics.Count > 0 ? ConfigResource.Topic(topics[random.Next(topics.Count)].Name) : ConfigResource.AllBrokers,
    };

    private static IEnumerable<IMessage> RandomTopic(Random random)
    {
        var id = NewId(random);
        yield return Topic($"topic-{random.Next()}", id);
        for (var index = 0; index < random.Next(1, 6); index++)
        {
            var partition = Partition(id, index, [.. Enumerable.Range(random.Next(5), random.Next(1, 4))]);
            if (random.Next(2) == 0)
            {
                partition.Directories = [.. partition.Replicas.Select(_ => NewId(random))];
            }

            yield return partition;
        }
    }

    private static PartitionChangeRecord RandomPartitionChange(TopicImage topic, Random random)
    {
        var index = random.Next(topic.Partitions.Length);
        var replicas = topic.Partitions[index].Replicas;
        var isr = replicas.Take(random.Next(replicas.Length + 1)).ToList();
        return new PartitionChangeRecord
        {
            TopicId = topic.Id,
            PartitionId = index,
            Isr = random.Next(2) == 0 ? null : isr,
            Leader = isr.Count == 0 ? PartitionRegistration.NoLeader : isr[0],
            LeaderRecoveryState = (sbyte)random.Next(-1, 2),
            AddingReplicas = random.Next(3) == 0 ? [7, 8] : null,
            RemovingReplicas = random.Next(3) == 0 ? [replicas[0]] : null,
            EligibleLeaderReplicas = random.Next(3) == 0 ? [.. replicas.Except(isr)] : null,
            LastKnownElr = random.Next(3) == 0 ? [replicas[^1]] : null,
        };
    }

    private static Guid NewId(Random random)
    {
        var bytes = new byte[16];
        random.NextBytes(bytes);
        return new Guid(bytes);
    }
}
