using Milena.Model;

namespace Milena.Testing;

/// <summary>Record batches for tests.</summary>
public static class Batches
{
    /// <summary>A batch as a client sends it: <paramref name="records"/> records of <paramref name="valueBytes"/> bytes.</summary>
    public static byte[] Plain(
        int records = 1, int valueBytes = 10, long timestampMs = ManualTime.DefaultNowMs, CompressionCodec codec = CompressionCodec.None)
    {
        using var builder = new RecordBatchBuilder { Codec = codec };
        return Fill(builder, records, valueBytes, timestampMs);
    }

    public static byte[] Idempotent(
        long producerId, short epoch, int sequence, int records = 1, bool transactional = false, long timestampMs = ManualTime.DefaultNowMs)
    {
        using var builder = new RecordBatchBuilder
        {
            ProducerId = producerId,
            ProducerEpoch = epoch,
            BaseSequence = sequence,
            IsTransactional = transactional,
        };
        return Fill(builder, records, valueBytes: 10, timestampMs);
    }

    public static byte[] Marker(
        long producerId, short epoch, bool commit, int coordinatorEpoch = 0, long timestampMs = ManualTime.DefaultNowMs) =>
        RecordBatchBuilder.BuildMarker(
            new EndTransactionMarker(commit ? ControlRecordType.Commit : ControlRecordType.Abort, coordinatorEpoch), timestampMs, producerId, epoch);

    private static byte[] Fill(RecordBatchBuilder builder, int records, int valueBytes, long timestampMs)
    {
        for (var i = 0; i < records; i++)
        {
            var value = new byte[valueBytes];
            Array.Fill(value, (byte)i);
            builder.Add(timestampMs + i, BitConverter.GetBytes(i), value);
        }
        return builder.Build();
    }
}
