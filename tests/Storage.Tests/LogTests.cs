using Milena.Model;

namespace Milena.Storage.Tests;

public sealed class LogTests : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("milena-log-").FullName;

    private string Folder => Path.Combine(_root, "orders-0");

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Fact]
    public void What_is_appended_is_read_back_byte_for_byte_across_segments()
    {
        using var log = Open(new LogSettings { SegmentBytes = 4096, IndexIntervalBytes = 256 });
        var written = Fill(log, batches: 200);
        Assert.True(Directory.GetFiles(Folder, "*.log").Length > 5);
        Assert.Equal(written, ReadAll(log, 0));
    }

    [Fact]
    public void Every_offset_finds_the_batch_that_holds_it()
    {
        using var log = Open(new LogSettings { SegmentBytes = 4096, IndexIntervalBytes = 100 });
        Fill(log, batches: 100);
        for (var offset = 0L; offset < log.LogEndOffset; offset++)
        {
            Assert.Equal(ErrorCode.None, log.Read(offset, log.LogEndOffset, 1, atLeastOneBatch: true, out var slice));
            using (slice)
            {
                var bytes = new byte[slice!.Length];
                slice.Read(0, bytes);
                Assert.True(RecordBatchHeader.TryRead(bytes, out var header));
                Assert.InRange(offset, header.BaseOffset, header.LastOffset);
            }
        }
    }

    [Fact]
    public void A_log_closed_cleanly_goes_on_where_it_ended()
    {
        List<byte[]> written;
        using (var log = Open(new LogSettings { SegmentBytes = 4096 }))
        {
            written = Fill(log, batches: 50);
        }

        using var again = Log.Open(Folder, new LogSettings { SegmentBytes = 4096 }, TimeProvider.System, recoverFrom: long.MaxValue);
        Assert.Equal(0, again.TruncatedBytes);
        Assert.Equal(written, ReadAll(again, 0));
        Assert.Equal(50, again.Append(Batch(1), 3).BaseOffset);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(30)]
    [InlineData(61)]
    [InlineData(100)]
    public void A_torn_tail_is_cut_at_the_last_whole_batch_and_reported(int lost)
    {
        List<byte[]> written;
        using (var log = Open(new LogSettings()))
        {
            written = Fill(log, batches: 20);
        }

        var file = Directory.GetFiles(Folder, "*.log").Single();
        using (var torn = File.OpenWrite(file))
        {
            torn.SetLength(torn.Length - lost);
        }

        using var recovered = Log.Open(Folder, new LogSettings(), TimeProvider.System);
        Assert.True(recovered.TruncatedBytes > 0);
        Assert.Equal(written[..^1], ReadAll(recovered, 0));
    }

    [Fact]
    public void A_corrupt_batch_ends_the_log_after_a_crash()
    {
        List<byte[]> written;
        using (var log = Open(new LogSettings()))
        {
            written = Fill(log, batches: 20);
        }

        var file = Directory.GetFiles(Folder, "*.log").Single();
        var bytes = File.ReadAllBytes(file);
        var broken = written[..10].Sum(batch => batch.Length) + 70;
        bytes[broken] ^= 0x40;
        File.WriteAllBytes(file, bytes);

        using var recovered = Log.Open(Folder, new LogSettings(), TimeProvider.System);
        Assert.Equal(written[..10], ReadAll(recovered, 0));
    }

    [Fact]
    public void Indexes_that_are_missing_are_rebuilt()
    {
        using (var log = Open(new LogSettings { SegmentBytes = 4096, IndexIntervalBytes = 100 }))
        {
            Fill(log, batches: 60);
        }

        foreach (var index in Directory.GetFiles(Folder, "*index"))
        {
            File.Delete(index);
        }

        using var again = Log.Open(Folder, new LogSettings { SegmentBytes = 4096, IndexIntervalBytes = 100 }, TimeProvider.System, long.MaxValue);
        Assert.Equal(60, ReadAll(again, 0).Count);
    }

    [Fact]
    public void A_repeated_batch_of_an_idempotent_producer_is_written_once()
    {
        using var log = Open(new LogSettings());
        var first = log.Append(Sequenced(0), 0);
        var second = log.Append(Sequenced(1), 0);
        Assert.Equal(first, log.Append(Sequenced(0), 0));
        Assert.Equal(second, log.Append(Sequenced(1), 0));
        Assert.Equal(2, log.LogEndOffset);
    }

    [Fact]
    public void A_gap_in_a_producers_sequence_is_out_of_order()
    {
        using var log = Open(new LogSettings());
        log.Append(Sequenced(0), 0);
        Assert.Equal(ErrorCode.OutOfOrderSequenceNumber, log.Append(Sequenced(2), 0).Error);
        Assert.Equal(1, log.LogEndOffset);
    }

    [Fact]
    public void An_older_epoch_of_a_producer_is_fenced()
    {
        using var log = Open(new LogSettings());
        log.Append(Sequenced(0, epoch: 5), 0);
        Assert.Equal(ErrorCode.InvalidProducerEpoch, log.Append(Sequenced(1, epoch: 4), 0).Error);
        Assert.Equal(1, log.LogEndOffset);
    }

    [Fact]
    public void The_first_record_at_or_after_a_time_is_found()
    {
        using var log = Open(new LogSettings { SegmentBytes = 2048, IndexIntervalBytes = 100 });
        Fill(log, batches: 40);
        Assert.Equal((0L, 1000L), log.FindByTimestamp(5));
        Assert.Equal((37L, 1037L), log.FindByTimestamp(1037));
        Assert.Null(log.FindByTimestamp(5000));
        Assert.Equal(log.LogEndOffset - 1, log.FindMaxTimestamp()!.Value.Offset);
    }

    [Fact]
    public void Retention_drops_old_segments_but_a_reader_keeps_what_it_holds()
    {
        using var log = Open(new LogSettings { SegmentBytes = 2048, RetentionBytes = 4096, RetentionMs = -1 });
        Fill(log, batches: 100);
        Assert.Equal(ErrorCode.None, log.Read(0, log.LogEndOffset, 1, atLeastOneBatch: true, out var held));
        Assert.True(log.DeleteExpiredSegments(log.LogEndOffset) > 0);
        Assert.True(log.LogStartOffset > 0);
        Assert.Equal(ErrorCode.OffsetOutOfRange, log.Read(0, log.LogEndOffset, 1, atLeastOneBatch: true, out _));
        var bytes = new byte[held!.Length];
        Assert.Equal(bytes.Length, held.Read(0, bytes));
        held.Dispose();
        Assert.False(File.Exists(Path.Combine(Folder, "00000000000000000000.log")));
    }

    [Fact]
    public void A_leader_epoch_ends_where_the_next_begins()
    {
        using var log = Open(new LogSettings());
        log.AssignEpoch(1, 0);
        log.Append(Batch(0), 1);
        log.AssignEpoch(4, log.LogEndOffset);
        log.Append(Batch(1), 4);
        Assert.Equal((1, 1L), log.EndOffsetForEpoch(1));
        Assert.Equal((1, 1L), log.EndOffsetForEpoch(3));
        Assert.Equal((4, 2L), log.EndOffsetForEpoch(4));
        Assert.Equal((-1, -1L), log.EndOffsetForEpoch(5));
    }

    [Fact]
    public void A_directory_in_use_or_of_another_node_is_refused_in_one_line()
    {
        using (LogDirectory.Open(_root, 1, Guid.NewGuid))
        {
            Assert.Contains("in use", Assert.Throws<LogDirectoryException>(() => LogDirectory.Open(_root, 1, Guid.NewGuid)).Message);
        }

        var other = Assert.Throws<LogDirectoryException>(() => LogDirectory.Open(_root, 2, Guid.NewGuid)).Message;
        Assert.Contains("belongs to node 1", other);
        Assert.DoesNotContain('\n', other);
    }

    private Log Open(LogSettings settings) => Log.Open(Folder, settings, TimeProvider.System);

    private static List<byte[]> Fill(Log log, int batches)
    {
        var written = new List<byte[]>();
        for (var index = 0; index < batches; index++)
        {
            var batch = Batch(index);
            Assert.Equal(index, log.Append(batch, 0).BaseOffset);
            written.Add(batch);
        }

        return written;
    }

    private static List<byte[]> ReadAll(Log log, long from) => [.. RecordSearch.Batches(log, from, log.LogEndOffset).Select(batch => batch.ToArray())];

    private static byte[] Batch(int index) => new RecordBatchBuilder().Add(new byte[10], new byte[50], 1000 + index).Build();

    private static byte[] Sequenced(int sequence, short epoch = 0) => new RecordBatchBuilder(producerId: 7, producerEpoch: epoch, baseSequence: sequence).Add(null, new byte[8], 1000).Build();
}
