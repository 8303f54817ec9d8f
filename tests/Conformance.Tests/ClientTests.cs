using System.Collections.Concurrent;
using System.Text;
using Milena.Testing;

namespace Milena.Conformance.Tests;

/// <summary>One node, to which every client library writes once, in every codec it has.</summary>
public sealed class WrittenByEveryClient : IDisposable
{
    public const int Records = 200;

    private readonly ConcurrentDictionary<string, Lazy<string[]>> _topics = new();

    public NodeProcess Node { get; } = new NodeProcess().Start("--set", "group.initial.rebalance.delay.ms=0");

    /// <summary>The topics that the client wrote, one for each codec.</summary>
    public string[] TopicsOf(string client) =>
        _topics.GetOrAdd(client, name => new Lazy<string[]>(() => ClientPrograms.Run(name, "produce", Node.Address, name, $"{Records}"))).Value;

    public void Dispose() => Node.Dispose();
}

public sealed class ClientTests(WrittenByEveryClient written) : IClassFixture<WrittenByEveryClient>
{
    public static TheoryData<string> Clients => [.. ClientPrograms.All];

    public static TheoryData<string> Murmur2Clients => [.. ClientPrograms.Murmur2];

    public static TheoryData<string, string> Pairs
    {
        get
        {
            var pairs = new TheoryData<string, string>();
            foreach (var writer in ClientPrograms.All)
            {
                foreach (var reader in ClientPrograms.All)
                {
                    pairs.Add(writer, reader);
                }
            }

            return pairs;
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Pairs))]
    public void What_one_client_writes_another_reads(string writer, string reader)
    {
        var lines = ClientPrograms.Run(reader, ["read", written.Node.Address, $"{WrittenByEveryClient.Records}", .. Readable(writer, reader)]);
        var expected = Enumerable.Range(0, WrittenByEveryClient.Records).Select(Record).Order(StringComparer.Ordinal).ToList();
        var byTopic = lines.Select(line => line.Split('\t')).GroupBy(fields => fields[0]).ToList();
        Assert.NotEmpty(byTopic);
        foreach (var topic in byTopic)
        {
            Assert.Equal(expected, topic.Select(fields => string.Join('\t', fields[2..])).Order(StringComparer.Ordinal));
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Murmur2Clients))]
    public void A_keyed_record_lies_where_the_java_client_puts_it(string writer)
    {
        var topics = written.TopicsOf(writer);
        var lines = ClientPrograms.Run("confluent-dotnet", ["read", written.Node.Address, $"{WrittenByEveryClient.Records}", .. topics]);
        var keyed = lines.Select(line => line.Split('\t')).Where(fields => fields[2] != "-").ToList();
        Assert.Equal(topics.Length * WrittenByEveryClient.Records * 4 / 5, keyed.Count);
        Assert.All(keyed, fields => Assert.Equal(Murmur2.PartitionOf(fields[2], 3).ToString(System.Globalization.CultureInfo.InvariantCulture), fields[1]));
    }

    [SkippableTheory]
    [MemberData(nameof(Clients))]
    public void An_offset_and_a_timestamp_are_places_to_start_from(string client)
    {
        var topic = written.TopicsOf("confluent-dotnet")[0];
        Assert.Equal("7", ClientPrograms.Run(client, "seek", written.Node.Address, topic, "offset", "7")[^1]);
        Assert.Equal("0", ClientPrograms.Run(client, "seek", written.Node.Address, topic, "timestamp", "1000")[^1]);
    }

    /// <summary>kafkajs has no codec but gzip without further packages, and kafka-python in Debian neither.</summary>
    private string[] Readable(string writer, string reader)
    {
        var topics = written.TopicsOf(writer);
        return reader is "kafkajs" or "kafka-python" ? [.. topics.Where(topic => topic.EndsWith("-none", StringComparison.Ordinal) || topic.EndsWith("-gzip", StringComparison.Ordinal))] : topics;
    }

    private static string Record(int i) => $"{(i % 5 == 4 ? "-" : $"key-{i % 20}")}\t{(i % 7 == 6 && i % 5 != 4 ? "-" : $"value {i} é")}\t{i}";
}

/// <summary>The Java client's key hash, written down from its definition: what other clients are held to.</summary>
internal static class Murmur2
{
    private const uint Seed = 0x9747b28c;
    private const uint Multiplier = 0x5bd1e995;

    public static int PartitionOf(string key, int partitions) => (int)(Hash(Encoding.UTF8.GetBytes(key)) & 0x7fffffff) % partitions;

    private static uint Hash(ReadOnlySpan<byte> data)
    {
        var hash = Seed ^ (uint)data.Length;
        while (data.Length >= 4)
        {
            var word = System.Buffers.Binary.BinaryPrimitives.ReadUInt32LittleEndian(data) * Multiplier;
            hash = (hash * Multiplier) ^ ((word ^ (word >> 24)) * Multiplier);
            data = data[4..];
        }

        if (!data.IsEmpty)
        {
            for (var at = data.Length - 1; at >= 0; at--)
            {
                hash ^= (uint)data[at] << (8 * at);
            }

            hash *= Multiplier;
        }

        hash = (hash ^ (hash >> 13)) * Multiplier;
        return hash ^ (hash >> 15);
    }
}
