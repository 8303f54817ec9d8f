using Milena.Model;
using Milena.Testing;

namespace Milena.Storage.Tests;

/// <summary>A directory that the reference broker wrote is copied, opened, read, continued and recovered.</summary>
public sealed class Kafkas_own_log : IDiskErrorSink, IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("milena-log-").FullName;
    private readonly LogEnvironment _environment;

    public Kafkas_own_log()
    {
        _environment = new LogEnvironment(PhysicalDisk.Instance, new ManualTime(1_796_000_000_000), new Random(1), this);
        foreach (var file in Directory.EnumerateFiles(Reference, "*", SearchOption.AllDirectories))
        {
            var target = Path.Combine(_directory, Path.GetRelativePath(Reference, file));
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            File.Copy(file, target);
        }
    }

    private static string Reference => Path.Combine(AppContext.BaseDirectory, "Reference", "log");

    private string Orders => Path.Combine(_directory, "orders-0");

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    void IDiskErrorSink.DiskFailed(string logDirectory, Exception error) => Assert.Fail(error.ToString());

    [Fact]
    public void It_opens_without_repairs_and_reads_from_end_to_end()
    {
        using var log = Open(Orders, cleanShutdown: true);
        Assert.True(log.Recovery.IsClean);
        Assert.Equal((0L, 12144L, 3), (log.LogStartOffset, log.LogEndOffset, log.SegmentCount));
        Assert.Null(log.FirstUnstableOffset);
        Assert.Equal([new EpochStart(0, 0)], log.LeaderEpochs.Starts.ToList());
        Assert.Equal(new Guid("29c44f96-f5e0-4514-8259-bc5e73175c2a"), log.TopicId);
        AssertHoldsTheReference(log);
        Assert.Equal(
            [new AbortedTransaction(1, 12006, 12011, 12012), new AbortedTransaction(1, 12018, 12023, 12024)],
            log.AbortedTransactions(0, 12144).ToList());
    }

    [Fact]
    public void Its_internal_topics_open_too()
    {
        using var offsets = Open(Path.Combine(_directory, "__consumer_offsets-0"), cleanShutdown: true);
        using var transactions = Open(Path.Combine(_directory, "__transaction_state-0"), cleanShutdown: true);
        Assert.Equal((5L, 13L), (offsets.LogEndOffset, transactions.LogEndOffset));
        Assert.True(offsets.Recovery.IsClean && transactions.Recovery.IsClean);
    }

    [Fact]
    public void Every_offset_is_found_through_its_indexes()
    {
        using var log = Open(Orders, cleanShutdown: true);
        foreach (var header in LogFixture.Headers(LogFixture.ReadAll(log, maxBytes: 1 << 20)))
        {
            foreach (var offset in (long[])[header.BaseOffset, header.LastOffset])
            {
                using var slice = log.Read(offset, long.MaxValue, 1, true, out var info);
                Assert.Equal(header.BaseOffset, info.Start.Offset);
            }
        }
    }

    [Fact]
    public void Rebuilt_indexes_transactions_and_snapshots_are_the_ones_it_came_with()
    {
        foreach (var file in Directory.GetFiles(Orders).Where(file => file.EndsWith("index", StringComparison.Ordinal))) File.Delete(file);
        File.Delete(Path.Combine(Orders, LogFiles.LeaderEpochs));
        foreach (var file in Directory.GetFiles(Orders, "*.snapshot")) File.Delete(file);
        using (var log = Open(Orders, cleanShutdown: false))
        {
            Assert.Equal((3, 0L), (log.Recovery.SegmentsChecked, log.Recovery.BytesCut));
            AssertHoldsTheReference(log);
            log.Close();
        }
        foreach (var file in Directory.GetFiles(Path.Combine(Reference, "orders-0")))
        {
            // Snapshots of the past were made when their segments were rolled; only the newest is written again.
            var name = Path.GetFileName(file);
            if (name.EndsWith(".snapshot", StringComparison.Ordinal) && !name.StartsWith("00000000000000012144", StringComparison.Ordinal)) continue;
            Assert.Equal(File.ReadAllBytes(file), File.ReadAllBytes(Path.Combine(Orders, name)));
        }
    }

    [Fact]
    public void Closing_it_untouched_leaves_every_file_as_it_was()
    {
        using (var log = Open(Orders, cleanShutdown: true)) log.Close();
        Assert.Equal(
            Directory.GetFiles(Path.Combine(Reference, "orders-0")).Select(Path.GetFileName).Order(),
            Directory.GetFiles(Orders).Select(Path.GetFileName).Order());
        foreach (var file in Directory.GetFiles(Path.Combine(Reference, "orders-0")))
        {
            Assert.Equal(File.ReadAllBytes(file), File.ReadAllBytes(Path.Combine(Orders, Path.GetFileName(file))));
        }
    }

    [Fact]
    public void It_is_continued_with_its_producers_sequences()
    {
        using (var log = Open(Orders, cleanShutdown: true))
        {
            Assert.Equal(2, log.ProducerCount);
            // Producer 0 ended with sequence 11999 in epoch 0.
            Assert.Equal(ErrorCode.OutOfOrderSequenceNumber, log.Append(Batches.Idempotent(0, 0, 12001), 1).Error);
            Assert.Equal(12144, log.Append(Batches.Idempotent(0, 0, 12000, records: 2), 1).BaseOffset);
            log.Close();
        }
        using var again = Open(Orders, cleanShutdown: true);
        Assert.Equal(12146, again.LogEndOffset);
        Assert.Equal([new EpochStart(0, 0), new EpochStart(1, 12144)], again.LeaderEpochs.Starts.ToList());
        var duplicate = again.Append(Batches.Idempotent(0, 0, 12000, records: 2), 1);
        Assert.Equal((true, 12144L), (duplicate.IsDuplicate, duplicate.BaseOffset));
    }

    private Log Open(string folder, bool cleanShutdown) =>
        Log.Open(folder, new LogSettings { ProducerIdExpirationMs = long.MaxValue }, _environment, new LogRecovery(cleanShutdown));

    private static void AssertHoldsTheReference(Log log)
    {
        var expected = Directory.GetFiles(Path.Combine(Reference, "orders-0"), "*.log").Order(StringComparer.Ordinal).SelectMany(File.ReadAllBytes);
        var actual = LogFixture.ReadAll(log, maxBytes: 1 << 20);
        Assert.Equal(Convert.ToHexString(expected.ToArray()), Convert.ToHexString(actual));
    }
}
