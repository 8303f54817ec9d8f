using System.Diagnostics;
using Milena.Protocol;
using Milena.Testing;

namespace Milena.Differential.Tests;

/// <summary>Both systems, started once, with the same settings.</summary>
public sealed class Peers : IDisposable
{
    /// <summary>Records are years old here, so that retention, which works at its own times, would take them away.</summary>
    private static readonly string[] Settings =
    [
        "group.initial.rebalance.delay.ms=0", "offsets.topic.num.partitions=4", "auto.create.topics.enable=false", "group.coordinator.rebalance.protocols=classic",
        "log.retention.ms=-1",
    ];

    private readonly KafkaProcess? _kafka;
    private readonly NodeProcess? _milena;

    public Peers()
    {
        if (KafkaProcess.Libraries is not null)
        {
            _kafka = new KafkaProcess(Settings);
            _milena = new NodeProcess().Start([.. Settings.SelectMany(setting => new[] { "--set", setting })]);
        }
    }

    /// <summary>Sends the requests of one API and version to both, over a connection each, and compares answer by answer.</summary>
    public void Compare(string name, ApiKey key, short version, IEnumerable<Func<Session, IRequestMessage>> steps) =>
        Compare(name, _ => { }, steps.Select(step => (key, version, step)));

    /// <inheritdoc cref="Compare(string, ApiKey, short, IEnumerable{Func{Session, IRequestMessage}})"/>
    public void Compare(string name, Action<Session> prepare, IEnumerable<(ApiKey Key, short Version, Func<Session, IRequestMessage> Request)> steps)
    {
        Skip.If(_kafka is null, "KAFKA_LIBS names no folder of Kafka's jars");
        using var kafka = new Session("127.0.0.1", _kafka!.Port);
        using var milena = new Session("127.0.0.1", _milena!.Port);
        prepare(kafka);
        prepare(milena);
        var index = 0;
        var differences = new List<string>();
        foreach (var (key, version, request) in steps)
        {
            var expected = Rendering.Of(kafka.Ask(key, version, request(kafka)));
            var actual = Deviations.Undo(key, expected, Rendering.Of(milena.Ask(key, version, request(milena))));
            var difference = expected.Except(actual).Select(line => $"  Kafka:  {line}").Concat(actual.Except(expected).Select(line => $"  Milena: {line}")).ToList();
            if (difference.Count > 0)
            {
                differences.AddRange([$"{name}, {key} version {version}, request {index}: {string.Join("; ", Rendering.Of(request(milena)))}", .. difference]);
            }

            index++;
        }

        Assert.True(differences.Count == 0, string.Join('\n', differences));
    }

    public void Dispose()
    {
        _milena?.Dispose();
        _kafka?.Dispose();
    }
}

/// <summary>One side of a comparison: a connection, and what earlier answers said that later requests repeat.</summary>
public sealed class Session(string host, int port) : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly string _host = host;
    private readonly int _port = port;
    private WireClient _client = new(host, port);

    public IResponseMessage? Last { get; private set; }

    public IResponseMessage? Ask(ApiKey key, short version, IRequestMessage request)
    {
        Last = _client.Ask(key, version, request);
        if (Last is null)
        {
            _client.Dispose();
            _client = new WireClient(_host, _port);
        }

        return Last;
    }

    /// <summary>Prepares something on this side that is not compared.</summary>
    public TResponse Prepare<TResponse>(ApiKey key, short version, IRequestMessage request)
        where TResponse : class, IResponseMessage => (TResponse)_client.Ask(key, version, request)!;

    /// <summary>Makes a topic, if it is not there, and says what its id is here.</summary>
    public Guid Topic(string name, int partitions = 1, params (string Key, string Value)[] configs)
    {
        Prepare<CreateTopicsResponse>(ApiKey.CreateTopics, 7, new CreateTopicsRequest
        {
            TimeoutMs = 10_000,
            Topics =
            [
                new()
                {
                    Name = name,
                    NumPartitions = partitions,
                    ReplicationFactor = 1,
                    Configs = [.. configs.Select(config => new CreateTopicsRequest.CreatableTopicConfig { Name = config.Key, Value = config.Value })],
                },
            ],
        });
        var id = Guid.Empty;
        Await($"leaders of {name}", () =>
        {
            var described = Prepare<MetadataResponse>(ApiKey.Metadata, 12, new MetadataRequest { Topics = [new() { Name = name }] }).Topics[0];
            id = described.TopicId;
            return described.Partitions.Count > 0 && described.Partitions.TrueForAll(partition => IsServed(name, partition.PartitionIndex));
        });
        return id;
    }

    /// <summary>Asks again and again, since the protocol has no other way, until it is so.</summary>
    public static void Await(string what, Func<bool> isSo)
    {
        var waited = Stopwatch.StartNew();
        while (!isSo())
        {
            Assert.True(waited.Elapsed < Patience, $"there is no {what} after {Patience.TotalSeconds} s");
        }
    }

    /// <summary>A leader that the metadata names may still be about to take over.</summary>
    private bool IsServed(string topic, int partition)
    {
        var request = new ListOffsetsRequest { ReplicaId = -1, Topics = [new() { Name = topic, Partitions = [new() { PartitionIndex = partition, Timestamp = -1 }] }] };
        return Prepare<ListOffsetsResponse>(ApiKey.ListOffsets, 5, request).Topics[0].Partitions[0].ErrorCode == Model.ErrorCode.None;
    }

    public void Dispose() => _client.Dispose();
}
