using System.Diagnostics;
using Milena.Model;
using Milena.Protocol;
using Milena.Testing;

namespace Milena.Conformance.Tests;

/// <summary>Partitions that move between the log directories of a running node, as clients and Kafka's tools ask for it.</summary>
public sealed class MovingDirectoryTests : IDisposable
{
    private const string Topic = "moved";
    private const int Partitions = 3;
    private const int Batch = 50;
    private const string LogDirs = "org.apache.kafka.tools.LogDirsCommand";
    private const string Reassign = "org.apache.kafka.tools.reassign.ReassignPartitionsCommand";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("milena-moving-");

    private string First => Path.Combine(_folder.FullName, "first");

    private string Second => Path.Combine(_folder.FullName, "second");

    private string Both => $"{First},{Second}";

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void Partitions_move_to_the_directory_that_is_asked_for_and_are_there_after_a_restart()
    {
        using (var node = new NodeProcess(Both).Start())
        {
            using var client = new WireClient("127.0.0.1", node.Port);
            Create(client);
            Produce(client);
            Assert.All(Alter(client, Second, 0, 1, 2), error => Assert.Equal(ErrorCode.None, error));
            AwaitIn(client, Second);
            Produce(client);
            Assert.Equal(Enumerable.Repeat(2L * Batch, Partitions), Ends(client));
            Assert.Equal([ErrorCode.ReplicaNotAvailable], Alter(client, Second, Partitions));
            Assert.Equal([ErrorCode.LogDirNotFound], Alter(client, Path.Combine(_folder.FullName, "third"), 0));
            node.Stop();
        }

        using var again = new NodeProcess(Both).Start();
        using var later = new WireClient("127.0.0.1", again.Port);
        Assert.Equal(Enumerable.Repeat(2L * Batch, Partitions), Ends(later));
        AwaitIn(later, Second);
        Assert.Empty(Directory.GetDirectories(First, $"{Topic}*"));
    }

    [SkippableFact]
    public void Kafkas_tools_move_partitions_and_see_that_they_have_moved()
    {
        var libraries = KafkaTools.Libraries();
        using var node = new NodeProcess(Both).Start();
        using var client = new WireClient("127.0.0.1", node.Port);
        Create(client);
        Produce(client);
        var plan = Path.Combine(_folder.FullName, "plan.json");
        var partitions = Enumerable.Range(0, Partitions)
            .Select(partition => $$"""{"topic":"{{Topic}}","partition":{{partition}},"replicas":[1],"log_dirs":["{{First}}"]}""");
        File.WriteAllText(plan, $$"""{"version":1,"partitions":[{{string.Join(',', partitions)}}]}""");
        var begun = KafkaTools.Run(libraries, Reassign, node.Address, "--reassignment-json-file", plan, "--execute");
        Assert.Contains($"Successfully started moving log directory to {First} for replica {Topic}-0 with broker 1", begun);
        AwaitIn(client, First);
        var verified = KafkaTools.Run(libraries, Reassign, node.Address, "--reassignment-json-file", plan, "--verify");
        Assert.All(Enumerable.Range(0, Partitions), partition => Assert.Contains($"Reassignment of replica {Topic}-{partition}-1 completed successfully.", verified));
        var described = KafkaTools.Run(libraries, LogDirs, node.Address, "--describe", "--topic-list", Topic);
        Assert.Matches($$"""\{"partitions":\[\],"error":null,"logDir":"{{Second}}"\}""", described);
        Assert.Matches($$"""\{"partition":"{{Topic}}-0","size":\d+,"offsetLag":0,"isFuture":false\}""", described);
        Produce(client);
        Assert.Equal(Enumerable.Repeat(2L * Batch, Partitions), Ends(client));
    }

    private static void Create(WireClient client) => client.Ask(ApiKey.CreateTopics, 7, new CreateTopicsRequest
    {
        TimeoutMs = 10_000,
        Topics = [new() { Name = Topic, NumPartitions = Partitions, ReplicationFactor = 1 }],
    });

    private static void Produce(WireClient client)
    {
        var request = new ProduceRequest
        {
            Acks = -1,
            TimeoutMs = 10_000,
            TopicData = [new() { Name = Topic, PartitionData = [.. Enumerable.Range(0, Partitions).Select(index => new ProduceRequest.PartitionProduceData { Index = index, Records = new Records(Batches.Plain(Batch, 1000)) })] }],
        };
        var response = (ProduceResponse)client.Ask(ApiKey.Produce, 12, request)!;
        Assert.All(response.Responses[0].PartitionResponses, partition => Assert.Equal(ErrorCode.None, partition.ErrorCode));
    }

    private static IEnumerable<ErrorCode> Alter(WireClient client, string path, params int[] partitions) =>
        ((AlterReplicaLogDirsResponse)client.Ask(ApiKey.AlterReplicaLogDirs, 2, new AlterReplicaLogDirsRequest
        {
            Dirs = [new() { Path = path, Topics = [new() { Name = Topic, Partitions = [.. partitions] }] }],
        })!).Results[0].Partitions.Select(partition => partition.ErrorCode);

    private static IEnumerable<long> Ends(WireClient client) => ((ListOffsetsResponse)client.Ask(ApiKey.ListOffsets, 7, new ListOffsetsRequest
    {
        ReplicaId = -1,
        Topics = [new() { Name = Topic, Partitions = [.. Enumerable.Range(0, Partitions).Select(index => new ListOffsetsRequest.ListOffsetsPartition { PartitionIndex = index, Timestamp = -1 })] }],
    })!).Topics[0].Partitions.Select(partition => partition.Offset);

    private static void AwaitIn(WireClient client, string path)
    {
        var waited = Stopwatch.StartNew();
        while (!AreIn(client, path))
        {
            Assert.True(waited.Elapsed < Patience, $"Waited {Patience} for all partitions to be in {path}.");
        }
    }

    private static bool AreIn(WireClient client, string path)
    {
        var described = (DescribeLogDirsResponse)client.Ask(ApiKey.DescribeLogDirs, 4, new DescribeLogDirsRequest { Topics = null })!;
        Assert.All(described.Results, result => Assert.Equal(ErrorCode.None, result.ErrorCode));
        Assert.All(described.Results, result => Assert.InRange(result.UsableBytes, 1, result.TotalBytes));
        return described.Results.TrueForAll(result => result.LogDir == path
            ? result.Topics is [{ Partitions: { Count: Partitions } partitions }] && partitions.TrueForAll(partition => !partition.IsFutureKey)
            : result.Topics.Count == 0);
    }
}
