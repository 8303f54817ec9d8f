using BenchmarkDotNet.Attributes;
using Milena.Model;

namespace Milena.Benchmarks;

/// <summary>CRC-32C, computed once over every produced batch. One operation is one checksum of <see cref="Bytes"/> bytes: read MB/s.</summary>
public class Crc32CBenchmarks
{
    private byte[] _bytes = [];

    [Params(64, 1024, 16_384, 1_048_576)]
    public int Bytes { get; set; }

    [GlobalSetup]
    public void SetUp()
    {
        _bytes = new byte[Bytes];
        new Random(1).NextBytes(_bytes);
    }

    [Benchmark]
    public uint Compute() => Crc32C.Compute(_bytes);
}
