using BenchmarkDotNet.Attributes;
using Milena.Metadata.Controller.Balancing;
using Milena.Metadata.Image;
using Milena.Protocol;

namespace Milena.Benchmarks;

/// <summary>
/// Plans for 100,000 partitions with three replicas each, in topics of 100 on <see cref="Brokers"/> brokers of three racks. One operation is one plan: a broker
/// came, one is to be emptied, or there is nothing to do.
/// </summary>
[MemoryDiagnoser]
public class BalancePlanBenchmarks
{
    private const int Topics = 1000;
    private const int PartitionsPerTopic = 100;
    private const int Racks = 3;
    private MetadataImage _even = MetadataImage.Empty;
    private MetadataImage _joined = MetadataImage.Empty;

    [Params(6, 99)]
    public int Brokers { get; set; }

    [GlobalSetup]
    public void SetUp()
    {
        var delta = new MetadataDelta(MetadataImage.Empty);
        for (var id = 0; id < Brokers; id++)
        {
            delta.Replay(Broker(id));
        }

        for (var topic = 0; topic < Topics; topic++)
        {
            var id = new Guid(topic, 1, 1, BitConverter.GetBytes((ulong)topic * 0x9E3779B97F4A7C15UL));
            delta.Replay(new TopicRecord { Name = $"topic-{topic}", TopicId = id });
            for (var index = 0; index < PartitionsPerTopic; index++)
            {
                delta.Replay(Partition(id, index, (topic * PartitionsPerTopic) + index));
            }
        }

        _even = delta.Apply(1, 1);
        var join = new MetadataDelta(_even);
        join.Replay(Broker(Brokers));
        _joined = join.Apply(2, 1);
    }

    [Benchmark]
    public int BrokerCame() => BalancePlanner.Plan(_joined, new BalanceGoal([], Even: true)).Length;

    [Benchmark]
    public int EmptyBroker() => BalancePlanner.Plan(_even, new BalanceGoal([1], Even: false)).Length;

    [Benchmark]
    public int NothingToDo() => BalancePlanner.Plan(_even, new BalanceGoal([], Even: true)).Length;

    private PartitionRecord Partition(Guid topic, int index, int number)
    {
        // Neighbours are on different racks.
        List<int> replicas = [number % Brokers, (number + 1) % Brokers, (number + 2) % Brokers];
        return new PartitionRecord { TopicId = topic, PartitionId = index, Replicas = replicas, Isr = replicas, Leader = replicas[0], Directories = [.. replicas.Select(_ => Guid.Empty)] };
    }

    private static RegisterBrokerRecord Broker(int id) => new() { BrokerId = id, Rack = $"rack{id % Racks}", Fenced = false };
}
