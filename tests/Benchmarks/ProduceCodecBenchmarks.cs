using BenchmarkDotNet.Attributes;
using Milena.Protocol;

namespace Milena.Benchmarks;

/// <summary>
/// Produce in the newest version, with a batch of 1 KiB for each of <see cref="Partitions"/> partitions of one topic. One operation is one
/// message. A broker reads requests, whose batches stay where they are, and writes responses; a client does the two others.
/// </summary>
[MemoryDiagnoser]
public class ProduceCodecBenchmarks
{
    private const short Version = ProduceRequest.HighestVersion;
    private const int BatchBytes = 1024;
    private ProduceRequest _request = new();
    private ProduceResponse _response = new();
    private byte[] _requestBytes = [];
    private byte[] _responseBytes = [];

    [Params(1, 100)]
    public int Partitions { get; set; }

    [GlobalSetup]
    public void SetUp()
    {
        var batch = SampleBatches.Build(BatchBytes, recordBytes: 100);
        var partitions = Enumerable.Range(0, Partitions).ToList();
        var produced = partitions.Select(index => new ProduceRequest.PartitionProduceData { Index = index, Records = new Records(batch) });
        var answered = partitions.Select(index => new ProduceResponse.PartitionProduceResponse { Index = index, BaseOffset = 1_000_000 });
        _request = new ProduceRequest
        {
            Acks = -1,
            TimeoutMs = 30_000,
            TopicData = [new() { TopicId = SampleTopic.Id, PartitionData = [.. produced] }],
        };
        _response = new ProduceResponse { Responses = [new() { TopicId = SampleTopic.Id, PartitionResponses = [.. answered] }] };
        _requestBytes = MessageBytes.Of(_request, Version);
        _responseBytes = MessageBytes.Of(_response, Version);
    }

    [Benchmark]
    public bool ReadRequest() => ProduceRequest.TryRead(_requestBytes, Version, out _);

    [Benchmark]
    public int WriteResponse() => MessageBytes.Write(_response, Version);

    [Benchmark]
    public int WriteRequest() => MessageBytes.Write(_request, Version);

    [Benchmark]
    public bool ReadResponse() => ProduceResponse.TryRead(_responseBytes, Version, out _);
}
