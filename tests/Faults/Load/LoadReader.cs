using Confluent.Kafka;
using Milena.Faults.Checking;

namespace Milena.Faults.Load;

/// <summary>Reads all partitions from the beginning for as long as the campaign lasts, and keeps what it saw where.</summary>
internal sealed class LoadReader : IDisposable
{
    private static readonly TimeSpan PollTime = TimeSpan.FromMilliseconds(100);

    private readonly LoadSettings _settings;
    private readonly string _name;
    private readonly LoadThread _thread;
    private readonly long[] _next;
    private long _goBack;

    public LoadReader(LoadSettings settings, string name)
    {
        (_settings, _name) = (settings, name);
        _next = new long[settings.Histories.Count];
        _thread = new LoadThread(name, Run);
        _thread.Start();
    }

    /// <summary>The offset behind the last record that it saw of a partition.</summary>
    public long NextOffset(int partition) => Volatile.Read(ref _next[partition]);

    /// <summary>Goes back by so many records in each partition, to see whether they are still the same.</summary>
    public void GoBack(long records) => Volatile.Write(ref _goBack, records);

    public void Stop() => _thread.Stop();

    public void Dispose() => _thread.Dispose();

    private void Run()
    {
        using var consumer = Build();
        consumer.Assign(_settings.Histories.Select(history => new TopicPartitionOffset(_settings.Topic, history.Partition, 0)));
        while (!_thread.IsStopping)
        {
            if (Interlocked.Exchange(ref _goBack, 0) is var back and > 0)
            {
                foreach (var history in _settings.Histories)
                {
                    consumer.Seek(new(_settings.Topic, history.Partition, Math.Max(0, _next[history.Partition] - back)));
                }
            }

            ReadOne(consumer);
        }

        consumer.Close();
    }

    private void ReadOne(IConsumer<Ignore, byte[]> consumer)
    {
        try
        {
            if (consumer.Consume(PollTime) is { Message: not null } read)
            {
                var partition = read.Partition.Value;
                _settings.Histories[partition].Read(_name, new(read.Offset.Value, Value.From(read.Message.Value), _settings.Clock.Elapsed));
                Volatile.Write(ref _next[partition], read.Offset.Value + 1);
            }
        }
        catch (ConsumeException e) when (e.Error.Code is ErrorCode.Local_AutoOffsetReset or ErrorCode.OffsetOutOfRange)
        {
            // No record is ever deleted here, so there is no offset to be thrown back from. It stays where it was.
            var partition = e.ConsumerRecord.Partition.Value;
            _settings.Histories[partition].Refuse(_name, _settings.Clock.Elapsed, $"offset {_next[partition]}: {e.Error.Reason}");
            consumer.Seek(new(_settings.Topic, partition, _next[partition]));
        }
    }

    private IConsumer<Ignore, byte[]> Build() => new ConsumerBuilder<Ignore, byte[]>(new ConsumerConfig
    {
        BootstrapServers = _settings.Bootstrap,
        ClientId = _name,
        GroupId = _name,
        EnableAutoCommit = false,
        AutoOffsetReset = AutoOffsetReset.Error,
        SocketTimeoutMs = 6000,
        RetryBackoffMs = 50,
        FetchWaitMaxMs = 100,
    })
        .SetErrorHandler((_, _) => { })
        .SetLogHandler((_, _) => { })
        .Build();
}
