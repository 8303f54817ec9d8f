using Milena.Metadata.Settings;
using Milena.Model;
using Milena.Storage;
using Milena.Testing;

namespace Milena.Replication.Tests;

/// <summary>Three brokers in one process, on disks, a network and a controller of the test's.</summary>
internal sealed class TestCluster : IAsyncDisposable
{
    public const string Topic = "orders";
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly int _seed;
    private readonly Dictionary<int, FaultyDisk> _disks = [];
    private readonly Action<TestNode>? _prepare;
    private int _starts;

    /// <summary>How many log directories each broker has from its next start on.</summary>
    public int Directories { get; set; } = 1;

    /// <summary>What a broker measures time by from its next start on; by the system's clock where there is none.</summary>
    public Dictionary<int, TimeProvider> Clocks { get; } = [];

    public TestCluster(int seed = 1, Action<TestNode>? prepare = null, bool keepsEligibleLeaders = false, params (string Name, string Value)[] settings)
    {
        (_seed, _prepare) = (seed, prepare);
        Random = new Random(seed);
        Network = new TestNetwork(new Random(seed));
        Settings = new StaticSettings(new Dictionary<string, string>
        {
            ["min.insync.replicas"] = "2",
            ["replica.lag.time.max.ms"] = "500",
            ["replica.fetch.wait.max.ms"] = "50",
            ["replica.fetch.backoff.ms"] = "30",
            ["replica.socket.timeout.ms"] = "2000",
            ["replica.high.watermark.checkpoint.interval.ms"] = "20",
            ["log.segment.bytes"] = "4096",
            ["log.index.interval.bytes"] = "256",
        }.Concat(settings.Select(one => KeyValuePair.Create(one.Name, one.Value))).GroupBy(one => one.Key).Select(group => group.Last()));
        Controller = new TestController(Settings, keepsEligibleLeaders);
        foreach (var id in Ids)
        {
            _disks[id] = new FaultyDisk();
        }
    }

    public static int[] Ids { get; } = [1, 2, 3];

    public Random Random { get; }

    public StaticSettings Settings { get; }

    public TestNetwork Network { get; }

    public TestController Controller { get; }

    public Dictionary<int, TestNode> Nodes { get; } = [];

    /// <summary>Three brokers, and one topic on all of them whose partitions are led in turn.</summary>
    /// <param name="directories">How many log directories each broker has.</param>
    /// <param name="clockOfFirst">What broker 1 measures time by.</param>
    /// <param name="keepsEligibleLeaders">Whether replicas that left an ISR below the minimum are remembered (KIP-966).</param>
    public static TestCluster Start(
        int partitions = 1,
        int seed = 1,
        Action<TestNode>? prepare = null,
        int directories = 1,
        TimeProvider? clockOfFirst = null,
        bool keepsEligibleLeaders = false,
        params (string Name, string Value)[] settings)
    {
        var cluster = new TestCluster(seed, prepare, keepsEligibleLeaders, settings) { Directories = directories };
        if (clockOfFirst is not null)
        {
            cluster.Clocks[1] = clockOfFirst;
        }

        foreach (var id in Ids)
        {
            cluster.StartNode(id);
        }

        cluster.Controller.CreateTopic(Topic, partitions, Ids);
        return cluster;
    }

    /// <summary>Broker 1 leads in epoch 1, cut off from the others; of its two records the first, of epoch 0, is committed.</summary>
    public static async Task<TestCluster> WithUncommittedAsync()
    {
        var partition = new TopicPartition(Topic, 0);
        var cluster = Start(settings: ("replica.lag.time.max.ms", "100000"));
        await cluster.AppendAsync(partition, Batches.Plain());
        await cluster.SyncedAsync(partition);
        cluster.Network.Isolate(1, [2, 3]);
        cluster.Controller.Elect(partition, 1);
        var node = cluster.Nodes[1];
        await UntilAsync("broker 1 leads in epoch 1", () => node.Find(partition)!.Leadership is { IsLeader: true, Epoch: 1 });
        await node.AppendAsync(partition, Batches.Plain(), acks: 1);
        return cluster;
    }

    public TestNode StartNode(int id) =>
        Nodes[id] = TestNode.Start(id, _disks[id], _seed + (100 * _starts++), Controller, Network, Settings, _prepare, Directories, Clocks.GetValueOrDefault(id));

    public FaultyDisk DiskOf(int id) => _disks[id];

