using System.Text;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Differential.Tests;

/// <summary>A sequence of requests of one API, for one version of it.</summary>
public sealed record Scenario(string Name, ApiKey Key, Func<short, IEnumerable<Func<Session, IRequestMessage>>> Steps);

/// <summary>What is sent to both systems. Topic names carry the version, so that runs do not meet.</summary>
public static class Scenarios
{
    private const long Now = 1_700_000_000_000;

    public static readonly Scenario[] All =
    [
        new("topics that exist and do not", ApiKey.Metadata, Metadata),
        new("topics made rightly and wrongly", ApiKey.CreateTopics, CreateTopics),
        new("partitions added rightly and wrongly", ApiKey.CreatePartitions, CreatePartitions),
        new("topics deleted rightly and wrongly", ApiKey.DeleteTopics, DeleteTopics),
        new("batches with one thing wrong at a time", ApiKey.Produce, Produce),
        new("reads in and out of range", ApiKey.Fetch, Fetch),
        new("places of every kind", ApiKey.ListOffsets, ListOffsets),
        new("epochs known and unknown", ApiKey.OffsetForLeaderEpoch, OffsetForLeaderEpoch),
        new("records deleted rightly and wrongly", ApiKey.DeleteRecords, DeleteRecords),
        new("settings of topics", ApiKey.DescribeConfigs, DescribeConfigs),
        new("settings changed one by one", ApiKey.IncrementalAlterConfigs, IncrementalAlterConfigs),
        new("settings replaced", ApiKey.AlterConfigs, AlterConfigs),
        new("coordinators found", ApiKey.FindCoordinator, FindCoordinator),
        new("joins rightly and wrongly", ApiKey.JoinGroup, JoinGroup),
        new("syncs of strangers", ApiKey.SyncGroup, SyncGroup),
        new("heartbeats of strangers", ApiKey.Heartbeat, Heartbeat),
        new("strangers leave", ApiKey.LeaveGroup, LeaveGroup),
        new("offsets committed rightly and wrongly", ApiKey.OffsetCommit, OffsetCommit),
        new("offsets fetched", ApiKey.OffsetFetch, OffsetFetch),
        new("offsets deleted", ApiKey.OffsetDelete, OffsetDelete),
        new("groups described", ApiKey.DescribeGroups, DescribeGroups),
        new("groups deleted", ApiKey.DeleteGroups, DeleteGroups),
        new("the cluster", ApiKey.DescribeCluster, DescribeCluster),
        new("producer ids", ApiKey.InitProducerId, InitProducerId),
        new("topics a page at a time", ApiKey.DescribeTopicPartitions, DescribeTopicPartitions),
        new("log directories", ApiKey.DescribeLogDirs, DescribeLogDirs),
    ];

    /// <summary>The names that a request can give a topic wrongly.</summary>
    private static readonly string[] WrongNames = ["", ".", "..", "a/b", "späße", new('x', 250)];

    private static IEnumerable<Func<Session, IRequestMessage>> Metadata(short version)
    {
        yield return session =>
        {
            session.Topic($"metadata-{version}", 3);
            return Ask($"metadata-{version}");
        };
        yield return _ => Ask("no-such-topic");
        foreach (var name in WrongNames)
        {
            yield return _ => Ask(name);
        }

        if (version >= 10)
        {
            yield return _ => new MetadataRequest { Topics = [new() { TopicId = Guid.NewGuid(), Name = version >= 12 ? null : "" }], AllowAutoTopicCreation = false };
        }

        if (version is >= 8 and <= 10)
        {
            yield return _ => new MetadataRequest { Topics = [], AllowAutoTopicCreation = false, IncludeClusterAuthorizedOperations = true };
        }

        if (version >= 8)
        {
            yield return _ => new MetadataRequest { Topics = [new() { Name = $"metadata-{version}" }], AllowAutoTopicCreation = false, IncludeTopicAuthorizedOperations = true };
        }

        MetadataRequest Ask(string name) => new() { Topics = [new() { Name = name }], AllowAutoTopicCreation = version < 4 };
    }

