using System.Diagnostics;
using Milena.Faults.Nodes;
using Milena.Model;
using Milena.Protocol;
using Milena.Testing;

namespace Milena.Faults.Tests;

/// <summary>A node of two log directories, one of which lies on a disk that fills up.</summary>
public sealed class Full_disks
{
    private const string Topic = "kept";
    private const int Partitions = 4;
    private const int ValueBytes = 100_000;
    private const int MaxBatches = 1000;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(10);

    [SkippableFact]
    public void A_full_disk_costs_the_partitions_on_it_and_nothing_that_was_acknowledged()
    {
        Skip.If(SmallDisk.WhyNot is not null, SmallDisk.WhyNot);
        using var disk = new SmallDisk(megabytes: 40);
        using var node = new NodeProcess();
        var directories = $"{node.Data},{Path.Combine(disk.Folder, "data")}";
        node.Start("--data", directories);
        var acknowledged = new long[Partitions];
        var full = new List<int>();
        using (var client = new WireClient("127.0.0.1", node.Port))
        {
            Create(client);
            Array.Fill(acknowledged, 1);
            Assert.All(Enumerable.Range(0, Partitions), partition => Assert.Equal(ErrorCode.None, Produce(client, partition)));
            disk.Fill(leaveKilobytes: 4 << 10);
            for (var batch = 0; batch < MaxBatches && full.Count == 0; batch++)
            {
                for (var partition = 0; partition < Partitions; partition++)
                {
                    if (Produce(client, partition) is var error and not ErrorCode.None)
                    {
                        Assert.Equal(ErrorCode.KafkaStorageError, error);
                        full.Add(partition);
                    }
                    else
                    {
                        acknowledged[partition]++;
                    }
                }
            }

            Assert.NotEmpty(full);
            for (var partition = 0; partition < Partitions; partition++)
            {
                var isOnFullDisk = Directory.Exists(Path.Combine(disk.Folder, "data", $"{Topic}-{partition}"));
                var error = Produce(client, partition);
                Assert.Equal(isOnFullDisk ? ErrorCode.KafkaStorageError : ErrorCode.None, error);
                acknowledged[partition] += error == ErrorCode.None ? 1 : 0;
            }
        }

        // What it prints arrives when the system brings it, which may be after its answers.
        Wait.Until(() => node.Output.Contains("the log directory failed and is offline", StringComparison.Ordinal), Patience, () => "the node says that a directory is offline");
        node.Kill();
        disk.Free();
        node.Start("--data", directories);
        using var later = new WireClient("127.0.0.1", node.Port);
        for (var partition = 0; partition < Partitions; partition++)
        {
            Assert.InRange(EndOffset(later, partition), acknowledged[partition], acknowledged[partition] + 1);
            Assert.Equal(ErrorCode.None, Produce(later, partition));
        }
    }

    [SkippableFact]
    public void A_node_whose_metadata_lies_on_a_full_disk_ends_and_says_why()
    {
        Skip.If(SmallDisk.WhyNot is not null, SmallDisk.WhyNot);
        using var disk = new SmallDisk(megabytes: 16);
        using var node = new NodeProcess();
        node.Start("--data", Path.Combine(disk.Folder, "data"));
        using var client = new WireClient("127.0.0.1", node.Port);
        Create(client);
        disk.Fill(leaveKilobytes: 1 << 10);
        var answers = 0;
        while (answers < MaxBatches && Produce(client, 0) == ErrorCode.None)
        {
            answers++;
        }

        Assert.Equal(1, node.WaitForExit());
        Assert.Contains("which holds the metadata log, failed", node.Output);
    }

