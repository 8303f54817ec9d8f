using Confluent.Kafka;

namespace Milena.Bench;

/// <summary>One consumer over all partitions of a topic, outside any group.</summary>
internal sealed class TopicReader : IDisposable
{
    private const int FetchQueueBackoffMs = 10;

    private static readonly TimeProvider Clock = TimeProvider.System;
    private static readonly TimeSpan PollTimeout = TimeSpan.FromMilliseconds(100);

    private readonly IConsumer<Ignore, byte[]> _consumer;
    private readonly TopicPartitionOffset[] _beginning;
    private readonly string _topic;
    private readonly TimeSpan _timeout;

    public TopicReader(BenchOptions options, Workload workload, string topic)
    {
        _topic = topic;
        _timeout = options.Timeout;
        _beginning = [.. Enumerable.Range(0, workload.Partitions).Select(partition => new TopicPartitionOffset(topic, partition, 0))];
        var config = new ConsumerConfig
        {
            GroupId = topic,
            EnableAutoCommit = false,
            EnableAutoOffsetStore = false,
            AutoOffsetReset = AutoOffsetReset.Error,
            EnablePartitionEof = true,
            // Timestamps and headers would be copied out of every record, and nobody looks at them.
            ConsumeResultFields = "none",
            // With enough records at hand the client stops asking, by default for a whole second, in which small records run out.
            FetchQueueBackoffMs = FetchQueueBackoffMs,
        };
        _consumer = ClientSettings.Build(() => new ConsumerBuilder<Ignore, byte[]>(ClientSettings.Common(config, options))
            .SetLogHandler((_, _) => { })
            .Build());
    }

    /// <summary>Reads from the first record to the last one, or until the time is up.</summary>
    /// <returns>Records read, and the time from asking for the first to having the last.</returns>
    /// <exception cref="BenchException">Nothing came within the timeout.</exception>
    public (long Records, TimeSpan Elapsed) ReadAll(TimeSpan limit, CancellationToken stop)
    {
        _consumer.Unassign();
        var start = Clock.GetTimestamp();
        _consumer.Assign(_beginning);
        long records = 0;
        var (ended, last) = (0, start);
        while (ended < _beginning.Length && Clock.GetElapsedTime(start) < limit)
        {
            var result = Next(last, stop);
            if (result.IsPartitionEOF)
            {
                ended++;
                continue;
            }
            records++;
            last = Clock.GetTimestamp();
        }
        return (records, Clock.GetElapsedTime(start, last));
    }

    /// <summary>Starts to read from the beginning, record by record.</summary>
    public void Assign() => _consumer.Assign(_beginning);

    /// <returns>The next record's value; null when none came within a moment.</returns>
    public byte[]? Poll() => Consume() is { IsPartitionEOF: false } result ? result.Message.Value : null;

    public void Dispose() => _consumer.Dispose();

    private ConsumeResult<Ignore, byte[]> Next(long since, CancellationToken stop)
    {
        while (true)
        {
            stop.ThrowIfCancellationRequested();
            if (Consume() is { } result) return result;
            if (Clock.GetElapsedTime(since) > _timeout)
            {
                throw new BenchException($"No record of {_topic} came within {_timeout.TotalSeconds:0.#} s.", BenchException.Failed);
            }
        }
    }

    private ConsumeResult<Ignore, byte[]>? Consume()
    {
        try
        {
            return _consumer.Consume(PollTimeout);
        }
        catch (ConsumeException error)
        {
            throw new BenchException($"{_topic} cannot be read: {Broker.OneLine(error.Error.Reason)}", BenchException.Failed);
        }
    }
}
