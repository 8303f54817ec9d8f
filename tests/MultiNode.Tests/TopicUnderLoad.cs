using Milena.Model;
using Milena.Protocol;
using Milena.Testing;

namespace Milena.MultiNode.Tests;

/// <summary>A topic that records are produced to all the time, each known by its timestamp, and that is read to the end afterwards.</summary>
internal sealed class TopicUnderLoad : IAsyncDisposable
{
    private readonly InProcessCluster _cluster;
    private readonly string _topic;
    private readonly int _partitions;
    private readonly List<long> _acknowledged = [];
    private readonly CancellationTokenSource _stopping = new();
    private readonly Task _producing;

    /// <param name="askedAt">A node that stays.</param>
    public TopicUnderLoad(InProcessCluster cluster, string topic, int partitions, int askedAt)
    {
        (_cluster, _topic, _partitions) = (cluster, topic, partitions);
        _producing = Task.Run(() => ProduceAsync(askedAt));
    }

    public int Acknowledged
    {
        get
        {
            lock (_acknowledged)
            {
                return _acknowledged.Count;
            }
        }
    }

    /// <summary>What each partition's replicas are, and who leads it.</summary>
    public static List<MetadataResponse.MetadataResponsePartition> Describe(InProcessCluster cluster, int askedAt, string topic) =>
        [.. cluster.Ask<MetadataResponse>(askedAt, ApiKey.Metadata, 12, new MetadataRequest { Topics = [new() { Name = topic }] }).Topics[0].Partitions.OrderBy(one => one.PartitionIndex)];

    /// <summary>Ends the load, and looks for each record that was acknowledged.</summary>
    public async Task<int> LostAsync(int askedAt)
    {
        await _stopping.CancelAsync();
        await _producing;
        var found = new HashSet<long>();
        foreach (var partition in Describe(_cluster, askedAt, _topic))
        {
            found.UnionWith(Read(partition.LeaderId, partition.PartitionIndex));
        }

        return _acknowledged.Count(id => !found.Contains(id));
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _producing;
        _stopping.Dispose();
    }

    private async Task ProduceAsync(int askedAt)
    {
        using var pace = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        for (long id = 1; !_stopping.IsCancellationRequested; id++)
        {
            // A record whose partition's leader has just changed is not acknowledged, and not missed.
            if (TryProduce(askedAt, (int)(id % _partitions), id))
            {
                lock (_acknowledged)
                {
                    _acknowledged.Add(id);
                }
            }

            await pace.WaitForNextTickAsync();
        }
    }

    private bool TryProduce(int askedAt, int partition, long id)
    {
        var leader = Describe(_cluster, askedAt, _topic)[partition].LeaderId;
        return leader > 0 && _cluster.Ask<ProduceResponse>(leader, ApiKey.Produce, 9, new ProduceRequest
        {
            Acks = -1,
            TimeoutMs = 10_000,
            TopicData = [new() { Name = _topic, PartitionData = [new() { Index = partition, Records = new Records(Batches.Plain(timestampMs: id)) }] }],
        }).Responses[0].PartitionResponses[0].ErrorCode == ErrorCode.None;
    }

    private IEnumerable<long> Read(int leader, int partition)
    {
        for (long offset = 0; ;)
        {
            var answer = _cluster.Ask<FetchResponse>(leader, ApiKey.Fetch, 11, new FetchRequest
            {
                MaxBytes = 1 << 20,
                MinBytes = 0,
                Topics = [new() { Topic = _topic, Partitions = [new() { Partition = partition, FetchOffset = offset, PartitionMaxBytes = 1 << 20 }] }],
            }).Responses[0].Partitions[0];
            Assert.Equal(ErrorCode.None, answer.ErrorCode);
            var batches = BatchesIn(answer.Records.Memory).ToList();
            foreach (var batch in batches)
            {
                yield return batch.BaseTimestamp;
                offset = batch.BaseOffset + batch.LastOffsetDelta + 1;
            }

            if (batches.Count == 0)
            {
                Assert.Equal(answer.HighWatermark, offset);
                yield break;
            }
        }
    }

    private static IEnumerable<RecordBatchHeader> BatchesIn(ReadOnlyMemory<byte> bytes)
    {
        while (RecordBatchHeader.TryRead(bytes.Span, out var header) == ErrorCode.None && header.BatchLength + RecordBatchHeader.LogOverhead <= bytes.Length)
        {
            yield return header;
            bytes = bytes[(header.BatchLength + RecordBatchHeader.LogOverhead)..];
        }
    }
}
