using System.Text;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Differential.Tests;

/// <summary>Random requests, valid and invalid, about three topics and two groups that no other run touches; the same for the same seed.</summary>
/// <remarks>
/// What the controller would change is only validated: a broker learns of a change a moment after its client, and when is not a
/// matter of agreement.
/// </remarks>
public sealed class GeneratedRequests(int seed)
{
    private const long Now = 1_700_000_000_000;

    private readonly Random _random = new(seed);
    private readonly string[] _topics = [$"plain-{seed}", $"stamped-{seed}", $"compacted-{seed}"];
    private readonly string[] _groups = [$"group-a-{seed}", $"group-b-{seed}"];

    /// <summary>Makes the topics, on one side.</summary>
    public void Prepare(Session session)
    {
        session.Topic(_topics[0], 2, ("max.message.bytes", "4000"));
        session.Topic(_topics[1], 2, ("message.timestamp.type", "LogAppendTime"));
        session.Topic(_topics[2], 2, ("cleanup.policy", "compact"));
        Scenarios.Coordinated(session);
        // Both groups are there from the start: a commit that is refused makes a group in Kafka's memory, and none here.
        Array.ForEach(_groups, group => Scenarios.Committed(session, group, _topics[0]));
    }

    /// <returns>The API, its version, and the request, which asks its side for ids that are its own.</returns>
    public (ApiKey Key, short Version, Func<Session, IRequestMessage> Request) Next()
    {
        Func<short, Func<Session, IRequestMessage>> make;
        ApiKey key;
        (key, make) = _random.Next(14) switch
        {
            0 or 1 or 2 => (ApiKey.Produce, (Func<short, Func<Session, IRequestMessage>>)Produce),
            3 or 4 => (ApiKey.Fetch, Fetch),
            5 => (ApiKey.ListOffsets, ListOffsets),
            6 => (ApiKey.OffsetForLeaderEpoch, OffsetForLeaderEpoch),
            7 => (ApiKey.DeleteRecords, DeleteRecords),
            8 => (ApiKey.OffsetCommit, OffsetCommit),
            9 => (ApiKey.OffsetFetch, OffsetFetch),
            10 => (ApiKey.OffsetDelete, OffsetDelete),
            11 => (ApiKey.CreateTopics, CreateTopics),
            12 => (ApiKey.IncrementalAlterConfigs, IncrementalAlterConfigs),
            _ => (ApiKey.Metadata, Metadata),
        };
        var api = ApiCatalog.Find((short)key)!;
        var version = (short)_random.Next(api.MinVersion, api.MaxVersion + 1);
        return (key, version, make(version));
    }

    private T One<T>(params ReadOnlySpan<T> of) => of[_random.Next(of.Length)];

    private string Topic() => _random.Next(12) == 0 ? "no-such-topic" : One<string>(_topics);

    private int Partition() => One(0, 0, 0, 1, 1, 2, -1);

    private long Offset() => One(0L, 0, 1, 2, 5, 9, 30, -1, long.MaxValue);

    private int Epoch() => One(-1, -1, 0, 0, 1, 7);

    /// <summary>The id of a topic on the side that is asked; of one that is not there, an id that nobody has.</summary>
    private static Guid IdOf(Session session, string topic) => topic == "no-such-topic" ? new Guid(1, 2, 3, [4, 5, 6, 7, 8, 9, 10, 11]) : session.Topic(topic);

    private Func<Session, IRequestMessage> Produce(short version)
    {
        var (topic, partition, acks, records) = (Topic(), Partition(), One<short>(-1, -1, 1), Records());
        return session => new ProduceRequest
        {
            Acks = acks,
            TimeoutMs = 10_000,
            TopicData =
            [
                new()
                {
                    Name = version >= 13 ? "" : topic,
                    TopicId = version >= 13 ? IdOf(session, topic) : Guid.Empty,
                    // Brokers stamp what they are sent, so each side gets bytes of its own.
                    PartitionData = [new() { Index = partition, Records = new Records(records.ToArray()) }],
                },
            ],
        };
    }

