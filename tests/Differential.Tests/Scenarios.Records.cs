using Milena.Model;
using Milena.Protocol;

namespace Milena.Differential.Tests;

/// <summary>Scenarios of producing, reading and deleting records.</summary>
public static partial class Scenarios
{
    private static IEnumerable<Func<Session, IRequestMessage>> Produce(short version)
    {
        var topic = $"produce-{version}";
        ProduceRequest To(string name, Guid id, int partition, byte[]? batch, short acks = -1) => new()
        {
            Acks = acks,
            TimeoutMs = 10_000,
            TopicData = [new() { Name = version >= 13 ? "" : name, TopicId = version >= 13 ? id : Guid.Empty, PartitionData = [new() { Index = partition, Records = batch is null ? default : new Records(batch) }] }],
        };
        Func<Session, IRequestMessage> Batch(Func<byte[]> make) => session => To(topic, session.Topic(topic), 0, make());
        yield return Batch(() => Wrong.Batch());
        foreach (var codec in Enum.GetValues<CompressionCodec>())
        {
            yield return Batch(() => Wrong.Batch(codec));
        }

        foreach (var (_, make) in Wrong.All)
        {
            yield return Batch(make);
        }

        yield return session => To(topic, session.Topic(topic), 5, Wrong.Batch());
        yield return session => To(topic, session.Topic(topic), -1, Wrong.Batch());
        yield return _ => To("no-such-topic", Guid.NewGuid(), 0, Wrong.Batch());
        yield return session => To(topic, session.Topic(topic), 0, Wrong.Batch(), acks: 2);
        yield return session => To(topic, session.Topic(topic), 0, []);
        yield return session => To($"compacted-{version}", session.Topic($"compacted-{version}", 1, ("cleanup.policy", "compact")), 0, Wrong.Batch());
        yield return session => To($"small-{version}", session.Topic($"small-{version}", 1, ("max.message.bytes", "100")), 0, Wrong.Batch());
        yield return session => To($"stamped-{version}", session.Topic($"stamped-{version}", 1, ("message.timestamp.type", "LogAppendTime")), 0, Wrong.Batch());
        yield return session => To($"young-{version}", session.Topic($"young-{version}", 1, ("message.timestamp.before.max.ms", "1000")), 0, Wrong.Batch());
    }

    private static IEnumerable<Func<Session, IRequestMessage>> Fetch(short version)
    {
        var topic = $"fetch-{version}";
        FetchRequest From(Session session, long offset, int partition = 0, string? name = null, int maxBytes = 1 << 20, int partitionMaxBytes = 1 << 20, int epoch = -1, sbyte isolation = 0, Guid? id = null) => new()
        {
            MaxWaitMs = 10,
            MinBytes = 1,
            MaxBytes = maxBytes,
            IsolationLevel = isolation,
            SessionId = 0,
            SessionEpoch = -1,
            Topics =
            [
                new()
                {
                    Topic = version >= 13 ? "" : name ?? topic,
                    TopicId = version >= 13 ? id ?? session.Topic(topic) : Guid.Empty,
                    Partitions = [new() { Partition = partition, FetchOffset = offset, PartitionMaxBytes = partitionMaxBytes, CurrentLeaderEpoch = version >= 9 ? epoch : -1 }],
                },
            ],
        };
        yield return session =>
        {
            Fill(session, topic);
            return From(session, 0);
        };
        yield return session => From(session, 3);
        yield return session => From(session, 6);
        yield return session => From(session, 7);
        yield return session => From(session, -1);
        yield return session => From(session, 0, partition: 9);
        yield return session => From(session, 0, name: "no-such-topic", id: Guid.NewGuid());
        yield return session => From(session, 0, maxBytes: 1, partitionMaxBytes: 1);
        yield return session => From(session, 0, partitionMaxBytes: 0);
        yield return session => From(session, 0, isolation: 1);
        yield return session => From(session, 0, epoch: 99);
    }

    private static IEnumerable<Func<Session, IRequestMessage>> ListOffsets(short version)
    {
        var topic = $"places-{version}";
        ListOffsetsRequest At(long timestamp, int partition = 0, string? name = null, sbyte isolation = 0, int epoch = -1) => new()
        {
            ReplicaId = -1,
            IsolationLevel = version >= 2 ? isolation : (sbyte)0,
            Topics = [new() { Name = name ?? topic, Partitions = [new() { PartitionIndex = partition, Timestamp = timestamp, CurrentLeaderEpoch = version >= 4 ? epoch : -1 }] }],
        };
        yield return session =>
        {
            Fill(session, topic);
            return At(-1);
        };
        for (var timestamp = -7L; timestamp <= 0; timestamp++)
        {
            var asked = timestamp;
            yield return _ => At(asked);
        }

        yield return _ => At(Now);
        yield return _ => At(Now + 2);
        yield return _ => At(Now + 1_000_000);
        yield return _ => At(-1, isolation: 1);
        yield return _ => At(-1, partition: 5);
        yield return _ => At(-1, name: "no-such-topic");
        yield return _ => At(-1, epoch: 77);
        yield return _ =>
        {
            var twice = At(-1);
            twice.Topics[0].Partitions.Add(new() { PartitionIndex = 0, Timestamp = -2 });
            return twice;
        };
    }

    private static IEnumerable<Func<Session, IRequestMessage>> OffsetForLeaderEpoch(short version)
    {
        var topic = $"epochs-{version}";
        OffsetForLeaderEpochRequest Of(int epoch, int current = -1, int partition = 0) => new()
        {
            ReplicaId = -1,
            Topics = [new() { Topic = topic, Partitions = [new() { Partition = partition, LeaderEpoch = epoch, CurrentLeaderEpoch = current }] }],
        };
        yield return session =>
        {
            Fill(session, topic);
            return Of(0);
        };
        yield return _ => Of(-1);
        yield return _ => Of(50);
        yield return _ => Of(0, current: 50);
        yield return _ => Of(0, partition: 5);
    }

    private static IEnumerable<Func<Session, IRequestMessage>> DeleteRecords(short version)
    {
        var topic = $"cut-{version}";
        DeleteRecordsRequest Below(long offset, int partition = 0, string? name = null) => new()
        {
            TimeoutMs = 10_000,
            Topics = [new() { Name = name ?? topic, Partitions = [new() { PartitionIndex = partition, Offset = offset }] }],
        };
        yield return session =>
        {
            Fill(session, topic);
            return Below(2);
        };
        yield return _ => Below(1);
        yield return _ => Below(7);
        yield return _ => Below(-2);
        yield return _ => Below(-1);
        yield return _ => Below(0, partition: 5);
        yield return _ => Below(0, name: "no-such-topic");
        yield return session =>
        {
            session.Topic($"cut-compacted-{version}", 1, ("cleanup.policy", "compact"));
            return Below(0, name: $"cut-compacted-{version}");
        };
    }

    private static IEnumerable<Func<Session, IRequestMessage>> InitProducerId(short version)
    {
        yield return session =>
        {
            // The first block of ids may still be on its way to the broker.
            Session.Await("a producer id", () => session.Prepare<InitProducerIdResponse>(
                ApiKey.InitProducerId, 4, new InitProducerIdRequest { TransactionalId = null, TransactionTimeoutMs = 1000 }).ErrorCode == ErrorCode.None);

            return new InitProducerIdRequest { TransactionalId = null, TransactionTimeoutMs = 1000 };
        };
        if (version >= 3)
        {
            yield return _ => new InitProducerIdRequest { TransactionalId = null, TransactionTimeoutMs = 1000, ProducerId = 5, ProducerEpoch = 1 };
        }
    }
}
