using Milena.Protocol;

namespace Milena.Differential.Tests;

/// <summary>Scenarios of topics and their settings.</summary>
public static partial class Scenarios
{
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
}
