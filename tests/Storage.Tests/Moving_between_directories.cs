using Milena.Model;
using Milena.Testing;

namespace Milena.Storage.Tests;

/// <summary>A partition's log is copied beside itself into another directory, and takes its own place there.</summary>
public sealed class Moving_between_directories : IDiskErrorSink
{
    private const string Cluster = "AAAAAAAAAAAAAAAAAAAAAQ";
    private const int Piece = 600;
    private const int MaxSteps = 400;

    private static readonly TopicPartition Orders = new("orders", 0);
    private static readonly Guid TopicId = new("11111111-0000-0000-0000-000000000001");
    private static readonly LogSettings Settings = new() { SegmentBytes = 700, FileDeleteDelayMs = 0 };

    private readonly FaultyDisk _disk = new();
    private readonly ManualTime _time = new();

    void IDiskErrorSink.DiskFailed(string logDirectory, Exception error)
    {
    }

    [Fact]
    public void A_copy_ends_with_the_same_batches_epochs_start_and_producers()
    {
        using var directory = Open("/data");
        using var other = Open("/data2");
        var source = directory.OpenLog(Orders, Settings);
        for (var epoch = 0; epoch < 4; epoch++)
        {
            Append(source, epoch, 5);
        }

        source.Append(Batches.Idempotent(7, 0, 0), 4);
        source.AssignLeaderEpoch(6);
        source.AdvanceLogStartOffset(7);
        var copy = other.OpenFuture(Orders, TopicId, Settings);
        var steps = 0;
        while (new LogCopy(source, copy).Step(Piece))
        {
            Assert.True(++steps < MaxSteps);
        }

        Assert.InRange(steps, 2, MaxSteps);
        Assert.EndsWith("-future", copy.Folder);
        new LogCopy(source, copy).Finish(Piece);
        AssertEqual(source, copy);
        var moved = other.PromoteFuture(Orders, Settings);
        Assert.Equal(Path.Combine(other.FullPath, "orders-0"), moved.Folder);
        Assert.Equal(TopicId, moved.TopicId);
        AssertEqual(source, moved);
        Assert.Equal(source.ProducerCount, moved.ProducerCount);
        Assert.Empty(other.Futures);
        Assert.True(moved.Append(Batches.Idempotent(7, 0, 0), 6).IsDuplicate);
        Assert.Equal(ErrorCode.None, moved.Append(Batches.Plain(), 6).Error);
    }

    [Fact]
    public void What_the_source_loses_the_copy_loses_too()
    {
        using var directory = Open("/data");
        using var other = Open("/data2");
        var source = directory.OpenLog(Orders, Settings);
        Append(source, 1, 10);
        var copy = other.OpenFuture(Orders, TopicId, Settings);
        Finish(source, copy);
        source.TruncateTo(6);
        Append(source, 2, 2);
        Finish(source, copy);
        source.TruncateTo(3);
        Append(source, 5, 1);
        Finish(source, copy);
        source.TruncateFullyAndStartAt(40);
        Finish(source, copy);
        Append(source, 6, 30);
        source.AdvanceLogStartOffset(65);
        Finish(source, copy);
        source.TruncateTo(2);
        Append(source, 7, 1);
        Finish(source, copy);
    }

    [Fact]
    public void What_was_cut_from_a_copy_does_not_come_back_with_a_crash()
    {
        for (var seed = 0; seed < 40; seed++)
        {
            using var directory = Open($"/data{seed}");
            var other = Open($"/other{seed}");
            var source = directory.OpenLog(Orders, new LogSettings());
            Append(source, 1, 8);
            source.Flush();
            Finish(source, other.OpenFuture(Orders, TopicId, new LogSettings()));
            other.Futures[Orders].Flush();
            source.TruncateTo(6);
            for (var batch = 0; batch < 6; batch++)
            {
                // In writes of their own, of which a crash keeps some.
                Append(source, 2, 1);
                Finish(source, other.Futures[Orders]);
            }

            source.Flush();
            other.Dispose();
            _disk.Crash(new Random(seed));
            using var again = Open($"/other{seed}");
            Assert.True(LogCopy.IsPartOf(again.Futures[Orders], source), $"seed {seed}: {again.Futures[Orders].LogEndOffset}");
            Finish(source, again.Futures[Orders]);
        }
    }

