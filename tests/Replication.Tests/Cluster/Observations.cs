using System.Collections.Concurrent;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Replication.Tests;

/// <summary>What clients of a cluster were told, and what must hold because of it. Safe for several threads.</summary>
internal sealed class Observations
{
    private readonly ConcurrentDictionary<(TopicPartition Partition, long Offset), long> _acknowledged = new();
    private readonly ConcurrentDictionary<(TopicPartition Partition, long Offset), long> _consumed = new();
    private readonly Dictionary<(TestNode Node, TopicPartition Partition), long> _highWatermarks = [];
    private readonly ConcurrentQueue<string> _violations = new();

    public int Acknowledged => _acknowledged.Count;

    public IReadOnlyCollection<string> Violations => _violations;

    /// <summary>CommittedDataSurvives: whoever takes over holds every acknowledged record at its offset.</summary>
    public void Watch(TestNode node) => node.Host.Directory.LeadershipChanged += replica =>
    {
        var (leadership, acknowledged, consumed) = (replica.Leadership, Of(_acknowledged, replica.TopicPartition), Of(_consumed, replica.TopicPartition));
        // Who hears late that it led once, and leads no more, need not hold what was acknowledged since.
        if (leadership.IsLeader && node.LastElected(replica.TopicPartition) == leadership.Epoch)
        {
            Check(replica, acknowledged, consumed, $"broker {node.Id} leads in epoch {leadership.Epoch} and");
        }
    };

    /// <summary>OneRecordPerOffset, of what producers were told.</summary>
    public void Appended(TopicPartition partition, in AppendOutcome outcome, IReadOnlyList<long> ids)
    {
        for (var i = 0; outcome.Error == ErrorCode.None && i < ids.Count; i++)
        {
            Note(_acknowledged, partition, outcome.BaseOffset + i, ids[i], "acknowledged");
        }
    }

    /// <summary>OneRecordPerOffset, of what consumers have read from any broker at any time.</summary>
    public async Task ConsumeAsync(TestNode node, TopicPartition partition)
    {
        if (node.Find(partition) is not { Leadership.IsLeader: true } replica)
        {
            return;
        }

        var request = new FetchRequest
        {
            MaxBytes = int.MaxValue,
            Topics = [new() { TopicId = replica.Id.TopicId, Partitions = [new() { Partition = partition.Partition, FetchOffset = replica.Log.LogStartOffset, PartitionMaxBytes = int.MaxValue }] }],
        };
        var response = (FetchResponse)await node.AskAsync(ApiKey.Fetch, request);
        var data = response.Responses[0].Partitions[0];
        using var records = data.Records;
        if (data.ErrorCode != ErrorCode.None || records.Source is not { } source)
        {
            return;
        }

        var bytes = new byte[source.Length];
        try
        {
            bytes = bytes[..source.Read(0, bytes)];
        }
        catch (ObjectDisposedException)
        {
            // The broker ended in the middle of its answer.
            return;
        }

        foreach (var (offset, id) in Decode(bytes).Where(record => record.Offset < data.HighWatermark))
        {
            Note(_consumed, partition, offset, id, "consumed");
        }
    }

    /// <summary>MonotonicHighWatermark, for as long as a broker runs.</summary>
    public void CheckHighWatermark(TestNode node, TopicPartition partition)
    {
        if (node.Find(partition) is not { } replica)
        {
            return;
        }

        var highWatermark = replica.HighWatermark;
        if (_highWatermarks.TryGetValue((node, partition), out var before) && highWatermark < before)
        {
            _violations.Enqueue($"The high watermark of {partition} on broker {node.Id} moved back from {before} to {highWatermark}.");
        }

        _highWatermarks[(node, partition)] = highWatermark;
    }

    public void CheckAcknowledged(Replica replica, string who) => Check(replica, Of(_acknowledged, replica.TopicPartition), Of(_consumed, replica.TopicPartition), who);

    private void Check(Replica replica, List<(long Offset, long Id)> acknowledged, List<(long Offset, long Id)> consumed, string who)
    {
        var held = Decode(TestCluster.Bytes(replica)).ToDictionary(record => record.Offset, record => record.Id);
        foreach (var (offset, id) in acknowledged)
        {
            if (!held.TryGetValue(offset, out var there) || there != id)
            {
                _violations.Enqueue($"{who} does not hold record {id} of {replica.TopicPartition}, which was acknowledged at {offset}: it has {(held.ContainsKey(offset) ? there : "nothing")} there, and ends at {replica.Log.LogEndOffset}.");
                return;
            }
        }

        foreach (var (offset, id) in consumed)
        {
            if (!held.TryGetValue(offset, out var there) || there != id)
            {
                _violations.Enqueue($"{who} does not hold record {id} of {replica.TopicPartition}, which was consumed at {offset}.");
                return;
            }
        }
    }

    public static byte[] Batch(IReadOnlyList<long> ids)
    {
        using var builder = new RecordBatchBuilder();
        foreach (var id in ids)
        {
            builder.Add(Testing.ManualTime.DefaultNowMs, null, [.. BitConverter.GetBytes(id), .. new byte[id % 50]]);
        }

        return builder.Build();
    }

    private static List<(long Offset, long Id)> Of(ConcurrentDictionary<(TopicPartition Partition, long Offset), long> seen, TopicPartition partition) =>
        [.. seen.Where(one => one.Key.Partition == partition).Select(one => (one.Key.Offset, one.Value))];

    private static List<(long Offset, long Id)> Decode(ReadOnlySpan<byte> bytes)
    {
        var records = new List<(long, long)>();
        while (RecordBatchHeader.TryRead(bytes, out var header) == ErrorCode.None && header.SizeInBytes <= bytes.Length)
        {
            var reader = new RecordReader(bytes[RecordBatchHeader.Size..header.SizeInBytes]);
            while (reader.TryRead(out var record))
            {
                records.Add((header.BaseOffset + record.OffsetDelta, BitConverter.ToInt64(record.Value)));
            }

            bytes = bytes[header.SizeInBytes..];
        }

        return records;
    }

    private void Note(ConcurrentDictionary<(TopicPartition, long), long> seen, TopicPartition partition, long offset, long id, string how)
    {
        if (seen.GetOrAdd((partition, offset), id) is var earlier && earlier != id)
        {
            _violations.Enqueue($"Offset {offset} of {partition} was {how} as record {earlier}, and later as record {id}.");
        }
    }
}