    /// <summary>The node ends as by SIGKILL; with <paramref name="losesPower"/> as its machine does, and what it had not flushed may be gone.</summary>
    public async Task CrashAsync(int id, bool losesPower)
    {
        Nodes.Remove(id, out var node);
        Network.Leave(id);
        Controller.Forget(id);
        await node!.DisposeAsync();
        if (losesPower)
        {
            _disks[id].Crash(Random);
        }
    }

    /// <summary>What the controller says the partition's leader is.</summary>
    public TestNode? LeaderOf(TopicPartition partition) => Nodes.GetValueOrDefault(Controller.Find(partition).Leader);

    /// <summary>Produces with acks=all until it is acknowledged, as a client does that asks again who leads.</summary>
    public async Task<AppendOutcome> AppendAsync(TopicPartition partition, byte[] batch)
    {
        var outcome = AppendOutcome.Failed(ErrorCode.NotLeaderOrFollower);
        await UntilAsync($"a batch is acknowledged by {partition}", async () =>
        {
            outcome = LeaderOf(partition) is { } leader ? await AppendAsync(leader, partition, (byte[])batch.Clone()) : outcome;
            return outcome.Error == ErrorCode.None;
        }, () => Describe(partition));
        return outcome;
    }

    private async Task<AppendOutcome> AppendAsync(TestNode leader, TopicPartition partition, byte[] batch)
    {
        try
        {
            return await leader.AppendAsync(partition, batch);
        }
        catch (TimeoutException)
        {
            throw new TimeoutException($"Broker {leader.Id} does not answer an append to {partition}. {Describe(partition)}");
        }
    }

    public Task SyncedAsync(TopicPartition partition) => UntilAsync($"all replicas of {partition} are in sync and equal", () =>
    {
        var replicas = Ids.Select(id => Nodes.GetValueOrDefault(id)?.Find(partition)).ToList();
        return Controller.Find(partition).Isr.Length == Ids.Length
            && replicas.TrueForAll(replica => replica is not null && replica.Log.LogEndOffset == replicas[0]!.Log.LogEndOffset && replica.HighWatermark == replica.Log.LogEndOffset);
    }, () => Describe(partition));

    public string Describe(TopicPartition partition)
    {
        var registration = Controller.Find(partition);
        var replicas = Nodes.Values.Select(node => node.Find(partition) is { } replica
            ? $"{node.Id}: {replica.Leadership}, {replica.Log.LogStartOffset} to {replica.Log.LogEndOffset}, high watermark {replica.HighWatermark}, epochs {string.Join(' ', replica.Log.LeaderEpochs.Starts)}\n{node.Said}"
            : $"{node.Id}: not there\n{node.Said}");
        return $"leader {registration.Leader} in epoch {registration.LeaderEpoch}, partition epoch {registration.PartitionEpoch}, in sync {string.Join(", ", registration.Isr)}\n" + string.Join('\n', replicas);
    }

    public static Task UntilAsync(string what, Func<bool> holds, Func<string>? describe = null) => UntilAsync(what, () => Task.FromResult(holds()), describe);

    public static async Task UntilAsync(string what, Func<Task<bool>> holds, Func<string>? describe = null)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(2));
        using var limit = new CancellationTokenSource(Patience);
        while (!await holds())
        {
            if (limit.IsCancellationRequested)
            {
                throw new TimeoutException($"Within {Patience} it did not come about that {what}. {describe?.Invoke()}");
            }

            await timer.WaitForNextTickAsync(CancellationToken.None);
        }
    }

    /// <summary>Every byte of a replica's log, from an offset on.</summary>
    public static byte[] Bytes(Replica replica, long from = 0)
    {
        var bytes = new List<byte>();
        for (var offset = Math.Max(from, replica.Log.LogStartOffset); offset < replica.Log.LogEndOffset;)
        {
            using var slice = replica.Log.Read(offset, replica.Log.LogEndOffset, int.MaxValue, atLeastOneBatch: true, out _);
            if (slice is null)
            {
                break;
            }

            var chunk = slice.ToArray();
            bytes.AddRange(chunk);
            for (var at = 0; at < chunk.Length && RecordBatchHeader.TryRead(chunk.AsSpan(at), out var header) == ErrorCode.None; at += header.SizeInBytes)
            {
                offset = header.NextOffset;
            }
        }

        return [.. bytes];
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var node in Nodes.Values)
        {
            await node.DisposeAsync();
        }
    }
}
