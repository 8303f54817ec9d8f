using System.Text;
using Milena.Model;
using Milena.Testing;

namespace Milena.Storage.Tests;

public sealed class Replaying_a_log
{
    [Theory]
    [InlineData(CompressionCodec.None)]
    [InlineData(CompressionCodec.Zstd)]
    public void Every_record_comes_once_and_in_order_across_segments(CompressionCodec codec)
    {
        var fixture = new LogFixture(new LogSettings { SegmentBytes = 4096 });
        var log = fixture.Log;
        for (var batch = 0; batch < 50; batch++) log.Append(BatchOf(batch * 4, codec), leaderEpoch: 1);

        var seen = new List<string>();
        var end = LogReplay.Run(log, 6, log.LogEndOffset, (in RecordBatchHeader header, in RecordView record) =>
        {
            Assert.Equal(header.BaseOffset + record.OffsetDelta, seen.Count + 6);
            seen.Add(Encoding.UTF8.GetString(record.Value));
        });

        Assert.Equal(200, end);
        Assert.Equal(Enumerable.Range(6, 194).Select(number => $"record {number}"), seen);
    }

    private static byte[] BatchOf(int first, CompressionCodec codec)
    {
        using var builder = new RecordBatchBuilder { Codec = codec };
        for (var i = 0; i < 4; i++) builder.Add(1_000 + first + i, null, Encoding.UTF8.GetBytes($"record {first + i}"));
        return builder.Build();
    }
}