    private static IEnumerable<Func<Session, IRequestMessage>> CreateTopics(short version)
    {
        CreateTopicsRequest One(string name, int partitions = 1, short replicas = 1, bool validateOnly = false, params (string, string?)[] configs) => new()
        {
            TimeoutMs = 10_000,
            ValidateOnly = validateOnly,
            Topics =
            [
                new()
                {
                    Name = name,
                    NumPartitions = partitions,
                    ReplicationFactor = replicas,
                    Configs = [.. configs.Select(config => new CreateTopicsRequest.CreatableTopicConfig { Name = config.Item1, Value = config.Item2 })],
                },
            ],
        };
        yield return _ => One($"create-{version}", 2);
        yield return _ => One($"create-{version}", 2);
        yield return _ => One($"create.{version}", 2);
        yield return _ => One($"create-dry-{version}", 2, validateOnly: true);
        yield return _ => One($"create-dry-{version}", 0);
        yield return _ => One($"create-dry-{version}", -2);
        yield return _ => One($"create-dry-{version}", 1, 0);
        yield return _ => One($"create-dry-{version}", 1, 2);
        yield return _ => One($"create-default-{version}", -1, -1);
        yield return _ => One($"create-config-{version}", configs: [("retention.ms", "1234"), ("cleanup.policy", "compact")]);
        yield return _ => One($"create-config-x-{version}", configs: [("no.such.setting", "1")]);
        yield return _ => One($"create-config-x-{version}", configs: [("retention.ms", "soon")]);
        yield return _ => One($"create-config-x-{version}", configs: [("retention.ms", null)]);
        yield return _ => One($"create-config-x-{version}", configs: [("cleanup.policy", "shred")]);
        yield return _ => One("__consumer_offsets-like");
        foreach (var name in WrongNames)
        {
            yield return _ => One(name);
        }

        yield return _ =>
        {
            var twice = One($"create-twice-{version}");
            twice.Topics.Add(new() { Name = $"create-twice-{version}", NumPartitions = 1, ReplicationFactor = 1 });
            return twice;
        };
        CreateTopicsRequest Assigned(params int[][] partitions) => new()
        {
            TimeoutMs = 10_000,
            Topics =
            [
                new()
                {
                    Name = $"create-assigned-{version}",
                    NumPartitions = -1,
                    ReplicationFactor = -1,
                    Assignments = [.. partitions.Select((brokers, index) => new CreateTopicsRequest.CreatableReplicaAssignment { PartitionIndex = index, BrokerIds = [.. brokers] })],
                },
            ],
        };
        yield return _ => Assigned([1], []);
        yield return _ => Assigned([1, 1]);
        yield return _ => Assigned([7]);
        yield return _ =>
        {
            var gap = Assigned([1], [1]);
            gap.Topics[0].Assignments[1].PartitionIndex = 5;
            return gap;
        };
        yield return _ => Assigned([1], [1]);
    }

    private static IEnumerable<Func<Session, IRequestMessage>> CreatePartitions(short version)
    {
        var topic = $"partitions-{version}";
        CreatePartitionsRequest To(int count, string? name = null, bool validateOnly = false, params int[] assigned) => new()
        {
            TimeoutMs = 10_000,
            ValidateOnly = validateOnly,
            Topics =
            [
                new()
                {
                    Name = name ?? topic,
                    Count = count,
                    Assignments = assigned.Length == 0 ? null : [.. assigned.Select(broker => new CreatePartitionsRequest.CreatePartitionsAssignment { BrokerIds = [broker] })],
                },
            ],
        };
        yield return session =>
        {
            session.Topic(topic, 2);
            return To(3);
        };
        yield return _ => To(3);
        yield return _ => To(1);
        yield return _ => To(-1);
        yield return _ => To(4, validateOnly: true);
        yield return _ => To(4, "no-such-topic");
        yield return _ => To(5, null, false, 1);
        yield return _ => To(4, null, false, 9);
        yield return _ => To(4, null, false, 1);
    }

