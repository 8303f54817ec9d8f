using Confluent.Kafka;

namespace Milena.Bench;

/// <summary>What a stretch of sending came to.</summary>
internal sealed record Sent(long Records, TimeSpan Elapsed, Percentiles? Acknowledged, Percentiles? SendLag);

/// <summary>One producer that fills a topic, at a rate or as fast as acknowledgements come back.</summary>
internal sealed class LoadProducer : IDisposable
{
    // As the Java client's buffer.memory: what waits in the client is bounded, and with it the latency at full speed.
    private const int MaxInFlightBytes = 32 << 20;
    private const int MaxInFlightRecords = 100_000;
    private const int RecordOverheadBytes = 1024;
    private const int DefaultMaxMessageBytes = 1_000_000;
    private const double DefaultLingerMs = 5;

    private static readonly TimeProvider Clock = TimeProvider.System;

    private readonly string _topic;
    private readonly byte[][] _values;
    private readonly TimeSpan _timeout;
    private readonly double? _rate;
    private readonly InFlight _inFlight;
    private readonly IProducer<Null, Outgoing> _producer;
    private readonly Action<DeliveryReport<Null, Outgoing>> _delivered;
    private LatencyHistogram _acknowledged = new(Clock);
    private long _lastAcknowledged;
    private long _failures;
    private string _firstFailure = "";

    public LoadProducer(BenchOptions options, Workload workload, string topic, double? rate)
    {
        _topic = topic;
        _rate = rate;
        _values = Payloads.Make(workload.RecordBytes);
        _timeout = options.Timeout;
        _delivered = Delivered;
        _inFlight = new InFlight(Math.Clamp(MaxInFlightBytes / workload.RecordBytes, 2, MaxInFlightRecords));
        _producer = ClientSettings.Build(() => new ProducerBuilder<Null, Outgoing>(Settings(options, workload, rate))
            .SetValueSerializer(new OutgoingSerializer())
            .SetLogHandler((_, _) => { })
            .Build());
    }

    /// <summary>Sends until the limit and waits for every acknowledgement.</summary>
    /// <param name="stamped">Writes into each record when it was due.</param>
    /// <exception cref="BenchException">Records were refused, or not acknowledged in time.</exception>
    public Sent Send(Limit limit, bool stamped, CancellationToken stop)
    {
        _acknowledged = new LatencyHistogram(Clock);
        var lag = new LatencyHistogram(Clock);
        var start = Clock.GetTimestamp();
        var pacer = new Pacer(Clock, _rate, PreciseSleep.For);
        var end = start + (long)(limit.Duration.TotalSeconds * Clock.TimestampFrequency);
        // At a rate, time is a number of records: the late ones at the end are sent too.
        var max = limit.Records ?? (_rate is { } rate ? (long)Math.Ceiling(rate * limit.Duration.TotalSeconds) : null);
        long records = 0;
        while (max is { } count ? records < count : Clock.GetTimestamp() < end)
        {
            stop.ThrowIfCancellationRequested();
            if (!_inFlight.TryEnter(2 * _timeout)) throw Unanswered();
            var due = pacer.Next();
            if (_rate is not null) lag.Record(due, Clock.GetTimestamp());
            Produce(_values[records++ % _values.Length], due, stamped);
            if (Volatile.Read(ref _failures) > 0) break;
        }
        // The client gives a record up after the timeout, so that each is accounted for before twice that.
        if (!_inFlight.WaitUntilEmpty(2 * _timeout)) throw Unanswered();
        if (_failures > 0) throw new BenchException($"{_failures} of {records} records were not taken: {_firstFailure}", BenchException.Failed);
        return new Sent(records, Clock.GetElapsedTime(start, _lastAcknowledged), _acknowledged.Summary(), lag.Summary());
    }

    public void Dispose()
    {
        _producer.Dispose();
        _inFlight.Dispose();
    }

    private static ProducerConfig Settings(BenchOptions options, Workload workload, double? rate) => ClientSettings.Common(
        new ProducerConfig
        {
            Acks = options.Acks,
            CompressionType = workload.Codec,
            LingerMs = options.LingerMs ?? (rate is null ? DefaultLingerMs : 0),
            BatchSize = options.BatchBytes,
            MessageMaxBytes = Math.Max(DefaultMaxMessageBytes, workload.RecordBytes + RecordOverheadBytes),
            MessageTimeoutMs = (int)options.Timeout.TotalMilliseconds,
            // The bound is kept here: the client's own would answer with an error instead of waiting.
            QueueBufferingMaxMessages = 2 * MaxInFlightRecords,
            QueueBufferingMaxKbytes = 1 << 20,
            DeliveryReportFields = "value",
        },
        options);

    private void Produce(byte[] value, long due, bool stamped)
    {
        // The client copies the value before it returns.
        if (stamped) Payloads.Stamp(value, due);
        try
        {
            _producer.Produce(_topic, new Message<Null, Outgoing> { Value = new Outgoing(value, due) }, _delivered);
        }
        catch (ProduceException<Null, Outgoing> error)
        {
            var reason = Broker.OneLine(error.Error.Reason);
            throw new BenchException($"The client refused a record of {value.Length} bytes: {reason}", BenchException.Failed);
        }
    }

    // On the client's one thread for acknowledgements. Leaving comes last: it tells the sender that the rest is written.
    private void Delivered(DeliveryReport<Null, Outgoing> report)
    {
        if (report.Error.IsError)
        {
            if (Interlocked.Increment(ref _failures) == 1) _firstFailure = Broker.OneLine(report.Error.Reason);
        }
        else
        {
            _lastAcknowledged = Clock.GetTimestamp();
            _acknowledged.Record(report.Message.Value.Due, _lastAcknowledged);
        }
        _inFlight.Leave();
    }

    private BenchException Unanswered() => new($"Records were not acknowledged within {2 * _timeout.TotalSeconds:0.#} s.", BenchException.Failed);

    private sealed record Outgoing(byte[] Value, long Due);

    private sealed class OutgoingSerializer : ISerializer<Outgoing>
    {
        public byte[] Serialize(Outgoing data, SerializationContext context) => data.Value;
    }
}
