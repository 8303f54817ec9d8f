using System.Diagnostics;
using Milena.Model;
using Milena.Protocol;
using Milena.Testing;

namespace Milena.Conformance.Tests;

/// <summary>Log directories of a running node that are to take no new replica (KIP-1066), as clients ask for it and see it.</summary>
public sealed class CordoningTests : IDisposable
{
    private const string Setting = "cordoned.log.dirs";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("milena-cordoning-");

    private string First => Path.Combine(_folder.FullName, "first");

    private string Second => Path.Combine(_folder.FullName, "second");

    private string Both => $"{First},{Second}";

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void A_cordoned_directory_takes_no_new_replica_until_it_is_uncordoned()
    {
        using var node = new NodeProcess(Both).Start();
        using var client = new WireClient("127.0.0.1", node.Port);
        Assert.Equal(ErrorCode.None, Set(client, First));
        AwaitCordoned(client, First);
        Assert.Equal(ErrorCode.None, Create(client, "one", 4));
        Assert.Equal([Second], PathsOf(client, "one"));
        Assert.Equal(ErrorCode.InvalidReplicaAssignment, Move(client, "one", First));
        Assert.Equal(ErrorCode.None, Append(client, Second));
        AwaitCordoned(client, First, Second);
        AwaitRefusal(client);
        Assert.Equal(ErrorCode.InvalidReplicaAssignment, Create(client, "named", 1, [1]));
        Assert.Equal(ErrorCode.None, Set(client, Second));
        AwaitCordoned(client, Second);
        AwaitCreated(client, "two");
        Assert.Equal([First], PathsOf(client, "two"));
        Assert.Equal(ErrorCode.None, Move(client, "one", First));
    }

    [Fact]
    public void A_path_that_is_no_log_directory_is_refused_in_one_line()
    {
        using var node = new NodeProcess(Both).Start();
        using var client = new WireClient("127.0.0.1", node.Port);
        var (error, message) = Ask(client, "1", $"{First},/nowhere", operation: 0);
        Assert.Equal(ErrorCode.InvalidRequest, error);
        Assert.Equal($"Invalid value {First},/nowhere for configuration {Setting}: not among the log directories of this broker: /nowhere.", message);
        Assert.Equal(ErrorCode.InvalidRequest, Set(client, $"*,{First}"));
        Assert.Equal(ErrorCode.InvalidRequest, Replace(client, "/nowhere"));
        Assert.Equal(ErrorCode.InvalidRequest, Ask(client, "2", First, operation: 0).Error);
        Assert.Equal(ErrorCode.InvalidRequest, Ask(client, "", "*", operation: 0).Error);
        AwaitCordoned(client);
        var (exitCode, told) = NodeProcess.RunToFailure(
            "start", "--data", Path.Combine(_folder.FullName, "other"), "--listen", "127.0.0.1:0", "--cluster-listen", "127.0.0.1:0", "--set", $"{Setting}=/nowhere");
        Assert.Equal(2, exitCode);
        Assert.Contains("not among the log directories of this broker: /nowhere.", told);
    }

    [Fact]
    public void What_is_cordoned_stays_so_over_a_restart_and_what_is_set_while_it_runs_wins()
    {
        using (var node = new NodeProcess(Both).Start())
        {
            using var client = new WireClient("127.0.0.1", node.Port);
            Assert.Equal(ErrorCode.None, Set(client, "*"));
            AwaitRefusal(client);
            node.Stop();
        }

        using var again = new NodeProcess(Both).Start("--set", $"{Setting}={First}");
        using var later = new WireClient("127.0.0.1", again.Port);
        AwaitCordoned(later, First, Second);
        Assert.Equal(ErrorCode.InvalidReplicationFactor, Create(later, "refused", 1));
        Assert.Equal(ErrorCode.None, Ask(later, "1", null, operation: 1).Error);
        AwaitCordoned(later, First);
        AwaitCreated(later, "taken");
        Assert.Equal([Second], PathsOf(later, "taken"));
    }

    private static ErrorCode Set(WireClient client, string value) => Ask(client, "1", value, operation: 0).Error;

    private static ErrorCode Append(WireClient client, string value) => Ask(client, "1", value, operation: 2).Error;

    private static (ErrorCode Error, string? Message) Ask(WireClient client, string broker, string? value, sbyte operation)
    {
        var answer = ((IncrementalAlterConfigsResponse)client.Ask(ApiKey.IncrementalAlterConfigs, 1, new IncrementalAlterConfigsRequest
        {
            Resources = [new() { ResourceType = 4, ResourceName = broker, Configs = [new() { Name = Setting, Value = value, ConfigOperation = operation }] }],
        })!).Responses.Single();
        return (answer.ErrorCode, answer.ErrorMessage);
    }

    private static ErrorCode Replace(WireClient client, string value) => ((AlterConfigsResponse)client.Ask(ApiKey.AlterConfigs, 2, new AlterConfigsRequest
    {
        Resources = [new() { ResourceType = 4, ResourceName = "1", Configs = [new() { Name = Setting, Value = value }] }],
    })!).Responses.Single().ErrorCode;

    private static ErrorCode Create(WireClient client, string topic, int partitions, int[]? replicas = null) => ((CreateTopicsResponse)client.Ask(ApiKey.CreateTopics, 7, new CreateTopicsRequest
    {
        TimeoutMs = 10_000,
        Topics =
        [
            replicas is null
                ? new() { Name = topic, NumPartitions = partitions, ReplicationFactor = 1 }
                : new() { Name = topic, NumPartitions = -1, ReplicationFactor = -1, Assignments = [new() { BrokerIds = [.. replicas] }] },
        ],
    })!).Topics.Single().ErrorCode;

    private static ErrorCode Move(WireClient client, string topic, string path) => ((AlterReplicaLogDirsResponse)client.Ask(ApiKey.AlterReplicaLogDirs, 2, new AlterReplicaLogDirsRequest
    {
        Dirs = [new() { Path = path, Topics = [new() { Name = topic, Partitions = [0] }] }],
    })!).Results.Single().Partitions.Single().ErrorCode;

    private static DescribeLogDirsResponse Describe(WireClient client, short version = 5) =>
        (DescribeLogDirsResponse)client.Ask(ApiKey.DescribeLogDirs, version, new DescribeLogDirsRequest { Topics = null })!;

    private static IEnumerable<string> PathsOf(WireClient client, string topic) =>
        Describe(client).Results.Where(result => result.Topics.Exists(one => one.Name == topic)).Select(result => result.LogDir).Order();

    private static void AwaitCordoned(WireClient client, params string[] paths)
    {
        Await(() => Describe(client).Results.Where(result => result.IsCordoned).Select(result => result.LogDir).Order().SequenceEqual(paths), $"[{string.Join(", ", paths)}] to be cordoned");
        Assert.DoesNotContain(Describe(client, version: 4).Results, result => result.IsCordoned);
    }

    /// <summary>The controller hears of it a moment after the node itself.</summary>
    private static void AwaitRefusal(WireClient client)
    {
        var count = 0;
        Await(() => Create(client, $"attempt-{count++}", 1) == ErrorCode.InvalidReplicationFactor, "a new topic to be refused");
    }

    private static void AwaitCreated(WireClient client, string topic) => Await(() => Create(client, topic, 1) == ErrorCode.None, "a new topic to be made");

    private static void Await(Func<bool> holds, string what)
    {
        var waited = Stopwatch.StartNew();
        while (!holds())
        {
            Assert.True(waited.Elapsed < Patience, $"Waited {Patience} for {what}.");
        }
    }
}
