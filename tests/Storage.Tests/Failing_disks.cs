using Milena.Model;
using Milena.Testing;

namespace Milena.Storage.Tests;

public sealed class Failing_disks
{
    [Fact]
    public void A_full_disk_is_reported_once_and_leaves_the_log_as_it_was_before_the_append()
    {
        var fixture = new LogFixture();
        for (var i = 0; i < 5; i++) fixture.Append(Batches.Plain());
        var before = LogFixture.ReadAll(fixture.Log);
        fixture.Disk.CapacityBytes = fixture.Disk.UsedBytes + 40;
        Assert.Throws<LogIOException>(() => fixture.Append(Batches.Plain()));
        Assert.Throws<LogIOException>(() => fixture.Append(Batches.Plain()));
        Assert.Throws<LogIOException>(() => fixture.Log.Read(0, 10, 10, true, out _));
        var (directory, error) = Assert.Single(fixture.Failures);
        Assert.Equal(Path.GetDirectoryName(LogFixture.Folder), directory);
        Assert.Contains("No space left", error.Message);
        Assert.Equal(before.Length, fixture.Disk.FileLength(LogFiles.Path(LogFixture.Folder, 0, ".log")));

        fixture.Log.Close();
        fixture.Disk.CapacityBytes = long.MaxValue;
        using var log = fixture.Open(cleanShutdown: false);
        Assert.Equal(0, log.Recovery.BytesCut);
        Assert.Equal(before, LogFixture.ReadAll(log));
    }

    [Fact]
    public void A_torn_write_that_cannot_be_taken_back_is_cut_at_the_next_start()
    {
        var fixture = new LogFixture();
        for (var i = 0; i < 5; i++) fixture.Append(Batches.Plain());
        var before = LogFixture.ReadAll(fixture.Log);
        fixture.Disk.CapacityBytes = fixture.Disk.UsedBytes + 40;
        fixture.Disk.Fault = (operation, _) =>
        {
            if (operation == DiskOperation.SetLength) throw new IOException("Input/output error.");
        };
        Assert.Throws<LogIOException>(() => fixture.Append(Batches.Plain()));
        fixture.Log.Close();
        fixture.Disk.Fault = null;
        using var log = fixture.Open(cleanShutdown: false);
        Assert.Equal((40L, 5L), (log.Recovery.BytesCut, log.Recovery.CutAtOffset));
        Assert.Equal(before, LogFixture.ReadAll(log));
    }

    [Theory]
    [InlineData(DiskOperation.Write)]
    [InlineData(DiskOperation.Open)]
    [InlineData(DiskOperation.Move)]
    [InlineData(DiskOperation.Sync)]
    [InlineData(DiskOperation.Read)]
    [InlineData(DiskOperation.SetLength)]
    public void Any_failing_operation_reaches_the_one_place_and_no_raw_exception_escapes(DiskOperation failing)
    {
        var fixture = new LogFixture(new LogSettings { SegmentBytes = 300 });
        for (var i = 0; i < 10; i++) fixture.Append(Batches.Plain());
        fixture.Disk.Fault = (operation, path) =>
        {
            if (operation == failing) throw new IOException($"Input/output error at {path}.");
        };
        var thrown = Record.Exception(() =>
        {
            for (var i = 0; i < 10; i++) fixture.Append(Batches.Plain(), leaderEpoch: i);
            LogFixture.ReadAll(fixture.Log);
            fixture.Log.Flush();
            fixture.Log.TruncateTo(3);
        });
        Assert.IsType<LogIOException>(thrown);
        Assert.Single(fixture.Failures);
        fixture.Log.Close();
    }

    [Fact]
    public void A_disk_that_cannot_even_open_a_log_is_reported_too()
    {
        var fixture = new LogFixture();
        fixture.Log.Close();
        fixture.Disk.Fault = (_, _) => throw new UnauthorizedAccessException("Read-only file system.");
        Assert.Throws<LogIOException>(() => fixture.Open(cleanShutdown: true));
        Assert.Single(fixture.Failures);
    }

    [Fact]
    public void A_rotten_byte_cuts_the_log_before_its_batch_after_a_crash_and_says_so()
    {
        var random = new Random(3);
        for (var round = 0; round < 60; round++)
        {
            var fixture = new LogFixture(new LogSettings { SegmentBytes = 400 });
            for (var i = 0; i < 20; i++) fixture.Append(Batches.Plain());
            fixture.Log.Flush();
            var all = LogFixture.Headers(LogFixture.ReadAll(fixture.Log));
            fixture.Log.Dispose();
            var files = fixture.Disk.AllFiles.Where(file => file.EndsWith(".log", StringComparison.Ordinal)).ToList();
            var file = files[random.Next(files.Count)];
            var position = random.NextInt64(RecordBatchHeader.CrcAt, fixture.Disk.FileLength(file));
            var batch = position / all[0].SizeInBytes;
            if (position % all[0].SizeInBytes < RecordBatchHeader.CrcAt) continue;
            fixture.Disk.CorruptByte(file, position);
            LogFiles.TryParse(file, ".log", out var baseOffset);
            using var log = fixture.Open(cleanShutdown: false, recoveryPoint: 0);
            Assert.Equal(baseOffset + batch, log.LogEndOffset);
            Assert.Equal(baseOffset + batch, log.Recovery.CutAtOffset);
            Assert.Equal(all[..(int)(baseOffset + batch)], LogFixture.Headers(LogFixture.ReadAll(log)));
        }
    }

    [Fact]
    public void Damaged_indexes_epochs_and_snapshots_are_rebuilt()
    {
        var random = new Random(9);
        for (var round = 0; round < 40; round++)
        {
            var fixture = new LogFixture(new LogSettings { SegmentBytes = 500, IndexIntervalBytes = 60 });
            for (var i = 0; i < 20; i++) fixture.Append(Batches.Idempotent(1, 0, i * 2, records: 2), leaderEpoch: i / 6);
            var all = LogFixture.ReadAll(fixture.Log);
            var epochs = fixture.Log.LeaderEpochs.Starts.ToList();
            fixture.Log.Close();
            foreach (var file in fixture.Disk.AllFiles.Where(file => !file.EndsWith(".log", StringComparison.Ordinal)))
            {
                if (random.Next(2) == 0) continue;
                var damaged = new byte[random.Next(40)];
                random.NextBytes(damaged);
                if (random.Next(3) == 0) fixture.Disk.DeleteFile(file);
                else fixture.Disk.SetContent(file, damaged);
            }
            using var log = fixture.Open(cleanShutdown: random.Next(2) == 0);
            Assert.Equal(40, log.LogEndOffset);
            Assert.Equal(all, LogFixture.ReadAll(log));
            Assert.Equal(epochs, log.LeaderEpochs.Starts.ToList());
            Assert.True(log.Append(Batches.Idempotent(1, 0, 38, records: 2), 9).IsDuplicate);
        }
    }
}
