using System.Diagnostics;
using Confluent.Kafka;
using Milena.Faults.Checking;

namespace Milena.Faults.Load;

/// <summary>Writes ascending numbers to every partition at a steady rate, as a Kafka client with idempotence does, and keeps what was acknowledged where.</summary>
/// <remarks>
/// librdkafka repeats by itself what was not answered, for as long as it takes. An error that it calls fatal ends the producer; what goes on then is
/// another writer, since nobody knows which of the old one's records will still come to be.
/// </remarks>
internal sealed class LoadWriter : IDisposable
{
    private const int SocketTimeoutMs = 6000;
    private const int RetryBackoffMs = 50;
    private const int MaxWaitingRecords = 100_000;

    private static readonly TimeSpan FlushPatience = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan StopPatience = FlushPatience + TimeSpan.FromSeconds(30);
    private static int _lastWriter;

    private readonly LoadSettings _settings;
    private readonly LoadThread _thread;
    private Error? _fatal;
    private int _restarts;
    private int _failed;
    private int _newEpochs;

    public LoadWriter(LoadSettings settings)
    {
        _settings = settings;
        _thread = new LoadThread("writer", Run);
        _thread.Start();
    }

    /// <summary>How often a producer had to be thrown away for an error that it called fatal.</summary>
    public int Restarts => _restarts;

    /// <summary>Records of which the producer said that they may or may not have been written.</summary>
    public int Failed => _failed;

    /// <summary>How often a producer asked for another epoch after its first.</summary>
    public int NewEpochs => _newEpochs;

    /// <summary>Writes no more, and waits for the answers to what was written.</summary>
    /// <exception cref="TimeoutException">The producer does not end.</exception>
    public void Stop()
    {
        if (!_thread.Stop(StopPatience))
        {
            throw new TimeoutException($"A producer has not ended within {StopPatience}.");
        }
    }

    public void Dispose()
    {
        _thread.Stop(StopPatience);
        _thread.Dispose();
    }

    private void Run()
    {
        while (!_thread.IsStopping)
        {
            _fatal = null;
            using var producer = Build();
            WriteUntilStoppedOr(producer, Interlocked.Increment(ref _lastWriter));
            if (_fatal is { } error)
            {
                _restarts++;
                _settings.Say($"a producer begins anew after a fatal error: {error.Reason}");
                continue;
            }

            producer.Flush(FlushPatience);
        }
    }

    private void WriteUntilStoppedOr(IProducer<Null, byte[]> producer, int writer)
    {
        var partitions = _settings.Histories.Count;
        var interval = TimeSpan.FromSeconds(partitions * _settings.Writers / _settings.Rate);
        var next = new long[partitions];
        var clock = Stopwatch.StartNew();
        for (var round = 0; !_thread.IsStopping && _fatal is null; round++)
        {
            for (var partition = 0; partition < partitions; partition++)
            {
                next[partition] += TryWrite(producer, partition, new Value(writer, next[partition])) ? 1 : 0;
            }

            // After a long wait for the machine it does not catch up: silence is measured, not throughput.
            var due = interval * (round + 1) - clock.Elapsed;
            _thread.Pause(due > TimeSpan.Zero ? due : TimeSpan.Zero);
        }
    }

    /// <returns>False when too much waits already.</returns>
    private bool TryWrite(IProducer<Null, byte[]> producer, int partition, Value value)
    {
        try
        {
            producer.Produce(
                new TopicPartition(_settings.Topic, partition),
                new Message<Null, byte[]> { Value = value.ToBytes(_settings.ValueBytes) },
                report => Reported(partition, value, report));
            return true;
        }
        catch (ProduceException<Null, byte[]> e) when (e.Error.Code == ErrorCode.Local_QueueFull)
        {
            return false;
        }
        catch (KafkaException e) when (e.Error.IsFatal)
        {
            _fatal = e.Error;
            return false;
        }
    }

    private void Reported(int partition, Value value, DeliveryReport<Null, byte[]> report)
    {
        if (report.Status == PersistenceStatus.Persisted)
        {
            var offset = report.Offset.IsSpecial ? Placed.Unknown : report.Offset.Value;
            _settings.Histories[partition].Acknowledge(new(offset, value, _settings.Clock.Elapsed));
        }
        else
        {
            Interlocked.Increment(ref _failed);
        }
    }

    private IProducer<Null, byte[]> Build() => new ProducerBuilder<Null, byte[]>(new ProducerConfig
    {
        BootstrapServers = _settings.Bootstrap,
        ClientId = "faults-writer",
        Acks = (Acks)_settings.Acks,
        EnableIdempotence = _settings.Acks == -1,
        SocketTimeoutMs = SocketTimeoutMs,
        RetryBackoffMs = RetryBackoffMs,
        MessageTimeoutMs = 0,
        LingerMs = 1,
        QueueBufferingMaxMessages = MaxWaitingRecords,
        Debug = "eos",
    })
        .SetErrorHandler((_, error) => _fatal = error.IsFatal ? error : _fatal)
        .SetLogHandler((_, line) => Logged(line))
        .Build();

    // What librdkafka has to tell of brokers that went away is what is meant to happen.
    private void Logged(LogMessage line)
    {
        if (line.Facility == "FAIL")
        {
            return;
        }

        if (line.Message.Contains("bumped epoch to", StringComparison.Ordinal))
        {
            Interlocked.Increment(ref _newEpochs);
        }

        _settings.OnWriterLine($"{line.Name} {line.Facility}: {line.Message}");
    }
}