    private static IEnumerable<Func<Session, IRequestMessage>> DeleteTopics(short version)
    {
        DeleteTopicsRequest Named(params string[] names) => version >= 6
            ? new() { TimeoutMs = 10_000, Topics = [.. names.Select(name => new DeleteTopicsRequest.DeleteTopicState { Name = name })] }
            : new() { TimeoutMs = 10_000, TopicNames = [.. names] };
        yield return session =>
        {
            session.Topic($"delete-{version}");
            return Named($"delete-{version}", "no-such-topic");
        };
        yield return session =>
        {
            session.Topic($"delete-again-{version}");
            return Named($"delete-again-{version}", $"delete-again-{version}");
        };
        if (version >= 6)
        {
            yield return session => new DeleteTopicsRequest { TimeoutMs = 10_000, Topics = [new() { TopicId = session.Topic($"delete-id-{version}") }] };
            yield return _ => new DeleteTopicsRequest { TimeoutMs = 10_000, Topics = [new() { TopicId = Guid.NewGuid() }] };
        }
    }

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

    private static IEnumerable<Func<Session, IRequestMessage>> DescribeConfigs(short version)
    {
        var topic = $"settings-{version}";
        DescribeConfigsRequest Of(string name, sbyte type = 2, params string[] keys) => new()
        {
            IncludeSynonyms = version >= 1,
            Resources = [new() { ResourceType = type, ResourceName = name, ConfigurationKeys = keys.Length == 0 ? null : [.. keys] }],
        };
        yield return session =>
        {
            session.Topic(topic, 1, ("retention.ms", "777"));
            return Of(topic);
        };
        yield return _ => Of(topic, 2, "retention.ms", "no.such.setting", "cleanup.policy");
        yield return _ => Of("no-such-topic");
        yield return _ => Of("a/b");
        yield return _ => Of("77", 4);
        yield return _ => Of("one", 4);
        yield return _ => Of("x", 3);
        yield return _ => Of("1", 4, "log.retention.ms", "message.max.bytes", "min.insync.replicas", "num.io.threads");
    }

    private static IEnumerable<Func<Session, IRequestMessage>> IncrementalAlterConfigs(short version)
    {
        var topic = $"increments-{version}";
        IncrementalAlterConfigsRequest Do(string name, sbyte operation, string key, string? value, sbyte type = 2, bool validateOnly = false) => new()
        {
            ValidateOnly = validateOnly,
            Resources = [new() { ResourceType = type, ResourceName = name, Configs = [new() { Name = key, ConfigOperation = operation, Value = value }] }],
        };
        yield return session =>
        {
            session.Topic(topic);
            return Do(topic, 0, "retention.ms", "1000");
        };
        yield return _ => Do(topic, 0, "retention.ms", "never");
        yield return _ => Do(topic, 0, "retention.ms", null);
        yield return _ => Do(topic, 0, "no.such.setting", "1");
        yield return _ => Do(topic, 1, "retention.ms", null);
        yield return _ => Do(topic, 2, "cleanup.policy", "compact");
        yield return _ => Do(topic, 3, "cleanup.policy", "delete");
        yield return _ => Do(topic, 2, "retention.ms", "1");
        yield return _ => Do(topic, 9, "retention.ms", "1");
        yield return _ => Do("no-such-topic", 0, "retention.ms", "1");
        yield return _ => Do("a/b", 0, "retention.ms", "1");
        yield return _ => Do(topic, 0, "retention.ms", "5", validateOnly: true);
        yield return _ => Do("1", 0, "log.retention.ms", "sometimes", type: 4);
        yield return _ => Do("1", 0, "node.id", "5", type: 4);
    }

    private static IEnumerable<Func<Session, IRequestMessage>> AlterConfigs(short version)
    {
        var topic = $"replaced-{version}";
        AlterConfigsRequest Do(string name, string key, string? value, sbyte type = 2) => new()
        {
            Resources = [new() { ResourceType = type, ResourceName = name, Configs = [new() { Name = key, Value = value }] }],
        };
        yield return session =>
        {
            session.Topic(topic, 1, ("retention.ms", "5"));
            return Do(topic, "segment.ms", "100000");
        };
        yield return _ => Do(topic, "segment.ms", "-3");
        yield return _ => Do(topic, "segment.ms", null);
        yield return _ => Do(topic, "no.such.setting", "1");
        yield return _ => Do("no-such-topic", "segment.ms", "1");
    }

