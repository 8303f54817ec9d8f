using BenchmarkDotNet.Attributes;
using Milena.Model;
using Milena.Storage;

namespace Milena.Benchmarks;

/// <summary>
/// Appending one validated batch of about <see cref="Bytes"/> bytes as the leader, without fsync: the system call, the indexes, the offsets. One
/// operation is one batch, into the page cache; what the disk does with it later is not in the number.
/// </summary>
[MemoryDiagnoser]
[InvocationCount(AppendsPerIteration)]
public class LogAppendBenchmarks
{
    // Bounds what an iteration leaves in the page cache to 256 MB; the next one begins in an empty log.
    private const int AppendsPerIteration = 4096;
    private byte[] _batch = [];
    private SampleLog? _sample;

    [Params(1024, 16_384, 65_536)]
    public int Bytes { get; set; }

    [GlobalSetup]
    public void SetUp() => _batch = SampleBatches.Build(Bytes, recordBytes: 100);

    [IterationSetup]
    public void Open() => _sample = new SampleLog(new LogSettings { SegmentBytes = 64 << 20 });

    [IterationCleanup]
    public void Close() => _sample!.Dispose();

    [Benchmark]
    public ErrorCode Append() => _sample!.Log.Append(_batch, leaderEpoch: 0).Error;
}
