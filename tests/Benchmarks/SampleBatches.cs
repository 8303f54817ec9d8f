using Milena.Bench;
using Milena.Model;

namespace Milena.Benchmarks;

/// <summary>Record batches like those that clients send.</summary>
internal static class SampleBatches
{
    public const long NowMs = 1_700_000_000_000;

    private static readonly Dictionary<int, byte[][]> Values = [];

    /// <summary>A batch of about <paramref name="bytes"/> bytes before compression, of records of <paramref name="recordBytes"/> bytes.</summary>
    public static byte[] Build(int bytes, int recordBytes, CompressionCodec codec = CompressionCodec.None, long firstTimestampMs = NowMs)
    {
        using var builder = new RecordBatchBuilder { Codec = codec };
        if (!Values.TryGetValue(recordBytes, out var values)) Values[recordBytes] = values = Payloads.Make(recordBytes);
        for (var i = 0; i == 0 || builder.UncompressedBytes + recordBytes <= bytes; i++)
        {
            builder.Add(firstTimestampMs + i, null, values[i % values.Length]);
        }
        return builder.Build();
    }
}