    [Fact]
    public void A_damaged_batch_is_not_copied()
    {
        using var directory = Open("/data");
        using var other = Open("/data2");
        var source = directory.OpenLog(Orders, new LogSettings());
        Append(source, 1, 3);
        _disk.CorruptByte(LogFiles.Path(source.Folder, 0, LogFiles.LogSuffix), 75);
        var copy = other.OpenFuture(Orders, TopicId, Settings);
        Assert.Throws<InvalidDataException>(() => new LogCopy(source, copy).Step(int.MaxValue));
        Assert.Equal(0, copy.LogEndOffset);
        other.DeleteFuture(Orders);
        Assert.DoesNotContain(_disk.AllFiles, file => file.StartsWith(Path.GetFullPath("/data2/orders"), StringComparison.Ordinal));
    }

    [Fact]
    public void A_clean_stop_keeps_the_copy_for_the_next_start()
    {
        var directory = Open("/data");
        var other = Open("/data2");
        var source = directory.OpenLog(Orders, Settings);
        Append(source, 1, 20);
        new LogCopy(source, other.OpenFuture(Orders, TopicId, Settings)).Step(Piece);
        var copied = other.Futures[Orders].LogEndOffset;
        Assert.InRange(copied, 1, 19);
        directory.Close();
        other.Close();
        directory = Open("/data");
        other = Open("/data2");
        Assert.Equal((20, copied), (directory.Logs[Orders].LogEndOffset, other.Futures[Orders].LogEndOffset));
        Assert.Equal(0, other.Futures[Orders].Recovery.SegmentsChecked);
        Assert.Empty(other.Logs);
        Finish(directory.Logs[Orders], other.Futures[Orders]);
    }

    /// <summary>The machine stops at some step of the disk, in the middle of a move or of the appends, truncations and deletions beside it.</summary>
    [Theory]
    [MemberData(nameof(Seeds))]
    public void A_crash_leaves_one_whole_log_and_the_move_goes_on(int seed)
    {
        var random = new Random(seed);
        var flushed = Array.Empty<byte>();
        var start = 0L;
        var epoch = 0;
        for (var life = 0; life < 6; life++)
        {
            _disk.Fault = null;
            using var directory = Open("/data");
            using var other = Open("/data2");
            var (home, away) = Settle(directory, other, random);
            var log = home.Logs.TryGetValue(Orders, out var there) ? there : home.OpenLog(Orders, Settings);
            var bytes = LogFixture.ReadAll(log);
            Assert.True(log.LogStartOffset >= start, $"the log starts at {log.LogStartOffset}, and was moved to {start}");
            Assert.True(bytes.AsSpan().IndexOf(Behind(flushed, log.LogStartOffset)) == 0, $"life {life}: what was flushed is not all there: {Describe(flushed)} of {log.LogStartOffset} to {log.LogEndOffset}, {Describe(bytes)}");
            var left = random.Next(1, 160);
            _disk.Fault = (_, _) =>
            {
                if (--left < 0) throw new IOException("The machine has stopped.");
            };
            try
            {
                // Whoever leads after a crash does so in a new epoch: what it lost must not be taken for what it writes next.
                epoch++;
                Live(log, home, away, random, ref flushed, ref start, ref epoch);
            }
            catch (IOException)
            {
                // It has.
            }

            _disk.Fault = null;
            _disk.Crash(random);
        }
    }

    public static TheoryData<int> Seeds() => [.. TestProfile.Seeds(usual: 150, nightly: 2000)];

