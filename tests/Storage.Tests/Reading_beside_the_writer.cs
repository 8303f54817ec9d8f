using Milena.Model;
using Milena.Testing;

namespace Milena.Storage.Tests;

public sealed class Reading_beside_the_writer
{
    private const int BatchCount = 4000;

    [Fact]
    public async Task Readers_see_whole_batches_in_order_and_never_beyond_their_limit()
    {
        var fixture = new LogFixture(new LogSettings { SegmentBytes = 4000, IndexIntervalBytes = 200, FileDeleteDelayMs = 0 });
        var log = fixture.Log;
        using var written = new CancellationTokenSource();
        var readers = Enumerable.Range(1, 2).Select(seed => Task.Run(() => ReadUntil(log, new Random(seed), written.Token))).ToList();
        var flusher = Task.Run(() =>
        {
            while (!written.IsCancellationRequested) Assert.True(log.Flush() <= log.LogEndOffset);
        });
        for (var i = 0; i < BatchCount; i++)
        {
            fixture.Append(Batches.Plain(1 + (i % 3), valueBytes: i % 50), leaderEpoch: i / 1000);
            if (i % 500 == 499)
            {
                log.AdvanceLogStartOffset(log.LogEndOffset / 2);
                log.DeleteFilesDue();
            }
        }
        await written.CancelAsync();
        await Task.WhenAll(readers);
        await flusher;
        Assert.Equal(log.LogEndOffset, log.Flush());
        Assert.All(readers, reader => Assert.NotEqual(0, reader.Result));
        Assert.Empty(fixture.Failures);
    }

    /// <returns>Batches read.</returns>
    private static int ReadUntil(Log log, Random random, CancellationToken written)
    {
        var count = 0;
        var offset = 0L;
        while (true)
        {
            var last = written.IsCancellationRequested;
            var limit = random.Next(2) == 0 ? long.MaxValue : Math.Max(offset, log.LogEndOffset - random.Next(5));
            using var slice = log.Read(offset, limit, random.Next(2000), atLeastOneBatch: true, out var info);
            if (info.Error == ErrorCode.OffsetOutOfRange)
            {
                // Only because the log's start has passed by.
                Assert.True(offset < info.LogStartOffset);
                offset = info.LogStartOffset;
                continue;
            }
            if (slice is null)
            {
                if (last && offset >= Math.Min(limit, info.LogEndOffset)) return count;
                continue;
            }
            var bytes = slice.ToArray();
            Assert.Equal(slice.Length, bytes.Length);
            count += Check(bytes, ref offset, limit);
        }
    }

    private static int Check(byte[] bytes, ref long offset, long limit)
    {
        var count = 0;
        for (var at = 0; bytes.Length - at >= RecordBatchHeader.Size;)
        {
            Assert.Equal(ErrorCode.None, RecordBatchHeader.TryRead(bytes.AsSpan(at), out var header));
            if (header.SizeInBytes > bytes.Length - at) break;
            Assert.True(header.LastOffset >= offset && header.BaseOffset <= offset, $"Wanted {offset}, got {header.BaseOffset}.");
            Assert.True(header.BaseOffset < limit);
            Assert.Equal(header.Crc, RecordBatchHeader.ComputeCrc(bytes.AsSpan(at, header.SizeInBytes)));
            offset = header.NextOffset;
            at += header.SizeInBytes;
            count++;
        }
        Assert.NotEqual(0, count);
        return count;
    }
}