    private static IEnumerable<Func<Session, IRequestMessage>> FindCoordinator(short version)
    {
        FindCoordinatorRequest Of(sbyte type, params string[] keys) => version >= 4
            ? new() { KeyType = type, CoordinatorKeys = [.. keys] }
            : new() { KeyType = version >= 1 ? type : (sbyte)0, Key = keys[0] };
        yield return _ => Of(0, $"found-{version}");
        yield return _ => Of(0, "");
        if (version >= 4)
        {
            yield return _ => Of(0, "one", "two", "three");
            yield return _ => Of(0);
        }
    }

    internal static void Coordinated(Session session)
    {
        // The offsets topic is made on the way, and its coordinators load a moment later.
        Session.Await("a coordinator", () =>
        {
            var found = session.Prepare<FindCoordinatorResponse>(ApiKey.FindCoordinator, 4, new FindCoordinatorRequest { CoordinatorKeys = ["any"] });
            var listed = session.Prepare<HeartbeatResponse>(ApiKey.Heartbeat, 4, new HeartbeatRequest { GroupId = "any", MemberId = "nobody" });
            return found.Coordinators[0].ErrorCode == ErrorCode.None
                && listed.ErrorCode is not (ErrorCode.NotCoordinator or ErrorCode.CoordinatorNotAvailable or ErrorCode.CoordinatorLoadInProgress);
        });
    }

    private static IEnumerable<Func<Session, IRequestMessage>> JoinGroup(short version)
    {
        JoinGroupRequest Of(string group, string member = "", int session = 10_000, string type = "consumer", bool protocols = true) => new()
        {
            GroupId = group,
            MemberId = member,
            SessionTimeoutMs = session,
            RebalanceTimeoutMs = version >= 1 ? 10_000 : -1,
            ProtocolType = type,
            Protocols = protocols ? [new() { Name = "range", Metadata = new byte[] { 0, 1, 0, 0, 0, 0, 0, 0, 0, 0 } }] : [],
        };
        yield return session =>
        {
            Coordinated(session);
            return Of($"join-{version}");
        };
        if (version >= 4)
        {
            yield return session => Of($"join-{version}", ((JoinGroupResponse)session.Last!).MemberId);
        }

        yield return _ => Of("");
        yield return _ => Of($"join-{version}", "nobody");
        yield return _ => Of($"join-x-{version}", "nobody");
        yield return _ => Of($"join-x-{version}", session: 1);
        yield return _ => Of($"join-x-{version}", session: int.MaxValue);
        yield return _ => Of($"join-x-{version}", type: "");
        yield return _ => Of($"join-x-{version}", protocols: false);
        yield return _ => Of($"join-{version}", type: "connect");
    }

    private static IEnumerable<Func<Session, IRequestMessage>> SyncGroup(short version)
    {
        SyncGroupRequest Of(string group, string member) => new() { GroupId = group, MemberId = member, GenerationId = 1 };
        yield return session =>
        {
            Coordinated(session);
            return Of("no-such-group", "nobody");
        };
        yield return _ => Of("", "nobody");
        yield return session => Of(Joined(session, $"sync-{version}"), "nobody");
    }

    private static IEnumerable<Func<Session, IRequestMessage>> Heartbeat(short version)
    {
        HeartbeatRequest Of(string group, string member) => new() { GroupId = group, MemberId = member, GenerationId = 1 };
        yield return session =>
        {
            Coordinated(session);
            return Of("no-such-group", "nobody");
        };
        yield return _ => Of("", "nobody");
        yield return session => Of(Joined(session, $"beat-{version}"), "nobody");
    }

    private static IEnumerable<Func<Session, IRequestMessage>> LeaveGroup(short version)
    {
        LeaveGroupRequest Of(string group, string member) => version >= 3
            ? new() { GroupId = group, Members = [new() { MemberId = member }] }
            : new() { GroupId = group, MemberId = member };
        yield return session =>
        {
            Coordinated(session);
            return Of("no-such-group", "nobody");
        };
        yield return _ => Of("", "nobody");
        yield return session => Of(Joined(session, $"leave-{version}"), "nobody");
    }

