using Milena.Metadata.Image;
using Milena.Metadata.Log;
using Milena.Metadata.Snapshots;
using Milena.Protocol;
using Milena.Storage;
using Milena.Testing;

namespace Milena.Metadata.Tests.Log;

public sealed class Snapshotting
{
    private readonly MetadataLogFixture _fixture = new();

    private SnapshotFolder Snapshots => new(_fixture.Disk, MetadataLogFixture.Folder);

    private string PathOf(int index) => Path.Combine(MetadataLogFixture.Folder, Snapshots.All()[index].FileName);

    [Fact]
    public async Task A_start_loads_the_newest_snapshot_and_replays_only_what_is_above_it()
    {
        var image = await WithTwoSnapshotsAndATailAsync();
        _fixture.Start();
        Assert.Equal([true, false], _fixture.Snapshots);
        AssertIs(image);
        await _fixture.StopAsync();
    }

    [Theory]
    [InlineData(1, new[] { true, false, false, false })]
    [InlineData(2, new[] { false, false, false, false, false })]
    public async Task A_damaged_snapshot_is_set_aside_and_the_one_before_it_or_the_log_is_used(int damaged, bool[] heard)
    {
        var image = await WithTwoSnapshotsAndATailAsync();
        for (var index = 2 - damaged; index < 2; index++)
        {
            _fixture.Disk.CorruptByte(PathOf(index), _fixture.Disk.FileLength(PathOf(index)) / 2);
        }

        _fixture.Start();
        Assert.Equal(heard, _fixture.Snapshots);
        AssertIs(image);
        Assert.Equal(damaged, _fixture.Disk.AllFiles.Count(file => file.EndsWith(SnapshotFolder.DamagedSuffix, StringComparison.Ordinal)));
        await _fixture.StopAsync();
        _fixture.Start();
        AssertIs(image);
        await _fixture.StopAsync();
    }

    [Fact]
    public async Task A_part_left_by_a_crash_is_deleted_at_the_start()
    {
        await WithTwoSnapshotsAndATailAsync();
        var part = Path.Combine(MetadataLogFixture.Folder, new SnapshotId(1000, 1).FileName + SnapshotPart.Suffix);
        _fixture.Disk.SetContent(part, [1, 2, 3]);
        _fixture.Start();
        Assert.False(_fixture.Disk.FileExists(part));
        await _fixture.StopAsync();
    }

    [Fact]
    public async Task A_log_that_lost_its_end_goes_on_from_the_snapshot()
    {
        _fixture.Start();
        await _fixture.CommitAsync(Images.Broker(1));
        await _fixture.CommitAsync(Images.Broker(2));
        _fixture.Log.WriteSnapshot(_fixture.Image);
        var (image, epoch) = (_fixture.Image, _fixture.Epoch);
        await _fixture.CrashAsync(new Random(1));
        _fixture.Disk.CorruptByte(LogFiles.Path(MetadataLogFixture.Folder, 0, ".log"), 80);
        _fixture.Start();
        AssertIs(image);
        Assert.Equal((2L, 2L, epoch + 1), (_fixture.Log.StartOffset, _fixture.Log.EndOffset, _fixture.Epoch));
        await _fixture.CommitAsync(Images.Broker(3));
        await _fixture.StopAsync();
        _fixture.Start();
        Assert.Equal([1, 2, 3], _fixture.Image.Brokers.Keys);
        await _fixture.StopAsync();
    }

    [Fact]
    public async Task A_history_with_a_hole_is_refused_rather_than_half_read()
    {
        _fixture.Settings = new MetadataLogSettings { MaxRetentionBytes = 0 };
        await WithTwoSnapshotsAndATailAsync();
        _fixture.Disk.CorruptByte(PathOf(0), 10);
        Assert.Contains("no intact snapshot", Assert.Throws<InvalidDataException>(() => _fixture.Start()).Message);
        await _fixture.Log.DisposeAsync();
        _fixture.DataDirectory.Dispose();
    }

    [Fact]
    public async Task Retention_by_size_keeps_the_latest_snapshot_and_the_log_above_it()
    {
        _fixture.Settings = new MetadataLogSettings { MaxRetentionBytes = 0 };
        var image = await WithTwoSnapshotsAndATailAsync();
        Assert.Single(Snapshots.All());
        Assert.Equal(4L, Snapshots.All()[0].EndOffset);
        Assert.Equal(
            [LogFiles.Path(MetadataLogFixture.Folder, 4, ".log")],
            _fixture.Disk.AllFiles.Where(file => file.EndsWith(".log", StringComparison.Ordinal)));
        _fixture.Start();
        Assert.Equal([true, false], _fixture.Snapshots);
        AssertIs(image);
        await _fixture.StopAsync();
    }

