using Milena.Model;
using Milena.Testing;

namespace Milena.Storage.Tests;

/// <summary>Seeded runs of transactions with crashes in between: what the log says about them must follow from the records that it holds.</summary>
public sealed class Transactions_through_crashes
{
    private const int Steps = 120;

    public static TheoryData<int> Seeds() => new(TestProfile.Seeds(usual: 40, nightly: 4_000));

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Aborted_transactions_and_the_first_unstable_offset_follow_from_the_records(int seed)
    {
        var random = new Random(seed);
        var settings = new LogSettings { SegmentBytes = random.Next(400, 1500), IndexIntervalBytes = random.Next(300) };
        var fixture = new LogFixture(settings, seed);
        var epoch = 0;
        var checkpoint = 0L;
        for (var step = 0; step < Steps; step++)
        {
            switch (random.Next(12))
            {
                case < 8:
                    Append(fixture, random, epoch);
                    break;
                case 8:
                    checkpoint = fixture.Log.Flush();
                    break;
                case 9:
                    fixture.Reopen();
                    checkpoint = fixture.Log.RecoveryPoint;
                    break;
                case 10:
                    Truncate(fixture, random);
                    checkpoint = Math.Min(checkpoint, fixture.Log.LogEndOffset);
                    epoch++;
                    break;
                default:
                    fixture.CrashAndReopen(checkpoint);
                    epoch++;
                    break;
            }
            AssertFollowsFromRecords(fixture.Log);
        }
    }

    [Fact]
    public void A_transaction_index_that_kept_what_a_truncation_took_is_rebuilt()
    {
        var fixture = new LogFixture();
        fixture.Append(Batches.Idempotent(1, 0, sequence: 0, transactional: true));
        fixture.Append(Batches.Marker(1, 0, commit: false), origin: AppendOrigin.Coordinator);
        fixture.Log.Flush();
        var index = LogFiles.Path(LogFixture.Folder, 0, LogFiles.TransactionIndexSuffix);
        var kept = fixture.Disk.Content(index);
        Assert.True(fixture.Log.TruncateTo(1));
        fixture.Log.Roll();
        fixture.Append(Batches.Plain(), leaderEpoch: 1);
        fixture.Log.Dispose();
        // The truncation of the records reached the disk, that of the index did not; and all that is left below the recovery point was synced.
        fixture.Disk.SetContent(index, kept);
        fixture.Replace(fixture.Open(cleanShutdown: false, recoveryPoint: 1));
        Assert.Empty(fixture.Log.AbortedTransactions(0, long.MaxValue));
        Assert.Equal((0L, 2L), (fixture.Log.FirstUnstableOffset, fixture.Log.LogEndOffset));
        Assert.Empty(fixture.Disk.Content(index));
    }

    private static void Append(LogFixture fixture, Random random, int leaderEpoch)
    {
        var producer = random.Next(1, 4);
        var open = Open(LogFixture.ReadAll(fixture.Log, maxBytes: 1 << 20));
        var batch = random.Next(4) switch
        {
            0 => Batches.Plain(random.Next(1, 4)),
            1 when open.ContainsKey(producer) => Batches.Marker(producer, 0, commit: random.Next(2) == 0),
            _ => Batches.Idempotent(producer, 0, sequence: 0, records: random.Next(1, 3), transactional: true),
        };
        // As a coordinator, which brings its own order: this is about transactions, not about sequences.
        Assert.Equal(ErrorCode.None, fixture.Append(batch, leaderEpoch, AppendOrigin.Coordinator).Error);
    }

    private static void Truncate(LogFixture fixture, Random random)
    {
        var headers = LogFixture.Headers(LogFixture.ReadAll(fixture.Log, maxBytes: 1 << 20));
        if (headers.Count == 0) return;
        var from = headers[random.Next(headers.Count / 2, headers.Count)];
        Assert.True(fixture.Log.TruncateTo(from.BaseOffset));
    }

    private static void AssertFollowsFromRecords(Log log)
    {
        var bytes = LogFixture.ReadAll(log, maxBytes: 1 << 20);
        log.OnHighWatermark(log.LogEndOffset);
        var open = Open(bytes);
        Assert.Equal(open.Count == 0 ? null : open.Values.Min(), log.FirstUnstableOffset);
        var aborted = Aborted(bytes);
        Assert.Equal(aborted, log.AbortedTransactions(0, long.MaxValue).ToList());
        foreach (var offset in (long[])[0, log.LogEndOffset / 3, log.LogEndOffset / 2])
        {
            var expected = aborted.Where(each => each.LastOffset >= offset && each.FirstOffset < offset + 10).ToHashSet();
            // More than the range needs does no harm; less would show a reader aborted records.
            Assert.Superset(expected, log.AbortedTransactions(offset, offset + 10).ToHashSet());
        }
    }

    private static Dictionary<long, long> Open(byte[] bytes)
    {
        Replay(bytes, out var open);
        return open;
    }

    private static List<AbortedTransaction> Aborted(byte[] bytes) => Replay(bytes, out _);

    private static List<AbortedTransaction> Replay(byte[] bytes, out Dictionary<long, long> open)
    {
        open = [];
        var aborted = new List<AbortedTransaction>();
        for (var at = 0; at < bytes.Length;)
        {
            RecordBatchHeader.TryRead(bytes.AsSpan(at), out var header);
            var batch = bytes.AsSpan(at, header.SizeInBytes);
            at += header.SizeInBytes;
            if (!header.IsTransactional) continue;
            if (!header.IsControl)
            {
                open.TryAdd(header.ProducerId, header.BaseOffset);
            }
            else if (EndTransactionMarker.TryRead(batch, out var marker) && open.Remove(header.ProducerId, out var first)
                && marker.Type == ControlRecordType.Abort)
            {
                var stable = Math.Min(header.BaseOffset + 1, open.Count == 0 ? long.MaxValue : open.Values.Min());
                aborted.Add(new AbortedTransaction(header.ProducerId, first, header.BaseOffset, stable));
            }
        }
        return aborted;
    }
}