    private byte[] Records()
    {
        if (_random.Next(5) == 0)
        {
            return Wrong.All[_random.Next(Wrong.All.Length)].Make();
        }

        // zstd is left out: whether it is understood depends on the version, which a scenario looks at.
        var codec = One(CompressionCodec.None, CompressionCodec.None, CompressionCodec.Gzip, CompressionCodec.Lz4, CompressionCodec.Snappy);
        var idempotent = _random.Next(3) == 0;
        using var builder = new RecordBatchBuilder
        {
            Codec = codec,
            ProducerId = idempotent ? One(70L, 71) : RecordBatchHeader.None,
            ProducerEpoch = idempotent ? One<short>(0, 0, 1) : (short)RecordBatchHeader.None,
            BaseSequence = idempotent ? One(0, 0, 1, 2, 3, 5) : RecordBatchHeader.None,
        };
        var keyed = _random.Next(4) != 0;
        for (var count = One(1, 2, 3, 10); count > 0; count--)
        {
            var key = keyed ? Encoding.ASCII.GetBytes($"key {_random.Next(5)}") : null;
            builder.Add(Now + _random.Next(1000), key, _random.Next(6) == 0 ? null : new byte[One(0, 1, 30, 900)]);
        }

        return builder.Build();
    }

    private Func<Session, IRequestMessage> Fetch(short version)
    {
        var (topic, partition, offset, epoch) = (Topic(), Partition(), Offset(), Epoch());
        var (bytes, partitionBytes, isolation) = (One(1 << 20, 1 << 20, 100, 0), One(1 << 20, 1 << 20, 100, 0), One<sbyte>(0, 1));
        return session => new FetchRequest
        {
            MaxWaitMs = 5,
            MinBytes = 1,
            MaxBytes = bytes,
            IsolationLevel = isolation,
            SessionId = 0,
            SessionEpoch = -1,
            Topics =
            [
                new()
                {
                    Topic = version >= 13 ? "" : topic,
                    TopicId = version >= 13 ? IdOf(session, topic) : Guid.Empty,
                    Partitions = [new() { Partition = partition, FetchOffset = offset, PartitionMaxBytes = partitionBytes, CurrentLeaderEpoch = version >= 9 ? epoch : -1 }],
                },
            ],
        };
    }

    private Func<Session, IRequestMessage> ListOffsets(short version)
    {
        var request = new ListOffsetsRequest
        {
            ReplicaId = -1,
            IsolationLevel = version >= 2 ? One<sbyte>(0, 1) : (sbyte)0,
            Topics =
            [
                new()
                {
                    // Times that a broker stamped are its own; and of the largest timestamp Kafka tells even when its record was deleted.
                    Name = One(_topics[0], _topics[2], "no-such-topic"),
                    Partitions = [new() { PartitionIndex = Partition(), Timestamp = One(-1L, -2, 0, Now, Now + 500, Now + 5000), CurrentLeaderEpoch = version >= 4 ? Epoch() : -1 }],
                },
            ],
        };
        return _ => request;
    }

    private Func<Session, IRequestMessage> OffsetForLeaderEpoch(short version)
    {
        var request = new OffsetForLeaderEpochRequest
        {
            ReplicaId = -1,
            Topics = [new() { Topic = Topic(), Partitions = [new() { Partition = Partition(), CurrentLeaderEpoch = Epoch(), LeaderEpoch = Epoch() }] }],
        };
        return _ => request;
    }

    private Func<Session, IRequestMessage> DeleteRecords(short version)
    {
        var request = new DeleteRecordsRequest
        {
            TimeoutMs = 10_000,
            Topics = [new() { Name = Topic(), Partitions = [new() { PartitionIndex = One(0, 1, 2), Offset = One(0L, 1, 2, 3, -1, -2, 1000) }] }],
        };
        return _ => request;
    }

