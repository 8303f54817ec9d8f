using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using Milena.Model;
using Milena.Protocol;
using Milena.Testing;

namespace Milena.Conformance.Tests;

/// <summary>A partition that Kafka's own tool moves between nodes, and between the log directories of one, within a limit (KIP-73, KIP-113).</summary>
public sealed class ThrottledMoveTests : IDisposable
{
    private const string Topic = "moved";
    private const string Topics = "org.apache.kafka.tools.TopicCommand";
    private const string Reassign = "org.apache.kafka.tools.reassign.ReassignPartitionsCommand";
    private const sbyte TopicType = 2;
    private const sbyte BrokerType = 4;
    private const int BatchBytes = 250_000;
    private const int Batches = 24;
    private const int BytesPerSecond = 1_000_000;

    /// <summary>What goes at once may be over the limit: an answer of <c>replica.fetch.max.bytes</c>, or a piece of a copy; and a look at the files is late.</summary>
    private const int AtOnce = 1_200_000;

    private readonly NodeProcess[] _nodes;
    private readonly int[] _clusterPorts = [.. Enumerable.Range(0, 3).Select(_ => FreePorts.InARow(2))];
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("milena-throttled-");

    public ThrottledMoveTests() => _nodes = [.. Enumerable.Range(1, 3).Select(id => new NodeProcess(string.Join(',', DirectoriesOf(id))))];

    private string Servers => string.Join(',', _nodes.Select(node => node.Address));

    public void Dispose()
    {
        foreach (var node in _nodes)
        {
            node.Dispose();
        }

        _folder.Delete(recursive: true);
    }

    [SkippableFact]
    public void A_partition_moves_to_another_node_no_faster_than_its_limit_which_is_taken_back_afterwards()
    {
        var libraries = Begin("1:2");
        var plan = Plan("""{"topic":"moved","partition":0,"replicas":[3,2]}""");
        using var move = new Move(() => BytesIn(DirectoriesOf(3)));
        Run(libraries, Reassign, "--reassignment-json-file", plan, "--execute", "--throttle", $"{BytesPerSecond}");
        Assert.Equal($"{BytesPerSecond}", SettingOf(1, "leader.replication.throttled.rate"));
        Assert.Equal($"{BytesPerSecond}", SettingOf(3, "follower.replication.throttled.rate"));
        Assert.Equal("0:1,0:2", SettingOfTopic("leader.replication.throttled.replicas"));
        Assert.Equal("0:3", SettingOfTopic("follower.replication.throttled.replicas"));
        move.AwaitEnd();
        AwaitVerified(libraries, plan, @"moved-0 is completed");
        Assert.All([1, 2, 3], broker => Assert.Null(SettingOf(broker, "leader.replication.throttled.rate") ?? SettingOf(broker, "follower.replication.throttled.rate")));
        Assert.Equal("", SettingOfTopic("leader.replication.throttled.replicas") + SettingOfTopic("follower.replication.throttled.replicas"));
        Assert.Matches(@"Replicas: 3,2\s", Run(libraries, Topics, "--describe", "--topic", Topic));
    }

    [SkippableFact]
    public void A_replica_moves_to_another_log_directory_no_faster_than_its_limit_which_is_taken_back_afterwards()
    {
        var libraries = Begin("1:2");
        var to = DirectoriesOf(1).Single(path => !Directory.Exists(Path.Combine(path, $"{Topic}-0")));
        var plan = Plan($$"""{"topic":"moved","partition":0,"replicas":[1,2],"log_dirs":["{{to}}","any"]}""");
        using var move = new Move(() => BytesIn(to));
        Run(libraries, Reassign, "--reassignment-json-file", plan, "--execute", "--replica-alter-log-dirs-throttle", $"{BytesPerSecond}");
        Assert.Equal($"{BytesPerSecond}", SettingOf(1, "replica.alter.log.dirs.io.max.bytes.per.second"));
        move.AwaitEnd();
        AwaitVerified(libraries, plan, @"moved-0-1 completed successfully");
        Assert.Null(SettingOf(1, "replica.alter.log.dirs.io.max.bytes.per.second"));
        Assert.True(Directory.Exists(Path.Combine(to, $"{Topic}-0")));
    }

    private string[] DirectoriesOf(int id) => [Path.Combine(_folder.FullName, $"{id}", "first"), Path.Combine(_folder.FullName, $"{id}", "second")];

