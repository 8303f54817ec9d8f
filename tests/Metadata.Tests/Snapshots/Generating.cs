using Microsoft.Extensions.Logging.Abstractions;
using Milena.Metadata.Image;
using Milena.Metadata.Log;
using Milena.Metadata.Snapshots;
using Milena.Protocol;
using Milena.Testing;

namespace Milena.Metadata.Tests.Snapshots;

public sealed class Generating
{
    private static readonly DateTimeOffset Start = DateTimeOffset.FromUnixTimeMilliseconds(ManualTime.DefaultNowMs);

    [Fact]
    public void A_snapshot_is_due_by_growth_or_by_age_but_never_without_growth()
    {
        var schedule = new SnapshotSchedule(1000, TimeSpan.FromHours(1), Start);
        Assert.False(schedule.IsDue(Start, 999));
        Assert.True(schedule.IsDue(Start, 1000));
        Assert.False(schedule.IsDue(Start.AddMinutes(59), 1));
        Assert.True(schedule.IsDue(Start.AddMinutes(60), 1));
        Assert.False(schedule.IsDue(Start.AddDays(9), 0));
        schedule.Written(Start.AddMinutes(60));
        Assert.False(schedule.IsDue(Start.AddMinutes(119), 1));
        Assert.True(schedule.IsDue(Start.AddMinutes(120), 1));
    }

    [Fact]
    public void An_interval_of_zero_leaves_only_growth()
    {
        var schedule = new SnapshotSchedule(1000, TimeSpan.Zero, Start);
        Assert.False(schedule.IsDue(Start.AddYears(1), 999));
        Assert.True(schedule.IsDue(Start.AddYears(1), 1000));
    }

    [Fact]
    public void A_failure_is_tried_again_after_a_while()
    {
        var schedule = new SnapshotSchedule(1000, TimeSpan.FromHours(1), Start);
        schedule.Failed(Start);
        Assert.False(schedule.IsDue(Start + SnapshotSchedule.RetryAfter - TimeSpan.FromMilliseconds(1), 5000));
        Assert.True(schedule.IsDue(Start + SnapshotSchedule.RetryAfter, 5000));
    }

    [Fact]
    public async Task Growth_makes_one_snapshot_beside_the_log_and_a_failed_one_is_repeated()
    {
        var log = new GrowingLog();
        var time = new ManualTime();
        var image = Images.WithBrokers((1, null));
        var settings = new MetadataLogSettings { MaxBytesBetweenSnapshots = 100 };
        await using var generator = new SnapshotGenerator(log, () => image, settings, time, NullLogger.Instance);
        generator.Check();
        Assert.Equal(0, log.Begun);

        log.BytesSinceSnapshot = 100;
        generator.Check();
        generator.Check();
        Assert.Same(image, await log.NextAsync());
        log.Finish(new IOException("No space left on device."));
        await generator.WhenIdleAsync().WaitAsync(TimeSpan.FromSeconds(20));
        generator.Check();
        Assert.Equal(1, log.Begun);

        time.Advance(SnapshotSchedule.RetryAfter);
        generator.Check();
        Assert.Same(image, await log.NextAsync());
        log.Finish(null);
        await generator.WhenIdleAsync().WaitAsync(TimeSpan.FromSeconds(20));
        Assert.Equal(2, log.Begun);
    }

    private sealed class GrowingLog : IMetadataLog
    {
        private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

        private readonly SemaphoreSlim _begun = new(0);
        private readonly SemaphoreSlim _mayFinish = new(0);
        private MetadataImage? _image;
        private Exception? _failure;

        public long EndOffset => 1;

        public long BytesSinceSnapshot { get; set; }

        public int Begun { get; private set; }

        public void WriteSnapshot(MetadataImage image)
        {
            Begun++;
            _image = image;
            _begun.Release();
            Assert.True(_mayFinish.Wait(Patience), "Waited for the test to let the snapshot end.");
            if (_failure is { } failure)
            {
                throw failure;
            }
        }

        public async Task<MetadataImage> NextAsync()
        {
            Assert.True(await _begun.WaitAsync(Patience), "Waited for a snapshot to begin.");
            return _image!;
        }

        public void Finish(Exception? failure)
        {
            _failure = failure;
            _mayFinish.Release();
        }

        public void Start(IMetadataLogListener listener) => throw new NotSupportedException();

        public long Append(int epoch, IReadOnlyList<IMessage> records) => throw new NotSupportedException();

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