    [SkippableFact]
    public void A_full_disk_of_a_leader_has_others_lead_within_seconds_and_costs_nothing_that_was_acknowledged()
    {
        Skip.If(SmallDisk.WhyNot is not null, SmallDisk.WhyNot);
        SmallDisk[] disks = [.. Enumerable.Range(0, RealCluster.Replicas).Select(_ => new SmallDisk(megabytes: 40))];
        try
        {
            using var cluster = new RealCluster(disks: disks).Start();
            cluster.CreateTopic(Topic, Partitions * 2);
            cluster.WaitUntilAllInSync(Topic);
            var (partition, leader) = cluster.Describe(Topic).Select(one => (one.PartitionIndex, one.LeaderId))
                .First(one => Directory.Exists(Path.Combine(disks[one.LeaderId - 1].Folder, "data", $"{Topic}-{one.PartitionIndex}")));
            using (var client = new WireClient("127.0.0.1", cluster.Node(leader).Port))
            {
                Assert.Equal(ErrorCode.None, Produce(client, partition));
                disks[leader - 1].Fill(leaveKilobytes: 2 << 10);
                var acknowledged = 1;
                while (acknowledged < MaxBatches && Produce(client, partition) == ErrorCode.None)
                {
                    acknowledged++;
                }

                var began = Stopwatch.StartNew();
                Wait.Until(() => ProduceAnywhere(cluster, partition, leader), Patience, () => "another node takes records of the partition");
                Assert.InRange(began.Elapsed, TimeSpan.Zero, Soon);
                using var successor = new WireClient("127.0.0.1", cluster.Node(cluster.Describe(Topic)[partition].LeaderId).Port);
                Assert.InRange(EndOffset(successor, partition), acknowledged + 1, MaxBatches);
            }

            Assert.True(cluster.Node(leader).IsRunning);
            disks[leader - 1].Free();
            cluster.Node(leader).Stop();
            cluster.Start(leader);
            cluster.WaitUntilAllInSync(Topic);
        }
        finally
        {
            Array.ForEach(disks, disk => disk.Dispose());
        }
    }

    [SkippableFact]
    public void A_node_whose_only_log_directory_is_full_ends_and_says_why_though_its_metadata_lies_elsewhere()
    {
        Skip.If(SmallDisk.WhyNot is not null, SmallDisk.WhyNot);
        using var disk = new SmallDisk(megabytes: 16);
        using var node = new NodeProcess();
        node.Start("--data", Path.Combine(disk.Folder, "data"), "--set", $"metadata.log.dir={node.Data}");
        using var client = new WireClient("127.0.0.1", node.Port);
        Create(client);
        disk.Fill(leaveKilobytes: 1 << 10);
        var answers = 0;
        while (answers < MaxBatches && Produce(client, 0) == ErrorCode.None)
        {
            answers++;
        }

        Assert.Equal(1, node.WaitForExit());
        Assert.Contains("the last log directory that worked, failed", node.Output);
        disk.Free();
        node.Start("--data", Path.Combine(disk.Folder, "data"), "--set", $"metadata.log.dir={node.Data}");
        using var later = new WireClient("127.0.0.1", node.Port);
        Assert.InRange(EndOffset(later, 0), answers, answers + 1);
        Assert.Equal(ErrorCode.None, Produce(later, 0));
    }

    private static bool ProduceAnywhere(RealCluster cluster, int partition, int butAt)
    {
        var led = cluster.Describe(Topic)[partition].LeaderId;
        if (led <= 0 || led == butAt)
        {
            return false;
        }

        using var client = new WireClient("127.0.0.1", cluster.Node(led).Port);
        return Produce(client, partition) == ErrorCode.None;
    }

    private static void Create(WireClient client)
    {
        var answer = (CreateTopicsResponse)client.Ask(ApiKey.CreateTopics, 7, new CreateTopicsRequest
        {
            TimeoutMs = 10_000,
            Topics = [new() { Name = Topic, NumPartitions = Partitions, ReplicationFactor = 1 }],
        })!;
        Assert.Equal(ErrorCode.None, answer.Topics[0].ErrorCode);
    }

    /// <returns>KafkaStorageError also where the node ended instead of answering.</returns>
    private static ErrorCode Produce(WireClient client, int partition)
    {
        using var builder = new RecordBatchBuilder();
        builder.Add(DateTimeOffset.UtcNow.ToUnixTimeMilliseconds(), null, new byte[ValueBytes]);
        var request = new ProduceRequest
        {
            Acks = -1,
            TimeoutMs = 10_000,
            TopicData = [new() { Name = Topic, PartitionData = [new() { Index = partition, Records = new Records(builder.Build()) }] }],
        };
        return client.Ask(ApiKey.Produce, 12, request) is ProduceResponse answer ? answer.Responses[0].PartitionResponses[0].ErrorCode : ErrorCode.KafkaStorageError;
    }

    private static long EndOffset(WireClient client, int partition)
    {
        var request = new ListOffsetsRequest { ReplicaId = -1, Topics = [new() { Name = Topic, Partitions = [new() { PartitionIndex = partition, Timestamp = -1 }] }] };
        var answer = ((ListOffsetsResponse)client.Ask(ApiKey.ListOffsets, 7, request)!).Topics[0].Partitions[0];
        Assert.Equal(ErrorCode.None, answer.ErrorCode);
        return answer.Offset;
    }
}
