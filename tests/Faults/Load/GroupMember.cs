using System.Diagnostics;
using Confluent.Kafka;
using Milena.Faults.Checking;

namespace Milena.Faults.Load;

/// <summary>The only member of a group: reads all partitions, commits how far it has come again and again, and asks what is committed.</summary>
internal sealed class GroupMember : LoadConsumer
{
    private const string MemberName = "the group's member";

    private static readonly TimeSpan CommitInterval = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan AnswerPatience = TimeSpan.FromSeconds(10);

    private readonly LoadSettings _settings;
    private readonly Dictionary<int, long> _uncommitted = [];
    private readonly long[] _committed;
    private bool _hasLooked;

    public GroupMember(LoadSettings settings)
        : this(settings, new CommitLedger(MemberName))
    {
    }

    private GroupMember(LoadSettings settings, CommitLedger ledger)
        : base(MemberName) => (_settings, Ledger, _committed) = (settings, ledger, new long[settings.Histories.Count]);

    /// <summary>To be read when it has stopped.</summary>
    public CommitLedger Ledger { get; }

    protected override string Progress => string.Join(", ", _committed);

    /// <summary>What was last committed of a partition, and found to be so.</summary>
    protected override bool HasAll(IReadOnlyList<long> last) => Enumerable.Range(0, last.Count).All(partition => Volatile.Read(ref _committed[partition]) > last[partition]);

    /// <summary>The group gives it the partitions when the old one's session is over, and what is committed by then.</summary>
    protected override LoadConsumer Successor() => new GroupMember(_settings, Ledger);

    protected override void Run()
    {
        using var consumer = Build(_settings, "members", AutoOffsetReset.Earliest);
        consumer.Subscribe(_settings.Topic);
        var sinceCommit = Stopwatch.StartNew();
        while (!IsStopping)
        {
            ReadOne(consumer);
            if (sinceCommit.Elapsed < CommitInterval)
            {
                continue;
            }

            if (_uncommitted.Count > 0)
            {
                Commit(consumer);
                Look(consumer);
            }
            else if (!_hasLooked)
            {
                Look(consumer);
            }

            sinceCommit.Restart();
        }

        consumer.Close();
    }

    private void ReadOne(IConsumer<Ignore, byte[]> consumer)
    {
        if (consumer.Consume(PollTime) is { Message: not null } read)
        {
            var partition = read.Partition.Value;
            _settings.Histories[partition].Read(Name, new(read.Offset.Value, Value.From(read.Message.Value), _settings.Clock.Elapsed));
            _uncommitted[partition] = read.Offset.Value + 1;
        }
    }

    private void Commit(IConsumer<Ignore, byte[]> consumer)
    {
        var offsets = _uncommitted.Select(one => new TopicPartitionOffset(_settings.Topic, one.Key, one.Value)).ToList();
        _uncommitted.Clear();
        foreach (var failed in new TriedCommit(Ledger, _settings.Clock, offsets).Send(consumer))
        {
            _uncommitted[failed.Partition.Value] = failed.Offset.Value;
        }
    }

    private void Look(IConsumer<Ignore, byte[]> consumer)
    {
        _hasLooked = false;
        try
        {
            var asked = _settings.Clock.Elapsed;
            var all = _settings.Histories.Select(history => new TopicPartition(_settings.Topic, history.Partition));
            foreach (var one in consumer.Committed(all, AnswerPatience))
            {
                Ledger.See(one.Partition.Value, one.Offset.IsSpecial ? null : one.Offset.Value, asked, _settings.Clock.Elapsed);
                Volatile.Write(ref _committed[one.Partition.Value], one.Offset.Value);
            }

            _hasLooked = true;
        }
        catch (KafkaException)
        {
            // No coordinator answers while its node is harmed. It is asked again.
        }
    }
}