    private Func<Session, IRequestMessage> OffsetCommit(short version)
    {
        var (group, topic, partition, offset) = (Group(), Topic(), Partition(), One(0L, 3, 17, -1));
        var (generation, member, metadata) = (One(-1, -1, -1, 5), One("", "", "", "stranger"), One("", "note", null, new string('m', 5000)));
        return session => new OffsetCommitRequest
        {
            GroupId = group,
            GenerationIdOrMemberEpoch = generation,
            MemberId = member,
            Topics =
            [
                new()
                {
                    Name = version >= 10 ? "" : topic,
                    TopicId = version >= 10 ? IdOf(session, topic) : Guid.Empty,
                    Partitions = [new() { PartitionIndex = partition, CommittedOffset = offset, CommittedMetadata = metadata }],
                },
            ],
        };
    }

    private Func<Session, IRequestMessage> OffsetFetch(short version)
    {
        var (group, topic, partition, all) = (Group(), Topic(), Partition(), version >= 2 && _random.Next(3) == 0);
        return session => version >= 8
            ? new OffsetFetchRequest
            {
                Groups =
                [
                    new()
                    {
                        GroupId = group,
                        Topics = all ? null : [new() { Name = version >= 10 ? "" : topic, TopicId = version >= 10 ? IdOf(session, topic) : Guid.Empty, PartitionIndexes = [partition] }],
                    },
                ],
            }
            : new OffsetFetchRequest { GroupId = group, Topics = all ? null : [new() { Name = topic, PartitionIndexes = [partition] }] };
    }

    private Func<Session, IRequestMessage> OffsetDelete(short version)
    {
        var request = new OffsetDeleteRequest { GroupId = Group(), Topics = [new() { Name = Topic(), Partitions = [new() { PartitionIndex = One(0, 1) }] }] };
        return _ => request;
    }

    private Func<Session, IRequestMessage> CreateTopics(short version)
    {
        var request = new CreateTopicsRequest
        {
            TimeoutMs = 10_000,
            ValidateOnly = true,
            Topics =
            [
                new()
                {
                    Name = One("fresh", _topics[0], "", "a/b", "a.b", "a_b", new string('n', 249), new string('n', 250)),
                    NumPartitions = One(-1, 1, 1, 3, 0, -5),
                    ReplicationFactor = One<short>(-1, 1, 1, 0, 2),
                    Configs = [new() { Name = One("retention.ms", "cleanup.policy", "segment.bytes", "compression.type", "nonsense"), Value = One("1", "-1", "delete", "gzip", "2000000", "") }],
                },
            ],
        };
        return _ => request;
    }

    private Func<Session, IRequestMessage> IncrementalAlterConfigs(short version)
    {
        var request = new IncrementalAlterConfigsRequest
        {
            ValidateOnly = true,
            Resources =
            [
                new()
                {
                    ResourceType = One<sbyte>(2, 2, 2, 9),
                    ResourceName = Topic(),
                    Configs =
                    [
                        new()
                        {
                            Name = One("retention.ms", "cleanup.policy", "max.message.bytes", "min.compaction.lag.ms", "nonsense"),
                            ConfigOperation = One<sbyte>(0, 0, 1, 2, 3),
                            Value = One("1", "-1", "compact", "delete", "compact,delete", "", "soon", null),
                        },
                    ],
                },
            ],
        };
        return _ => request;
    }

    private Func<Session, IRequestMessage> Metadata(short version)
    {
        var request = new MetadataRequest { Topics = [new() { Name = One(Topic(), "", "a/b", "__consumer_offsets") }], AllowAutoTopicCreation = version < 4 };
        return _ => request;
    }

    private string Group() => _random.Next(10) == 0 ? "" : One<string>(_groups);
}
