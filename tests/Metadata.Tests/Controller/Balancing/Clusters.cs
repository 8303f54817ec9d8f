using Milena.Metadata.Controller.Balancing;
using Milena.Metadata.Image;
using Milena.Metadata.Settings;
using Milena.Protocol;

namespace Milena.Metadata.Tests.Controller.Balancing;

/// <summary>Clusters to be balanced: made up at random, and changed as the controller and the brokers change them.</summary>
internal static class Clusters
{
    public static MetadataImage Random(Random random)
    {
        var brokers = random.Next(1, 9);
        var racks = random.Next(1, 4);
        var image = Images.Of([.. Enumerable.Range(1, brokers).Select(id => Images.Broker(id, racks == 1 ? null : $"rack{random.Next(racks)}"))]);
        for (var topic = random.Next(1, 8); topic > 0; topic--)
        {
            image = image.Apply(RandomTopic(image, topic, random));
        }

        for (var later = random.Next(3); later > 0; later--)
        {
            image = image.Apply(Images.Broker(image.Brokers.Keys.Max() + 1, racks == 1 ? null : $"rack{random.Next(racks)}"));
        }

        image = random.Next(3) == 0 ? image.Apply(Away(random.Next(1, brokers + 1))) : image;
        return random.Next(6) == 0 ? image.Apply(new UnregisterBrokerRecord { BrokerId = random.Next(1, brokers + 1) }) : image;
    }

    public static BrokerRegistrationChangeRecord Away(int id, bool isAway = true) => new() { BrokerId = id, Fenced = (sbyte)(isAway ? 1 : -1) };

    public static ConfigRecord Leaving(int id, bool isLeaving = true) => Images.Config(ConfigResource.Broker(id), OwnBrokerSettings.Decommission, isLeaving ? "true" : null);

    public static ConfigRecord Setting(string name, string value) => Images.Config(ConfigResource.AllBrokers, name, value);

    /// <summary>Topics of so many partitions each, all on the same brokers, which lead in turn.</summary>
    public static MetadataImage WithTopics(this MetadataImage image, int topics, int partitions, params int[] replicas) => image.Apply(
    [
        .. Enumerable.Range(0, topics).SelectMany(topic => Enumerable.Range(0, partitions)
            .Select(index => (IMessage)Images.Partition(IdOf(topic), index, [.. replicas[(index % replicas.Length)..], .. replicas[..(index % replicas.Length)]]))
            .Prepend(Images.Topic($"topic-{topic}", IdOf(topic)))),
    ]);

    public static Guid IdOf(int topic) => new(topic, 3, 3, [7, 1, 9, 4, (byte)topic, 2, 6, (byte)(topic * 37)]);

    public static IEnumerable<(TopicImage Topic, int Index, PartitionRegistration Partition)> All(this MetadataImage image) =>
        image.TopicsById.Values.OrderBy(topic => topic.Name, StringComparer.Ordinal)
            .SelectMany(topic => topic.Partitions.Select((partition, index) => (topic, index, partition)));

    public static int Held(this MetadataImage image, int broker) => image.All().Count(one => one.Partition.Replicas.Contains(broker));

    public static int Preferred(this MetadataImage image, int broker) => image.All().Count(one => one.Partition.Replicas[0] == broker);

    /// <summary>The image once a move has ended.</summary>
    public static MetadataImage After(this MetadataImage image, PartitionMove move) => image.Apply(new PartitionChangeRecord
    {
        TopicId = move.TopicId,
        PartitionId = move.Partition,
        Replicas = [.. move.To],
        Isr = [.. move.To],
        Leader = move.To[0],
        AddingReplicas = [],
        RemovingReplicas = [],
        Directories = [.. move.To.Select(_ => Guid.Empty)],
    });

    private static IMessage[] RandomTopic(MetadataImage image, int number, Random random)
    {
        var id = new Guid(random.Next(), 1, 1, new byte[8]);
        var records = new List<IMessage> { Images.Topic($"topic-{number}", id) };
        var factor = random.Next(1, Math.Min(4, image.Brokers.Count) + 1);
        for (var index = 0; index < 1 + (random.Next(4) == 0 ? random.Next(60) : random.Next(8)); index++)
        {
            var partition = Images.Partition(id, index, [.. image.Brokers.Keys.OrderBy(_ => random.Next()).Take(factor)]);
            if (random.Next(20) == 0)
            {
                partition.Leader = PartitionRegistration.NoLeader;
            }

            if (random.Next(10) == 0 && image.Brokers.Keys.Except(partition.Replicas).ToList() is [var next, ..])
            {
                partition.AddingReplicas = [next];
                partition.RemovingReplicas = [partition.Replicas[0]];
                partition.Replicas = [next, .. partition.Replicas];
                partition.Directories = [.. partition.Replicas.Select(_ => Guid.Empty)];
            }

            records.Add(partition);
        }

        return [.. records];
    }
}
