using System.Text;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Differential.Tests;

/// <summary>A sequence of requests of one API, for one version of it.</summary>
public sealed record Scenario(string Name, ApiKey Key, Func<short, IEnumerable<Func<Session, IRequestMessage>>> Steps);

/// <summary>What is sent to both systems. Topic names carry the version, so that runs do not meet.</summary>
public static partial class Scenarios
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
        new("moves to log directories that there are not", ApiKey.AlterReplicaLogDirs, AlterReplicaLogDirs),
        new("the metadata's quorum", ApiKey.DescribeQuorum, DescribeQuorum),
        new("voters that cannot be added", ApiKey.AddRaftVoter, AddRaftVoter),
        new("voters that cannot be removed", ApiKey.RemoveRaftVoter, RemoveRaftVoter),
        new("features rightly and wrongly", ApiKey.UpdateFeatures, UpdateFeatures),
        new("what has settings", ApiKey.ListConfigResources, ListConfigResources),
    ];

    /// <summary>The names that a request can give a topic wrongly.</summary>
    private static readonly string[] WrongNames = ["", ".", "..", "a/b", "späße", new('x', 250)];

    private static IEnumerable<Func<Session, IRequestMessage>> DescribeCluster(short version)
    {
        yield return _ => new DescribeClusterRequest { IncludeClusterAuthorizedOperations = true };
        if (version >= 1)
        {
            yield return _ => new DescribeClusterRequest { EndpointType = 2 };
            yield return _ => new DescribeClusterRequest { EndpointType = 7 };
        }
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

    private static IEnumerable<Func<Session, IRequestMessage>> AlterReplicaLogDirs(short version)
    {
        static AlterReplicaLogDirsRequest.AlterReplicaLogDir To(string path, params string[] topics) =>
            new() { Path = path, Topics = [.. topics.Select(topic => new AlterReplicaLogDirsRequest.AlterReplicaLogDirTopic { Name = topic, Partitions = [0, 4] })] };
        yield return session =>
        {
            Fill(session, $"stays-{version}");
            return new AlterReplicaLogDirsRequest { Dirs = [To("/nowhere", $"stays-{version}"), To("/nowhere/else", $"unknown-{version}")] };
        };
        yield return _ => new AlterReplicaLogDirsRequest { Dirs = [To("", $"stays-{version}")] };
        yield return _ => new AlterReplicaLogDirsRequest { Dirs = [To("/nowhere", new string('x', 240))] };
        yield return _ => new AlterReplicaLogDirsRequest { Dirs = [To("/nowhere")] };
        yield return _ => new AlterReplicaLogDirsRequest();
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
}
