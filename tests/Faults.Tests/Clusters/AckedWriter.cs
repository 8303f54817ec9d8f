using System.Buffers.Binary;
using System.Diagnostics;
using System.Net.Sockets;
using Milena.Model;
using Milena.Protocol;
using Milena.Testing;

namespace Milena.Faults.Tests.Clusters;

/// <summary>Writes numbered records to one partition with acks=all, one at a time, whoever leads it, and keeps what was acknowledged at which offset.</summary>
/// <remarks>It repeats a record whose fate it does not know, so the partition may hold a record twice; what was acknowledged must be where it was said to be.</remarks>
public sealed class AckedWriter : IDisposable
{
    private static readonly TimeSpan AnswerPatience = TimeSpan.FromSeconds(6);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(50);

    private readonly ThreeNodes _cluster;
    private readonly string _topic;
    private readonly int _partition;
    private readonly Thread _thread;
    private readonly ManualResetEventSlim _stop = new();
    private readonly Dictionary<long, long> _acknowledged = [];
    private readonly Stopwatch _sinceAck = Stopwatch.StartNew();
    private int _count;
    private WireClient? _client;

    public AckedWriter(ThreeNodes cluster, string topic, int partition)
    {
        (_cluster, _topic, _partition) = (cluster, topic, partition);
        _thread = new Thread(Run) { IsBackground = true, Name = $"writer {topic}-{partition}" };
        _thread.Start();
    }

    /// <summary>Records acknowledged so far.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>The longest time between two acknowledgements.</summary>
    public TimeSpan LongestSilence { get; private set; }

    /// <summary>The value acknowledged at each offset; to be read when it was stopped.</summary>
    public IReadOnlyDictionary<long, long> Acknowledged => _acknowledged;

    public void Stop()
    {
        _stop.Set();
        _thread.Join();
        _client?.Dispose();
    }

    public void Dispose()
    {
        Stop();
        _stop.Dispose();
    }

    private void Run()
    {
        for (var value = 0L; !_stop.IsSet; value++)
        {
            while (!TryWrite(value) && !_stop.IsSet)
            {
                _stop.Wait(Pause);
            }
        }
    }

    private bool TryWrite(long value)
    {
        try
        {
            _client ??= Connect();
            if (_client?.Ask(ApiKey.Produce, 9, Request(value)) is not ProduceResponse response)
            {
                Disconnect();
                return false;
            }

            var answer = response.Responses[0].PartitionResponses[0];
            if (answer.ErrorCode != ErrorCode.None)
            {
                Disconnect();
                return false;
            }

            Acked(answer.BaseOffset, value);
            return true;
        }
        catch (Exception e) when (e is IOException or SocketException)
        {
            // The node is gone or paused; another may lead now.
            Disconnect();
            return false;
        }
    }

    private void Acked(long offset, long value)
    {
        Assert.True(_acknowledged.TryAdd(offset, value), $"{_topic}-{_partition}: two records were acknowledged at offset {offset}");
        var silence = _sinceAck.Elapsed;
        _sinceAck.Restart();
        if (_count > 0 && silence > LongestSilence)
        {
            LongestSilence = silence;
        }

        Interlocked.Increment(ref _count);
    }

    private WireClient? Connect() => _cluster.TryDescribe(_topic) is { } partitions && partitions.Find(one => one.PartitionIndex == _partition) is { LeaderId: > 0 } partition
        ? new WireClient("127.0.0.1", _cluster.Node(partition.LeaderId).Port, AnswerPatience)
        : null;

    private void Disconnect()
    {
        _client?.Dispose();
        _client = null;
    }

    private ProduceRequest Request(long value)
    {
        var bytes = new byte[sizeof(long)];
        BinaryPrimitives.WriteInt64BigEndian(bytes, value);
        using var builder = new RecordBatchBuilder();
        var batch = builder.Add(DateTimeOffset.UtcNow.ToUnixTimeMilliseconds(), null, bytes).Build();
        return new ProduceRequest
        {
            Acks = -1,
            TimeoutMs = 5_000,
            TopicData = [new() { Name = _topic, PartitionData = [new() { Index = _partition, Records = new Records(batch) }] }],
        };
    }
}
