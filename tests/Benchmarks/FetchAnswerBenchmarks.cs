using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using BenchmarkDotNet.Attributes;
using Microsoft.Extensions.Logging.Abstractions;
using Milena.Network;
using Milena.Protocol;
using Milena.Storage;

namespace Milena.Benchmarks;

/// <summary>
/// A fetch over the loopback whose answer has <see cref="Bytes"/> bytes of records, sent from their file or copied. One operation is one request and its
/// answer, read whole; the client is the same process.
/// </summary>
[MemoryDiagnoser]
public class FetchAnswerBenchmarks : IRequestDispatcher
{
    private const short FetchVersion = 12;
    private const int Batches = 4096;
    private const int BatchBytes = 16_384;
    private static readonly byte[] Request = FetchFrame();

    private readonly byte[] _received = new byte[64 * 1024];
    private SampleLog? _sample;
    private KafkaListener? _listener;
    private Socket? _client;
    private int _lastOffset;
    private readonly Random _random = new(1);

    [Params(4096, 65_536, 262_144, 1_048_576, 8_388_608)]
    public int Bytes { get; set; }

    [Params(true, false)]
    public bool FromFile { get; set; }

    [GlobalSetup]
    public async Task SetUp()
    {
        _sample = new SampleLog(new LogSettings());
        var batch = SampleBatches.Build(BatchBytes, recordBytes: 100);
        for (var i = 0; i < Batches; i++) _sample.Log.Append(batch, leaderEpoch: 0);
        _lastOffset = (int)(_sample.Log.LogEndOffset * 0.9);
        var settings = new NetworkSettings();
        _listener = await KafkaListener.BindAsync(
            "BENCH", new IPEndPoint(IPAddress.Loopback, 0), this, settings, new ConnectionQuota(TimeProvider.System),
            new ByteBudget(settings.MaxInFlightBytes), TimeProvider.System, NullLoggerFactory.Instance);
        _listener.Open();
        _client = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await _client.ConnectAsync(_listener.EndPoint);
    }

    [GlobalCleanup]
    public async Task CleanUp()
    {
        _client!.Dispose();
        await _listener!.DisposeAsync();
        _sample!.Dispose();
    }

    [Benchmark]
    public int Fetch()
    {
        _client!.Send(Request);
        var left = sizeof(int);
        var size = 0;
        while (left > 0)
        {
            var read = _client.Receive(_received);
            if (size == 0)
            {
                size = BinaryPrimitives.ReadInt32BigEndian(_received);
                left += size;
            }

            left -= read;
        }

        return size;
    }

    public bool Serves(short apiKey, short apiVersion) => true;

    public ValueTask<IResponseMessage?> DispatchAsync(RequestContext context, IRequestMessage request)
    {
        var slice = _sample!.Log.Read(_random.Next(_lastOffset), long.MaxValue, Bytes, atLeastOneBatch: false, out _)!;
        return new(new FetchResponse
        {
            Responses = [new() { Topic = "orders", Partitions = [new() { Records = new Records(FromFile ? slice : new WithoutFile(slice)) }] }],
        });
    }

    public IResponseMessage UnsupportedApiVersions() => new ApiVersionsResponse();

    private static byte[] FetchFrame()
    {
        using var buffer = new MessageBuffer();
        var writer = new ProtocolWriter(buffer);
        new RequestHeader { RequestApiKey = FetchRequest.ApiKey, RequestApiVersion = FetchVersion, ClientId = "bench" }
            .Write(ref writer, ApiCatalog.RequestHeaderVersion(FetchRequest.ApiKey, FetchVersion));
        new FetchRequest().Write(ref writer, FetchVersion);
        var frame = new byte[sizeof(int) + buffer.Position];
        BinaryPrimitives.WriteInt32BigEndian(frame, buffer.Position);
        buffer.Written.CopyTo(frame.AsMemory(sizeof(int)));
        return frame;
    }

    private sealed class WithoutFile(LogSlice slice) : IRecordsSource
    {
        public int Length => slice.Length;

        public int Read(int position, Span<byte> destination) => slice.Read(position, destination);

        public void Dispose() => slice.Dispose();
    }
}