    [Fact]
    public async Task Retention_by_age_keeps_what_is_young()
    {
        _fixture.Settings = new MetadataLogSettings { MaxRetentionMs = 1000 };
        _fixture.Start();
        await SnapshotAfterAsync(Images.Broker(1));
        _fixture.Time.AdvanceMs(600);
        await SnapshotAfterAsync(Images.Broker(2));
        Assert.Equal((2, 0L), (Snapshots.All().Count, _fixture.Log.StartOffset));
        _fixture.Time.AdvanceMs(600);
        // The first snapshot is now old enough to begin with: the log below it goes, it and the second stay.
        await SnapshotAfterAsync(Images.Broker(3));
        Assert.Equal((3, 1L), (Snapshots.All().Count, _fixture.Log.StartOffset));
        _fixture.Time.AdvanceMs(10_000);
        await SnapshotAfterAsync(Images.Broker(4));
        Assert.Equal([3L, 4L], Snapshots.All().Select(id => id.EndOffset));
        await _fixture.StopAsync();
    }

    [Fact]
    public async Task A_directory_without_snapshots_opens_and_gets_its_first_one()
    {
        _fixture.Start();
        for (var id = 0; id < 20; id++)
        {
            await _fixture.CommitAsync(Images.Broker(id));
        }

        await _fixture.StopAsync();
        _fixture.Start();
        var grown = _fixture.Log.BytesSinceSnapshot;
        Assert.Equal(_fixture.Disk.FileLength(LogFiles.Path(MetadataLogFixture.Folder, 0, ".log")), grown);
        _fixture.Log.WriteSnapshot(_fixture.Image);
        Assert.Equal(0, _fixture.Log.BytesSinceSnapshot);
        await _fixture.CommitAsync(Images.Broker(20));
        Assert.InRange(_fixture.Log.BytesSinceSnapshot, grown / 21, grown / 19);
        await _fixture.StopAsync();
        _fixture.Start();
        Assert.Equal(21, _fixture.Image.Brokers.Count);
        Assert.Equal([true, false], _fixture.Snapshots);
        await _fixture.StopAsync();
    }

    [Fact]
    public async Task The_same_image_is_not_written_twice()
    {
        _fixture.Start();
        _fixture.Log.WriteSnapshot(_fixture.Image);
        Assert.Empty(Snapshots.All());
        await SnapshotAfterAsync(Images.Broker(1));
        _fixture.Log.WriteSnapshot(_fixture.Image);
        Assert.Single(Snapshots.All());
        await _fixture.StopAsync();
    }

    [Fact]
    public async Task Crashes_among_snapshots_and_retention_lose_nothing_that_was_committed()
    {
        for (var seed = 0; seed < 120; seed++)
        {
            var fixture = new MetadataLogFixture { Settings = new MetadataLogSettings { MaxRetentionBytes = seed % 3 == 0 ? 0 : 3000 } };
            var random = new Random(seed);
            for (var life = 0; life < 4; life++)
            {
                fixture.Start();
                var decided = new Dictionary<long, string> { [fixture.Image.Offset] = fixture.Image.Describe() };
                var latest = fixture.Image;
                var left = random.Next(1, 80);
                fixture.Disk.Fault = (_, _) =>
                {
                    if (Interlocked.Decrement(ref left) < 0)
                    {
                        throw new IOException("The machine is gone.");
                    }
                };
                try
                {
                    for (var step = 0; step < 15; step++)
                    {
                        var records = Images.RandomChange(latest, random).ToArray();
                        latest = latest.Apply(records);
                        decided[latest.Offset] = latest.Describe();
                        var offset = fixture.Append(records);
                        await fixture.UntilAsync(() => fixture.Image.Offset >= offset || fixture.LostBecause is not null, "a commit or the end");
                        if (random.Next(3) == 0)
                        {
                            fixture.Log.WriteSnapshot(fixture.Image);
                        }
                    }
                }
                catch (Exception e) when (e is IOException or NotControllerException)
                {
                    // The machine died here; what it had promised before is looked for after the restart.
                }

                var promised = fixture.Image.Offset;
                await fixture.CrashAsync(random);
                fixture.Start();
                Assert.True(fixture.Image.Offset >= promised, $"Seed {seed}, life {life}: committed {promised}, found {fixture.Image.Offset}.");
                Assert.True(
                    decided.GetValueOrDefault(fixture.Image.Offset) == fixture.Image.Describe(),
                    $"Seed {seed}, life {life}: offset {fixture.Image.Offset} is no state that was decided.");
                await fixture.StopAsync();
            }
        }
    }

    /// <summary>Five decisions, a snapshot after the second and the fourth, then a stop.</summary>
    private async Task<MetadataImage> WithTwoSnapshotsAndATailAsync()
    {
        _fixture.Start();
        await _fixture.CommitAsync(Images.Broker(1));
        await SnapshotAfterAsync(Images.Broker(2));
        await _fixture.CommitAsync(Images.Broker(3));
        await SnapshotAfterAsync(Images.Broker(4));
        await _fixture.CommitAsync(Images.Broker(5));
        var image = _fixture.Image;
        await _fixture.StopAsync();
        return image;
    }

    private async Task SnapshotAfterAsync(params IMessage[] records)
    {
        await _fixture.CommitAsync(records);
        _fixture.Log.WriteSnapshot(_fixture.Image);
    }

    private void AssertIs(MetadataImage image)
    {
        Assert.Equal(image.Describe(), _fixture.Image.Describe());
        Assert.Equal((image.Offset, image.Epoch), (_fixture.Image.Offset, _fixture.Image.Epoch));
    }
}