    /// <summary>Three nodes, and the topic with all that is to move.</summary>
    private string Begin(string replicas)
    {
        var libraries = KafkaTools.Libraries();
        Task.WaitAll([.. Enumerable.Range(0, 3).Select(index => Task.Run(() => _nodes[index].Start(
            "--node-id", $"{index + 1}", "--cluster-listen", $"127.0.0.1:{_clusterPorts[index]}", "--join", string.Join(',', _clusterPorts.Select(port => $"127.0.0.1:{port}")))))]);
        Run(libraries, Topics, "--create", "--topic", Topic, "--replica-assignment", replicas);
        using var client = new WireClient("127.0.0.1", _nodes[0].Port);
        for (var batch = 0; batch < Batches; batch++)
        {
            var response = (ProduceResponse)client.Ask(ApiKey.Produce, 12, new ProduceRequest
            {
                Acks = -1,
                TimeoutMs = 10_000,
                TopicData = [new() { Name = Topic, PartitionData = [new() { Records = new Records(Testing.Batches.Plain(valueBytes: BatchBytes)) }] }],
            })!;
            Assert.Equal(ErrorCode.None, response.Responses[0].PartitionResponses[0].ErrorCode);
        }

        return libraries;
    }

    private string Plan(string partition)
    {
        var path = Path.Combine(_folder.FullName, "plan.json");
        File.WriteAllText(path, $$"""{"version":1,"partitions":[{{partition}}]}""");
        return path;
    }

    private void AwaitVerified(string libraries, string plan, string what)
    {
        var waited = Stopwatch.StartNew();
        while (!Regex.IsMatch(Run(libraries, Reassign, "--reassignment-json-file", plan, "--verify"), what))
        {
            Assert.True(waited.Elapsed < KafkaTools.Patience, $"Waited {KafkaTools.Patience} for {what}.");
        }
    }

    private string? SettingOf(int broker, string name) => Setting(broker, BrokerType, broker.ToString(CultureInfo.InvariantCulture), name);

    private string? SettingOfTopic(string name) => Setting(1, TopicType, Topic, name);

    /// <returns>Null where the resource is not said to have it.</returns>
    private string? Setting(int askedAt, sbyte type, string resource, string name)
    {
        using var client = new WireClient("127.0.0.1", _nodes[askedAt - 1].Port);
        var response = (DescribeConfigsResponse)client.Ask(ApiKey.DescribeConfigs, 4, new DescribeConfigsRequest
        {
            Resources = [new() { ResourceType = type, ResourceName = resource, ConfigurationKeys = [name] }],
        })!;
        Assert.Equal(ErrorCode.None, response.Results[0].ErrorCode);
        return response.Results[0].Configs.SingleOrDefault()?.Value;
    }

    private string Run(string libraries, string tool, params string[] arguments) => KafkaTools.Run(libraries, tool, Servers, arguments);

    /// <summary>Null while the partition has no folder there, whether it is a copy or the replica itself.</summary>
    private static long? BytesIn(params string[] directories)
    {
        string[] folders = [.. directories.SelectMany(path => Directory.GetDirectories(path, $"{Topic}-0*"))];
        try
        {
            return folders.Length == 0 ? null : folders.SelectMany(folder => Directory.GetFiles(folder, "*.log")).Sum(file => new FileInfo(file).Length);
        }
        catch (IOException) when (!Array.TrueForAll(folders, Directory.Exists))
        {
            // The copy has just taken the replica's place, under its name.
            return BytesIn(directories);
        }
    }

    /// <summary>Watches the bytes of a move from before it begins, beside the time that has passed since.</summary>
    private sealed class Move : IDisposable
    {
        private readonly CancellationTokenSource _end = new(KafkaTools.Patience);
        private readonly Task _watching;

        public Move(Func<long?> bytes) => _watching = Task.Run(() => WatchAsync(bytes));

        public void AwaitEnd() => _watching.GetAwaiter().GetResult();

        public void Dispose()
        {
            _end.Cancel();
            _end.Dispose();
        }

        private async Task WatchAsync(Func<long?> bytes)
        {
            using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
            var clock = Stopwatch.StartNew();
            var began = TimeSpan.Zero;
            for (var moved = 0L; moved < Batches * BatchBytes;)
            {
                Assert.True(await timer.WaitForNextTickAsync(_end.Token));
                var looked = clock.Elapsed;
                if (bytes() is not { } now)
                {
                    began = looked;
                    continue;
                }

                moved = now;
                var passed = clock.Elapsed - began;
                Assert.True(moved <= (BytesPerSecond * Math.Max(1, passed.TotalSeconds)) + AtOnce, $"{moved} bytes have moved within {passed}.");
            }
        }
    }
}