    private static IEnumerable<Func<Session, IRequestMessage>> OffsetCommit(short version)
    {
        var topic = $"commit-{version}";
        OffsetCommitRequest Of(Session session, string group, long offset, string? name = null, int partition = 0, int generation = -1, string member = "", string? metadata = "m") => new()
        {
            GroupId = group,
            GenerationIdOrMemberEpoch = generation,
            MemberId = member,
            Topics =
            [
                new()
                {
                    Name = version >= 10 ? "" : name ?? topic,
                    TopicId = version >= 10 ? (name is null ? session.Topic(topic) : Guid.NewGuid()) : Guid.Empty,
                    Partitions = [new() { PartitionIndex = partition, CommittedOffset = offset, CommittedMetadata = metadata }],
                },
            ],
        };
        yield return session =>
        {
            Coordinated(session);
            session.Topic(topic);
            return Of(session, $"commit-{version}", 5);
        };
        yield return session => Of(session, $"commit-{version}", 6, metadata: null);
        yield return session => Of(session, $"commit-{version}", 6, name: "no-such-topic");
        yield return session => Of(session, $"commit-{version}", 6, partition: 8);
        yield return session => Of(session, $"commit-{version}", 6, metadata: new string('x', 5000));
        yield return session => Of(session, $"commit-{version}", 6, generation: 3, member: "nobody");
        yield return session => Of(session, $"commit-none-{version}", 6, generation: 3, member: "nobody");
        yield return session => Of(session, $"commit-{version}", -5);
        yield return session => Of(session, "", 5);
    }

    private static IEnumerable<Func<Session, IRequestMessage>> OffsetFetch(short version)
    {
        var (group, topic) = ($"offsets-{version}", $"offsets-{version}");
        OffsetFetchRequest Of(Session session, string of, bool all, string? name = null)
        {
            if (version >= 8)
            {
                return new()
                {
                    Groups =
                    [
                        new()
                        {
                            GroupId = of,
                            Topics = all ? null : [new() { Name = version >= 10 ? "" : name ?? topic, TopicId = version >= 10 ? (name is null ? session.Topic(topic) : Guid.NewGuid()) : Guid.Empty, PartitionIndexes = [0, 1, 7] }],
                        },
                    ],
                };
            }

            return new() { GroupId = of, Topics = all ? null : [new() { Name = name ?? topic, PartitionIndexes = [0, 1, 7] }] };
        }

        yield return session =>
        {
            Coordinated(session);
            Committed(session, group, topic);
            return Of(session, group, all: false);
        };
        if (version >= 2)
        {
            yield return session => Of(session, group, all: true);
            yield return session => Of(session, "no-such-group", all: true);
        }

        yield return session => Of(session, "no-such-group", all: false);
        yield return session => Of(session, group, all: false, name: "no-such-topic");
        yield return session => Of(session, "", all: false);
    }

    private static IEnumerable<Func<Session, IRequestMessage>> OffsetDelete(short version)
    {
        var (group, topic) = ($"forget-{version}", $"forget-{version}");
        OffsetDeleteRequest Of(string of, string name, int partition) => new()
        {
            GroupId = of,
            Topics = [new() { Name = name, Partitions = [new() { PartitionIndex = partition }] }],
        };
        yield return session =>
        {
            Coordinated(session);
            Committed(session, group, topic);
            return Of(group, topic, 0);
        };
        yield return _ => Of(group, topic, 9);
        yield return _ => Of(group, "no-such-topic", 0);
        yield return _ => Of("no-such-group", topic, 0);
    }

    private static IEnumerable<Func<Session, IRequestMessage>> DescribeGroups(short version)
    {
        DescribeGroupsRequest Of(params string[] groups) => new() { Groups = [.. groups], IncludeAuthorizedOperations = version >= 3 };
        yield return session =>
        {
            Coordinated(session);
            Committed(session, $"described-{version}", $"described-{version}");
            return Of($"described-{version}");
        };
        yield return _ => Of("no-such-group");
        yield return _ => Of();
        yield return _ => Of($"described-{version}", "no-such-group");
    }

    private static IEnumerable<Func<Session, IRequestMessage>> DeleteGroups(short version)
    {
        DeleteGroupsRequest Of(params string[] groups) => new() { GroupsNames = [.. groups] };
        yield return session =>
        {
            Coordinated(session);
            Committed(session, $"gone-{version}", $"gone-{version}");
            return Of($"gone-{version}", "no-such-group");
        };
        yield return _ => Of($"gone-{version}");
        yield return session => Of(Joined(session, $"busy-{version}"));
        yield return _ => Of("");
    }

