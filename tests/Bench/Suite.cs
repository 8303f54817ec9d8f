using Confluent.Kafka;

namespace Milena.Bench;

/// <summary>The runs that the user asked for, one after the other, each on a topic of its own.</summary>
internal sealed class Suite(BenchOptions options, Broker broker, Action<RunResult> report, CancellationToken stop)
{
    private const double DefaultRate = 1000;

    private readonly Limit _limit = new(options.Records, options.Duration);

    // A first record opens connections and finds the leaders, even where no warm-up is wanted.
    private readonly Limit _warmUp = options.WarmUp > TimeSpan.Zero ? new Limit(null, options.WarmUp) : new Limit(1, TimeSpan.Zero);

    public async Task RunAsync()
    {
        foreach (var workload in Workloads())
        {
            switch (options.Command)
            {
                case Command.Produce:
                    await ProduceAsync(workload, options.Rate);
                    break;
                case Command.Consume:
                    await ConsumeAsync(workload, withProduce: false);
                    break;
                case Command.Latency:
                    await LatencyAsync(workload);
                    break;
                case Command.All:
                    await ConsumeAsync(workload, withProduce: true);
                    await ProduceAsync(workload, options.Rate ?? DefaultRate);
                    await LatencyAsync(workload);
                    break;
                default:
                    throw new InvalidOperationException($"The command {options.Command} has no runs.");
            }
        }
    }

    private IEnumerable<Workload> Workloads() =>
        from codec in options.Codecs
        from partitions in options.Partitions
        from size in options.Sizes
        select new Workload(size, partitions, codec);

    private Task ProduceAsync(Workload workload, double? rate) => broker.WithTopicAsync(workload.Partitions, topic =>
    {
        report(Produce(workload, topic, rate).Result);
        return Task.CompletedTask;
    });

    private Task ConsumeAsync(Workload workload, bool withProduce) => broker.WithTopicAsync(workload.Partitions, topic =>
    {
        var (result, written) = Produce(workload, topic, rate: null);
        if (withProduce) report(result);
        using var reader = new TopicReader(options, workload, topic);
        reader.ReadAll(options.WarmUp, stop);
        var (records, elapsed) = reader.ReadAll(TimeSpan.MaxValue, stop);
        // Without acknowledgements nobody promised that all were there; a retry may have written a record twice.
        if (records < written && options.Acks != Acks.None)
        {
            throw new BenchException($"Of {written} acknowledged records only {records} could be read.", BenchException.Failed);
        }
        report(new RunResult("consume", workload, null, records, elapsed, null, null));
        return Task.CompletedTask;
    });

    private Task LatencyAsync(Workload workload) => broker.WithTopicAsync(workload.Partitions, async topic =>
        report(await new EndToEnd(options, workload, topic, options.Rate ?? DefaultRate).RunAsync(_warmUp, _limit, stop)));

    private (RunResult Result, long Written) Produce(Workload workload, string topic, double? rate)
    {
        using var producer = new LoadProducer(options, workload, topic, rate);
        var warmUp = producer.Send(_warmUp, stamped: false, stop);
        var sent = producer.Send(_limit, stamped: false, stop);
        var result = new RunResult("produce", workload, rate, sent.Records, sent.Elapsed, sent.Acknowledged, sent.SendLag);
        return (result, warmUp.Records + sent.Records);
    }
}
