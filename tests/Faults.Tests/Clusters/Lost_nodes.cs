using System.Buffers.Binary;
using Milena.Model;
using Milena.Protocol;
using Milena.Testing;
using Xunit.Abstractions;

namespace Milena.Faults.Tests.Clusters;

/// <summary>Three real nodes under load of which some are killed or paused: what was acknowledged with acks=all is there afterwards, on all of them.</summary>
public sealed class Lost_nodes(ITestOutputHelper output)
{
    private const string Topic = "kept";
    private const int Partitions = 3;
    private const int Before = 50;
    private const int After = 100;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);

    [Fact]
    public void A_killed_leader_costs_nothing_that_was_acknowledged() => Try(cluster =>
    {
        var leader = cluster.TryDescribe(Topic)![0].LeaderId;
        cluster.Node(leader).Kill();
        return () => cluster.Start(leader);
    });

    [Fact]
    public void A_killed_controller_costs_nothing_that_was_acknowledged() => Try(cluster =>
    {
        var controller = cluster.Controller();
        cluster.Node(controller).Kill();
        return () => cluster.Start(controller);
    });

    [Fact]
    public void A_paused_leader_costs_nothing_that_was_acknowledged_and_takes_part_again() => Try(cluster =>
    {
        var leader = cluster.TryDescribe(Topic)![0].LeaderId;
        cluster.Node(leader).Pause(true);
        return () => cluster.Node(leader).Pause(false);
    });

    [Fact]
    public void All_nodes_killed_at_once_cost_nothing_that_was_acknowledged() => Try(cluster =>
    {
        foreach (var node in cluster.Nodes)
        {
            node.Kill();
        }

        cluster.Start();
        return () => { };
    });

    [Fact]
    public void Nodes_restarted_one_after_another_cost_nothing_that_was_acknowledged() => Try(cluster =>
    {
        for (var id = 1; id <= cluster.Nodes.Count; id++)
        {
            Assert.Equal(0, cluster.Node(id).Stop());
            cluster.Start(id);
            cluster.WaitUntilAllInSync(Topic);
        }

        return () => { };
    });

    /// <param name="fault">Does harm, and gives out what mends it; writers must go on before it is mended.</param>
    private void Try(Func<ThreeNodes, Action> fault)
    {
        using var cluster = new ThreeNodes().Start();
        cluster.CreateTopic(Topic, Partitions);
        var writers = Enumerable.Range(0, Partitions).Select(partition => new AckedWriter(cluster, Topic, partition)).ToList();
        try
        {
            WaitFor(writers, [.. writers.Select(_ => Before)], "before the fault");
            var mend = fault(cluster);
            WaitFor(writers, [.. writers.Select(writer => writer.Count + After)], "after the fault");
            mend();
            cluster.WaitUntilAllInSync(Topic);
        }
        finally
        {
            writers.ForEach(writer => writer.Dispose());
        }

        for (var partition = 0; partition < Partitions; partition++)
        {
            output.WriteLine($"partition {partition}: {writers[partition].Count} acknowledged, longest silence {writers[partition].LongestSilence.TotalSeconds:F2} s");
            var found = ReadAll(cluster, partition);
            Assert.All(writers[partition].Acknowledged, one => Assert.Equal(one.Value, found[one.Key]));
        }

        AssertReplicasAreEqual(cluster);
    }

    private static void WaitFor(List<AckedWriter> writers, int[] counts, string when) => Wait.Until(
        () => writers.Zip(counts).All(pair => pair.First.Count >= pair.Second),
        Patience,
        () => $"{when}, acknowledged of each partition: {string.Join(", ", writers.Zip(counts).Select(pair => $"{pair.First.Count} of {pair.Second}"))}");

    private static Dictionary<long, long> ReadAll(ThreeNodes cluster, int partition)
    {
        var leader = cluster.TryDescribe(Topic)!.Find(one => one.PartitionIndex == partition)!.LeaderId;
        using var client = new WireClient("127.0.0.1", cluster.Node(leader).Port);
        var found = new Dictionary<long, long>();
        for (var next = 0L; ;)
        {
            var response = Assert.IsType<FetchResponse>(client.Ask(ApiKey.Fetch, 12, new FetchRequest
            {
                MaxBytes = 1 << 20,
                Topics = [new() { Topic = Topic, Partitions = [new() { Partition = partition, FetchOffset = next, PartitionMaxBytes = 1 << 20 }] }],
            }));
            var data = response.Responses[0].Partitions[0];
            Assert.Equal(ErrorCode.None, data.ErrorCode);
            if (data.Records.IsEmpty)
            {
                return found;
            }

            next = Take(data.Records.Memory.Span, found);
        }
    }

    /// <returns>The offset behind the last record.</returns>
    private static long Take(ReadOnlySpan<byte> batches, Dictionary<long, long> found)
    {
        var next = 0L;
        while (RecordBatchHeader.TryRead(batches, out var header) == ErrorCode.None && header.SizeInBytes <= batches.Length)
        {
            var reader = new RecordReader(batches[RecordBatchHeader.Size..header.SizeInBytes]);
            while (reader.TryRead(out var record))
            {
                found.Add(header.BaseOffset + record.OffsetDelta, BinaryPrimitives.ReadInt64BigEndian(record.Value));
            }

            next = header.NextOffset;
            batches = batches[header.SizeInBytes..];
        }

        return next;
    }

    private static void AssertReplicasAreEqual(ThreeNodes cluster)
    {
        Assert.All(cluster.Nodes, node => Assert.Equal(0, node.Stop()));
        for (var partition = 0; partition < Partitions; partition++)
        {
            var logs = cluster.Nodes.Select(node => Path.Combine(node.Data, $"{Topic}-{partition}", "00000000000000000000.log")).Select(File.ReadAllBytes).ToList();
            Assert.Equal(logs[0], logs[1]);
            Assert.Equal(logs[0], logs[2]);
        }
    }
}