    private static IEnumerable<Func<Session, IRequestMessage>> DescribeCluster(short version)
    {
        yield return _ => new DescribeClusterRequest { IncludeClusterAuthorizedOperations = true };
        if (version >= 1)
        {
            yield return _ => new DescribeClusterRequest { EndpointType = 2 };
            yield return _ => new DescribeClusterRequest { EndpointType = 7 };
        }
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

    private static IEnumerable<Func<Session, IRequestMessage>> DescribeTopicPartitions(short version)
    {
        yield return session =>
        {
            session.Topic("paged", 5);
            return new DescribeTopicPartitionsRequest { Topics = [new() { Name = "paged" }], ResponsePartitionLimit = 3 };
        };
        yield return _ => new DescribeTopicPartitionsRequest { Topics = [new() { Name = "paged" }], ResponsePartitionLimit = 3, Cursor = new() { TopicName = "paged", PartitionIndex = 3 } };
        yield return _ => new DescribeTopicPartitionsRequest { Topics = [new() { Name = "no-such-topic" }], ResponsePartitionLimit = 3 };
        yield return _ => new DescribeTopicPartitionsRequest { Topics = [new() { Name = "a/b" }], ResponsePartitionLimit = 3 };
        yield return _ => new DescribeTopicPartitionsRequest { Topics = [new() { Name = "paged" }], ResponsePartitionLimit = 0 };
    }

    private static IEnumerable<Func<Session, IRequestMessage>> DescribeLogDirs(short version)
    {
        yield return session =>
        {
            Fill(session, $"sized-{version}");
            return new DescribeLogDirsRequest { Topics = [new() { Topic = $"sized-{version}", Partitions = [0, 4] }] };
        };
        yield return _ => new DescribeLogDirsRequest { Topics = [] };
    }

    /// <summary>Two batches of three records, a millisecond apart.</summary>
    private static void Fill(Session session, string topic)
    {
        var id = session.Topic(topic);
        for (var first = 0; first < 6; first += 3)
        {
            using var builder = new RecordBatchBuilder();
            for (var i = 0; i < 3; i++)
            {
                builder.Add(Now + first + i, null, Encoding.ASCII.GetBytes($"value {first + i}"));
            }

            session.Prepare<ProduceResponse>(ApiKey.Produce, 12, new ProduceRequest
            {
                Acks = -1,
                TimeoutMs = 10_000,
                TopicData = [new() { Name = topic, TopicId = Guid.Empty, PartitionData = [new() { Index = 0, Records = new Records(builder.Build()) }] }],
            });
        }

        Assert.NotEqual(Guid.Empty, id);
    }

    internal static void Committed(Session session, string group, string topic)
    {
        session.Topic(topic, 2);
        session.Prepare<OffsetCommitResponse>(ApiKey.OffsetCommit, 8, new OffsetCommitRequest
        {
            GroupId = group,
            Topics = [new() { Name = topic, Partitions = [new() { PartitionIndex = 0, CommittedOffset = 42, CommittedMetadata = "note" }] }],
        });
    }

    /// <summary>A group with one member, which has its assignment.</summary>
    private static string Joined(Session session, string group)
    {
        var join = new JoinGroupRequest
        {
            GroupId = group,
            SessionTimeoutMs = 30_000,
            RebalanceTimeoutMs = 30_000,
            ProtocolType = "consumer",
            Protocols = [new() { Name = "range", Metadata = new byte[] { 0, 1, 0, 0, 0, 0, 0, 0, 0, 0 } }],
        };
        join.MemberId = session.Prepare<JoinGroupResponse>(ApiKey.JoinGroup, 4, join).MemberId;
        var joined = session.Prepare<JoinGroupResponse>(ApiKey.JoinGroup, 4, join);
        session.Prepare<SyncGroupResponse>(ApiKey.SyncGroup, 3, new SyncGroupRequest { GroupId = group, MemberId = join.MemberId, GenerationId = joined.GenerationId });
        return group;
    }
}
