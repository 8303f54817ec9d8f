using BenchmarkDotNet.Attributes;
using Milena.Model;

namespace Milena.Benchmarks;

/// <summary>
/// What a produced batch costs before it is appended: header, CRC, unpacking, one walk over the records. One operation is one batch; MB/s
/// counts its bytes before compression, so that codecs compare. Small records show the cost of a record, large ones that of a byte.
/// </summary>
[MemoryDiagnoser]
public class BatchValidationBenchmarks
{
    private static readonly BatchRules Rules = new() { NowMs = SampleBatches.NowMs };
    private byte[] _batch = [];

    [Params(16_384, 262_144)]
    public int Bytes { get; set; }

    [Params(100, 1024)]
    public int RecordBytes { get; set; }

    [Params(CompressionCodec.None, CompressionCodec.Gzip, CompressionCodec.Snappy, CompressionCodec.Lz4, CompressionCodec.Zstd)]
    public CompressionCodec Codec { get; set; }

    [GlobalSetup]
    public void SetUp()
    {
        _batch = SampleBatches.Build(Bytes, RecordBytes, Codec);
        if (!Validate()) throw new InvalidOperationException("The sample batch is not valid.");
    }

    [Benchmark]
    public bool Validate() => BatchValidator.Validate(_batch, Rules).IsValid;
}
