using BenchmarkDotNet.Attributes;
using Milena.Storage;

namespace Milena.Benchmarks;

/// <summary>
/// Finding a random offset in a segment of 128 MB and copying <see cref="Bytes"/> bytes from there, out of the page cache. One operation is one read,
/// as one partition of a fetch: read MB/s, and for the smallest size the time.
/// </summary>
[MemoryDiagnoser]
public class LogReadBenchmarks
{
    private const int Batches = 8192;
    private const int BatchBytes = 16_384;
    private readonly Random _random = new(1);
    private SampleLog? _sample;
    private byte[] _buffer = [];
    private int _lastOffset;

    [Params(4096, 65_536, 1_048_576)]
    public int Bytes { get; set; }

    [GlobalSetup]
    public void SetUp()
    {
        _sample = new SampleLog(new LogSettings());
        var batch = SampleBatches.Build(BatchBytes, recordBytes: 100);
        for (var i = 0; i < Batches; i++) _sample.Log.Append(batch, leaderEpoch: 0);
        // Every read gets all of its bytes: it begins well before the end of the only segment.
        _lastOffset = (int)(_sample.Log.LogEndOffset * 0.9);
        _buffer = new byte[Bytes];
    }

    [GlobalCleanup]
    public void CleanUp() => _sample!.Dispose();

    [Benchmark]
    public int Read()
    {
        using var slice = _sample!.Log.Read(_random.Next(_lastOffset), long.MaxValue, Bytes, atLeastOneBatch: false, out _);
        return slice!.Read(0, _buffer);
    }
}
