using BenchmarkDotNet.Attributes;
using Milena.Storage;

namespace Milena.Benchmarks;

/// <summary>
/// Looking up a random offset or timestamp among a million records of 100 bytes, through the sparse indexes and the batch headers behind them; no
/// record bytes are copied for an offset, one batch is for a timestamp. One operation is one lookup. One segment is the active one, whose index is in
/// memory; of sixteen, fifteen are sealed and their indexes are read from their files.
/// </summary>
[MemoryDiagnoser]
public class LogLookupBenchmarks
{
    private const int Batches = 100_000;
    private const int BatchBytes = 1200;
    private readonly Random _random = new(1);
    private SampleLog? _sample;
    private int _endOffset;

    [Params(1, 16)]
    public int Segments { get; set; }

    [GlobalSetup]
    public void SetUp()
    {
        _sample = new SampleLog(new LogSettings { SegmentBytes = Segments == 1 ? 1 << 30 : Batches * BatchBytes / Segments });
        long timestamp = SampleBatches.NowMs;
        for (var i = 0; i < Batches; i++)
        {
            var batch = SampleBatches.Build(BatchBytes, recordBytes: 100, firstTimestampMs: timestamp);
            var appended = _sample.Log.Append(batch, leaderEpoch: 0);
            timestamp = SampleBatches.NowMs + appended.LastOffset + 1;
        }
        _endOffset = (int)_sample.Log.LogEndOffset;
    }

    [GlobalCleanup]
    public void CleanUp() => _sample!.Dispose();

    [Benchmark]
    public long Offset()
    {
        using var slice = _sample!.Log.Read(_random.Next(_endOffset), long.MaxValue, maxBytes: 1, atLeastOneBatch: true, out var info);
        return info.Start.Position;
    }

    [Benchmark]
    public long Timestamp() => _sample!.Log.FindByTimestamp(SampleBatches.NowMs + _random.Next(_endOffset), long.MaxValue).Offset;
}
