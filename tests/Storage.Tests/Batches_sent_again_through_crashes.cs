using Milena.Model;
using Milena.Testing;

namespace Milena.Storage.Tests;

/// <summary>Seeded runs of idempotent producers with restarts, truncations and crashes in between: which batches are known must follow from the records.</summary>
public sealed class Batches_sent_again_through_crashes
{
    private const int Steps = 60;
    private const int Producers = 3;
    private const int Remembered = 5;

    public static TheoryData<int> Seeds() => new(TestProfile.Seeds(usual: 40, nightly: 4_000));

    [Theory]
    [MemberData(nameof(Seeds))]
    public void The_last_five_of_each_producers_epoch_are_known_and_none_before(int seed)
    {
        var random = new Random(seed);
        var fixture = new LogFixture(new LogSettings { SegmentBytes = random.Next(200, 2000), IndexIntervalBytes = random.Next(300) }, seed);
        var (leaderEpoch, checkpoint) = (0, 0L);
        for (var step = 0; step < Steps; step++)
        {
            switch (random.Next(12))
            {
                case < 8:
                    Append(fixture, random, leaderEpoch);
                    break;
                case 8:
                    checkpoint = fixture.Log.Flush();
                    break;
                case 9:
                    fixture.Reopen();
                    checkpoint = fixture.Log.RecoveryPoint;
                    break;
                case 10:
                    fixture.Log.TruncateTo(random.NextInt64(fixture.Log.LogEndOffset + 1));
                    // As a replica does, before anything is appended.
                    checkpoint = fixture.Log.Flush();
                    leaderEpoch++;
                    break;
                default:
                    fixture.CrashAndReopen(checkpoint);
                    leaderEpoch++;
                    break;
            }

            for (var producer = 0; producer < Producers; producer++)
            {
                AssertKnown(fixture.Log, producer, leaderEpoch);
            }
        }
    }

    private static void Append(LogFixture fixture, Random random, int leaderEpoch)
    {
        var producer = random.Next(Producers);
        var last = BatchesOf(fixture.Log, producer).LastOrDefault();
        var (epoch, sequence) = last is not { } before ? ((short)0, 0)
            : random.Next(10) == 0 ? ((short)(before.ProducerEpoch + 1), 0)
            : (before.ProducerEpoch, before.LastSequence + 1);
        var result = fixture.Append(Batches.Idempotent(producer, epoch, sequence, random.Next(1, 4)), leaderEpoch);
        Assert.Equal((ErrorCode.None, false), (result.Error, result.IsDuplicate));
    }

    private static void AssertKnown(Log log, long producer, int leaderEpoch)
    {
        var all = BatchesOf(log, producer);
        if (all.Count == 0)
        {
            return;
        }

        var end = log.LogEndOffset;
        var known = all.FindAll(batch => batch!.Value.ProducerEpoch == all[^1]!.Value.ProducerEpoch);
        foreach (var (index, batch) in known.Index())
        {
            var (epoch, sequence, records) = (batch!.Value.ProducerEpoch, batch.Value.BaseSequence, batch.Value.RecordCount);
            var again = log.Append(Batches.Idempotent(producer, epoch, sequence, records), leaderEpoch);
            if (index < known.Count - Remembered)
            {
                Assert.Equal(ErrorCode.OutOfOrderSequenceNumber, again.Error);
            }
            else
            {
                Assert.Equal((ErrorCode.None, true, batch.Value.BaseOffset), (again.Error, again.IsDuplicate, again.BaseOffset));
            }
        }

        Assert.Equal(end, log.LogEndOffset);
    }

    private static List<RecordBatchHeader?> BatchesOf(Log log, long producer) =>
        [.. LogFixture.Headers(LogFixture.ReadAll(log)).Where(header => header.ProducerId == producer).Select(header => (RecordBatchHeader?)header)];
}
