using System.Diagnostics;
using Confluent.Kafka;
using Milena.Faults.Checking;

namespace Milena.Faults.Load;

/// <summary>Offsets that a group's member commits in one request, kept in the group's ledger.</summary>
internal sealed class TriedCommit(CommitLedger ledger, Stopwatch clock, IReadOnlyList<TopicPartitionOffset> offsets)
{
    private readonly TimeSpan _sent = clock.Elapsed;

    /// <summary>Waits for the coordinator's answer.</summary>
    /// <returns>Those that were not acknowledged.</returns>
    public IReadOnlyList<TopicPartitionOffset> Send(IConsumer<Ignore, byte[]> consumer)
    {
        foreach (var one in offsets)
        {
            ledger.Try(one.Partition.Value, one.Offset.Value);
        }

        try
        {
            consumer.Commit(offsets);
            return Settle(offsets.Select(one => (one, false)));
        }
        catch (TopicPartitionOffsetException e)
        {
            return Settle(e.Results.Select(one => (one.TopicPartitionOffset, one.Error.IsError)));
        }
        catch (KafkaException)
        {
            return offsets;
        }
    }

    private List<TopicPartitionOffset> Settle(IEnumerable<(TopicPartitionOffset Offset, bool Failed)> results)
    {
        var failed = new List<TopicPartitionOffset>();
        foreach (var (one, hasFailed) in results)
        {
            if (hasFailed)
            {
                failed.Add(one);
            }
            else
            {
                ledger.Acknowledge(one.Partition.Value, one.Offset.Value, _sent, clock.Elapsed);
            }
        }

        return failed;
    }
}