    private static void Live(Log log, LogDirectory home, LogDirectory away, Random random, ref byte[] flushed, ref long start, ref int epoch)
    {
        for (var step = 0; step < MaxSteps; step++)
        {
            switch (random.Next(8))
            {
                case 0 when log.LogEndOffset > 0 && random.Next(4) == 0:
                    log.AdvanceLogStartOffset(random.NextInt64(log.LogStartOffset, log.LogEndOffset + 1));
                    home.WriteLogStartOffsets();
                    start = log.LogStartOffset;
                    break;
                case 1:
                    log.Flush();
                    home.WriteRecoveryPoints();
                    flushed = LogFixture.ReadAll(log);
                    break;
                case 2 when new LogCopy(log, away.OpenFuture(Orders, TopicId, Settings)).Lag < 3:
                    new LogCopy(log, away.Futures[Orders]).Finish(Piece);
                    var whole = LogFixture.ReadAll(log);
                    var moved = away.PromoteFuture(Orders, Settings);
                    // Whole and durable, before anything else happens.
                    flushed = whole;
                    away.WriteLogStartOffsets();
                    away.WriteRecoveryPoints();
                    home.DeleteLog(Orders);
                    (log, home, away) = (moved, away, home);
                    break;
                case 3 or 4:
                    new LogCopy(log, away.OpenFuture(Orders, TopicId, Settings)).Step(Piece);
                    break;
                default:
                    epoch += random.Next(6) == 0 ? 1 : 0;
                    Append(log, epoch, 1);
                    break;
            }
        }
    }

    /// <summary>As a start does: the longer of two logs stays, and hands its start on.</summary>
    private static (LogDirectory Home, LogDirectory Away) Settle(LogDirectory directory, LogDirectory other, Random random)
    {
        if (!directory.Logs.TryGetValue(Orders, out var first) || !other.Logs.TryGetValue(Orders, out var second))
        {
            return other.Logs.ContainsKey(Orders) ? (other, directory) : (directory, other);
        }

        // A crash just at the swap: nothing was appended to either since, but the old one may have lost what it had not flushed.
        var isFirst = first.LogEndOffset > second.LogEndOffset || (first.LogEndOffset == second.LogEndOffset && random.Next(2) == 0);
        var (home, away) = isFirst ? (directory, other) : (other, directory);
        Assert.True(LogCopy.IsPartOf(away.Logs[Orders], home.Logs[Orders]), $"{first.LogEndOffset} and {second.LogEndOffset}");
        home.Logs[Orders].AdvanceLogStartOffset(away.Logs[Orders].LogStartOffset);
        home.WriteLogStartOffsets();
        away.DeleteLog(Orders);
        return (home, away);
    }

    /// <summary>The batches that reach to an offset or beyond it.</summary>
    private static byte[] Behind(byte[] batches, long offset)
    {
        var at = 0;
        while (at < batches.Length && RecordBatchHeader.TryRead(batches.AsSpan(at), out var header) == ErrorCode.None && header.NextOffset <= offset)
        {
            at += header.SizeInBytes;
        }

        return batches[at..];
    }

    private static string Describe(byte[] batches) =>
        string.Join(' ', LogFixture.Headers(batches).Select(header => $"{header.BaseOffset}@{header.LeaderEpoch}"));

    private static void Append(Log log, int epoch, int batches)
    {
        for (var batch = 0; batch < batches; batch++)
        {
            Assert.Equal(ErrorCode.None, log.Append(Batches.Plain(), epoch).Error);
        }
    }

    private static void Finish(Log source, Log copy)
    {
        new LogCopy(source, copy).Finish(Piece);
        AssertEqual(source, copy);
    }

    private static void AssertEqual(Log expected, Log actual)
    {
        Assert.Equal((expected.LogStartOffset, expected.LogEndOffset), (actual.LogStartOffset, actual.LogEndOffset));
        Assert.Equal(LogFixture.ReadAll(expected), LogFixture.ReadAll(actual));
        Assert.Equal(expected.LeaderEpochs.Starts.AsEnumerable(), actual.LeaderEpochs.Starts);
    }

    private LogDirectory Open(string path)
    {
        var environment = new LogEnvironment(_disk, _time, new Random(1), this);
        Assert.True(LogDirectory.TryOpen(Path.GetFullPath(path), Cluster, 1, environment, out var directory, out var problem), problem);
        directory!.LoadLogs(_ => Settings, 1);
        return directory;
    }
}
