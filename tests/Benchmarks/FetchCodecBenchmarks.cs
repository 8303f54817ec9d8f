using BenchmarkDotNet.Attributes;
using Milena.Protocol;

namespace Milena.Benchmarks;

/// <summary>
/// Fetch in the newest version, of <see cref="Partitions"/> partitions of one topic. One operation is one message. A broker reads requests and
/// writes responses, in which the records are a stretch of a file that is only pointed at; a client does the two others, with records at hand.
/// </summary>
[MemoryDiagnoser]
public class FetchCodecBenchmarks
{
    private const short Version = FetchRequest.HighestVersion;
    private const int RecordsBytes = 65_536;
    private FetchRequest _request = new();
    private FetchResponse _response = new();
    private byte[] _requestBytes = [];
    private byte[] _responseBytes = [];

    [Params(1, 100)]
    public int Partitions { get; set; }

    [GlobalSetup]
    public void SetUp()
    {
        var partitions = Enumerable.Range(0, Partitions).ToList();
        var wanted = partitions.Select(index => new FetchRequest.FetchPartition
        {
            Partition = index,
            CurrentLeaderEpoch = 3,
            FetchOffset = 1_000_000,
            PartitionMaxBytes = 1 << 20,
        });
        _request = new FetchRequest
        {
            MaxWaitMs = 500,
            MinBytes = 1,
            MaxBytes = 50 << 20,
            Topics = [new() { TopicId = SampleTopic.Id, Partitions = [.. wanted] }],
        };
        _response = Response(partitions, () => new Records(new FileStretch()));
        _requestBytes = MessageBytes.Of(_request, Version);
        _responseBytes = MessageBytes.Of(Response(partitions, () => new Records(new byte[RecordsBytes])), Version);
    }

    [Benchmark]
    public bool ReadRequest() => FetchRequest.TryRead(_requestBytes, Version, out _);

    [Benchmark]
    public int WriteResponse() => MessageBytes.Write(_response, Version);

    [Benchmark]
    public int WriteRequest() => MessageBytes.Write(_request, Version);

    [Benchmark]
    public bool ReadResponse() => FetchResponse.TryRead(_responseBytes, Version, out _);

    private static FetchResponse Response(List<int> partitions, Func<Records> records)
    {
        var read = partitions.Select(index => new FetchResponse.PartitionData
        {
            PartitionIndex = index,
            HighWatermark = 2_000_000,
            LastStableOffset = 2_000_000,
            LogStartOffset = 0,
            Records = records(),
        });
        return new FetchResponse { Responses = [new() { TopicId = SampleTopic.Id, Partitions = [.. read] }] };
    }

    /// <summary>Records that nobody reads while the message is written.</summary>
    private sealed class FileStretch : IRecordsSource
    {
        public int Length => RecordsBytes;

        public int Read(int position, Span<byte> destination) => throw new InvalidOperationException("Writing a message reads no file.");

        public void Dispose()
        {
        }
    }
}
