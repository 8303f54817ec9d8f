using BenchmarkDotNet.Attributes;
using Milena.Protocol;

namespace Milena.Benchmarks;

/// <summary>
/// Metadata in the newest version: three brokers and a topic of <see cref="Partitions"/> partitions with three replicas each. One operation is
/// one message. A broker reads requests and writes responses; a client does the two others.
/// </summary>
[MemoryDiagnoser]
public class MetadataCodecBenchmarks
{
    private const short Version = MetadataRequest.HighestVersion;
    private MetadataRequest _request = new();
    private MetadataResponse _response = new();
    private byte[] _requestBytes = [];
    private byte[] _responseBytes = [];

    [Params(1, 100)]
    public int Partitions { get; set; }

    [GlobalSetup]
    public void SetUp()
    {
        int[] brokers = [1, 2, 3];
        var partitions = Enumerable.Range(0, Partitions).Select(index => new MetadataResponse.MetadataResponsePartition
        {
            PartitionIndex = index,
            LeaderId = brokers[index % brokers.Length],
            LeaderEpoch = 3,
            ReplicaNodes = [.. brokers],
            IsrNodes = [.. brokers],
        });
        _request = new MetadataRequest { Topics = [new() { Name = SampleTopic.Name }] };
        _response = new MetadataResponse
        {
            ClusterId = "qiBfCLCBT3irmjfr2L2Cqw",
            ControllerId = 1,
            Brokers = [.. brokers.Select(Broker)],
            Topics = [new() { Name = SampleTopic.Name, TopicId = SampleTopic.Id, Partitions = [.. partitions] }],
        };
        _requestBytes = MessageBytes.Of(_request, Version);
        _responseBytes = MessageBytes.Of(_response, Version);
    }

    [Benchmark]
    public bool ReadRequest() => MetadataRequest.TryRead(_requestBytes, Version, out _);

    [Benchmark]
    public int WriteResponse() => MessageBytes.Write(_response, Version);

    [Benchmark]
    public int WriteRequest() => MessageBytes.Write(_request, Version);

    [Benchmark]
    public bool ReadResponse() => MetadataResponse.TryRead(_responseBytes, Version, out _);

    private static MetadataResponse.MetadataResponseBroker Broker(int id) => new() { NodeId = id, Host = $"broker-{id}.example.org", Port = 9092 };
}
