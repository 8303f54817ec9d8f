using Confluent.Kafka;
using Milena.Faults.Checking;

namespace Milena.Faults.Load;

/// <summary>Reads all partitions from the beginning for as long as the campaign lasts, and keeps what it saw where.</summary>
internal sealed class LoadReader : LoadConsumer
{
    private readonly LoadSettings _settings;
    private readonly long[] _next;
    private long _goBack;

    public LoadReader(LoadSettings settings, string name)
        : this(settings, name, new long[settings.Histories.Count])
    {
    }

    private LoadReader(LoadSettings settings, string name, long[] from)
        : base(name) => (_settings, _next) = (settings, from);

    /// <summary>Goes back by so many records in each partition, to see whether they are still the same.</summary>
    public void GoBack(long records) => Volatile.Write(ref _goBack, records);

    protected override string Progress => string.Join(", ", _next);

    protected override bool HasAll(IReadOnlyList<long> last) => Enumerable.Range(0, last.Count).All(partition => Volatile.Read(ref _next[partition]) > last[partition]);

    protected override LoadConsumer Successor() => new LoadReader(_settings, Name, [.. _next]);

    protected override void Run()
    {
        // No record is ever deleted here, so there is no offset to be thrown back from.
        using var consumer = Build(_settings, Name, AutoOffsetReset.Error);
        consumer.Assign(_settings.Histories.Select(history => new TopicPartitionOffset(_settings.Topic, history.Partition, _next[history.Partition])));
        while (!IsStopping)
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
                _settings.Histories[partition].Read(Name, new(read.Offset.Value, Value.From(read.Message.Value), _settings.Clock.Elapsed));
                Volatile.Write(ref _next[partition], read.Offset.Value + 1);
            }
        }
        catch (ConsumeException e) when (e.Error.Code is ErrorCode.Local_AutoOffsetReset or ErrorCode.OffsetOutOfRange)
        {
            // It stays where it was.
            var partition = e.ConsumerRecord.Partition.Value;
            _settings.Histories[partition].Refuse(Name, _settings.Clock.Elapsed, $"offset {_next[partition]}: {e.Error.Reason}");
            consumer.Seek(new(_settings.Topic, partition, _next[partition]));
        }
    }
}
