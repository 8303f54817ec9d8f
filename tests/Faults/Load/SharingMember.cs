using System.Diagnostics;
using Confluent.Kafka;
using Milena.Faults.Checking;

namespace Milena.Faults.Load;

/// <summary>One of a group's several members: reads the partitions that it is given from where the group has committed, and commits how far it has come.</summary>
/// <remarks>What it first reads of a partition tells what it was told is committed, since nothing but the load's records has offsets here.</remarks>
internal sealed class SharingMember : LoadConsumer
{
    private static readonly TimeSpan CommitInterval = TimeSpan.FromMilliseconds(300);

    /// <summary>How long a member that comes and goes stays, and is away.</summary>
    private static readonly TimeSpan Stay = TimeSpan.FromSeconds(7), Away = TimeSpan.FromSeconds(1.5);

    private readonly LoadSettings _settings;
    private readonly SharingGroup _group;
    private readonly int _number;
    private readonly Dictionary<int, long> _next = [];
    private readonly Dictionary<int, long> _uncommitted = [];
    private string _assignment = "";
    private TimeSpan _assignedAt;

    public SharingMember(LoadSettings settings, SharingGroup group, int number)
        : base($"member {number} of the sharing group") => (_settings, _group, _number) = (settings, group, number);

    protected override string Progress => _group.Progress;

    /// <summary>What the group committed last, whichever member did.</summary>
    protected override bool HasAll(IReadOnlyList<long> last) => Enumerable.Range(0, last.Count).All(partition => _group.Committed(partition) > last[partition]);

    protected override LoadConsumer Successor() => new SharingMember(_settings, _group, _number);

    protected override void Run()
    {
        using var consumer = Build(
            _settings,
            "sharing",
            AutoOffsetReset.Earliest,
            builder => builder
                .SetPartitionsAssignedHandler((_, partitions) => Begin(partitions))
                .SetPartitionsRevokedHandler((consumer, _) => End(consumer))
                .SetPartitionsLostHandler((_, _) => Forget()));
        var (isMember, since, sinceCommit) = (false, Stopwatch.StartNew(), Stopwatch.StartNew());
        while (!IsStopping)
        {
            if (!isMember && since.Elapsed >= (_number == 1 ? TimeSpan.Zero : Away))
            {
                consumer.Subscribe(_settings.Topic);
                (isMember, since) = (true, Stopwatch.StartNew());
            }
            else if (isMember && _number > 1 && since.Elapsed >= Stay)
            {
                consumer.Unsubscribe();
                (isMember, since) = (false, Stopwatch.StartNew());
            }

            ReadOne(consumer);
            if (sinceCommit.Elapsed >= CommitInterval)
            {
                Commit(consumer);
                sinceCommit.Restart();
            }
        }

        consumer.Close();
    }

    private void Begin(List<TopicPartition> partitions)
    {
        Forget();
        if (partitions.Count > 0)
        {
            _assignment = $"assignment {_group.NextAssignment()}, {Name}";
            _assignedAt = _settings.Clock.Elapsed;
        }
    }

    private void End(IConsumer<Ignore, byte[]> consumer)
    {
        Commit(consumer);
        Forget();
    }

    private void Forget()
    {
        _next.Clear();
        _uncommitted.Clear();
    }

    private void ReadOne(IConsumer<Ignore, byte[]> consumer)
    {
        if (consumer.Consume(PollTime) is not { Message: not null } read)
        {
            return;
        }

        var (partition, offset, at) = (read.Partition.Value, read.Offset.Value, _settings.Clock.Elapsed);
        if (!_next.TryGetValue(partition, out var next))
        {
            _group.Ledger.See(partition, offset == 0 ? null : offset, _assignedAt, at);
        }
        else if (next > offset)
        {
            _settings.Histories[partition].Refuse(_assignment, at, $"had come to offset {next}, and is given {offset}");
        }

        _settings.Histories[partition].Read(_assignment, new(offset, Value.From(read.Message.Value), at));
        _next[partition] = _uncommitted[partition] = offset + 1;
    }

    private void Commit(IConsumer<Ignore, byte[]> consumer)
    {
        if (_uncommitted.Count == 0)
        {
            return;
        }

        var offsets = _uncommitted.Select(one => new TopicPartitionOffset(_settings.Topic, one.Key, one.Value)).ToList();
        var failed = new TriedCommit(_group.Ledger, _settings.Clock, offsets).Send(consumer);
        foreach (var one in offsets.Except(failed))
        {
            _uncommitted.Remove(one.Partition.Value);
            _group.HasCommitted(one.Partition.Value, one.Offset.Value);
        }
    }
}
