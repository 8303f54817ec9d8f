using Milena.Metadata.Image;
using Milena.Metadata.Log;
using Milena.Model;
using Milena.Protocol;
using Milena.Storage;
using Milena.Testing;

namespace Milena.Metadata.Tests.Log;

public sealed class Committing
{
    private readonly MetadataLogFixture _fixture = new();

    [Fact]
    public async Task Nothing_is_committed_before_it_was_flushed()
    {
        using var flushing = new SemaphoreSlim(0);
        using var mayFlush = new ManualResetEventSlim();
        _fixture.Start();
        _fixture.Disk.Fault = (operation, path) =>
        {
            if (operation == DiskOperation.Sync && path.EndsWith(".log", StringComparison.Ordinal))
            {
                flushing.Release();
                Assert.True(mayFlush.Wait(TimeSpan.FromSeconds(20)), "Waited for the test to let the disk go on.");
            }
        };
        var offset = _fixture.Append(Images.Broker(1));
        Assert.True(await flushing.WaitAsync(TimeSpan.FromSeconds(20)), "Waited for the first flush.");
        Assert.Equal((offset + 1, -1L), (_fixture.Log.EndOffset, _fixture.Image.Offset));
        mayFlush.Set();
        await _fixture.UntilAsync(() => _fixture.Image.Offset == offset, "the commit after the flush");
        await _fixture.StopAsync();
    }

    [Fact]
    public async Task A_restart_knows_everything_and_leads_in_a_new_epoch()
    {
        _fixture.Start();
        await _fixture.CommitAsync(Images.Broker(1), Images.Broker(2));
        await _fixture.CommitAsync(Images.Topic("orders", Images.Orders), Images.Partition(Images.Orders, 0, 1, 2));
        var (before, epoch) = (_fixture.Image, _fixture.Epoch);
        await _fixture.StopAsync();
        _fixture.Start();
        Assert.Equal(before.Describe(), _fixture.Image.Describe());
        Assert.Equal((before.Offset, before.Epoch), (_fixture.Image.Offset, _fixture.Image.Epoch));
        Assert.Equal(epoch + 1, _fixture.Epoch);
        Assert.Equal(2, _fixture.Snapshots.Count);
        await _fixture.StopAsync();
    }

    [Fact]
    public async Task An_append_in_an_older_epoch_or_after_the_end_is_refused()
    {
        _fixture.Start();
        Assert.Throws<NotControllerException>(() => _fixture.Log.Append(_fixture.Epoch - 1, [Images.Broker(1)]));
        await _fixture.StopAsync();
        Assert.Throws<NotControllerException>(() => _fixture.Append(Images.Broker(1)));
    }

    [Fact]
    public async Task A_crash_after_any_number_of_writes_loses_nothing_that_was_committed_and_invents_nothing()
    {
        for (var seed = 0; seed < 80; seed++)
        {
            var fixture = new MetadataLogFixture();
            var random = new Random(seed);
            var states = new Dictionary<long, string> { [-1] = MetadataImage.Empty.Describe() };
            for (var life = 0; life < 3; life++)
            {
                fixture.Start();
                var latest = fixture.Image;
                Assert.True(states[latest.Offset] == latest.Describe(), $"Seed {seed}, life {life}: offset {latest.Offset} is another image than before.");
                var left = random.Next(1, 40);
                fixture.Disk.Fault = (operation, _) =>
                {
                    if (operation is DiskOperation.Write or DiskOperation.Sync && Interlocked.Decrement(ref left) < 0)
                    {
                        throw new IOException("The machine is gone.");
                    }
                };
                try
                {
                    for (var step = 0; step < 30; step++)
                    {
                        var records = Images.RandomChange(latest, random).ToArray();
                        latest = latest.Apply(records);
                        states[latest.Offset] = latest.Describe();
                        fixture.Append(records);
                    }
                }
                catch (Exception e) when (e is LogIOException or NotControllerException)
                {
                    // The machine died in this append; what it had promised before is looked for after the restart.
                }

                await fixture.CrashAsync(random);
                var promised = fixture.Image.Offset;
                fixture.Start();
                Assert.True(fixture.Image.Offset >= promised, $"Seed {seed}, life {life}: committed {promised}, found {fixture.Image.Offset}.");
                Assert.True(
                    states.GetValueOrDefault(fixture.Image.Offset) == fixture.Image.Describe(),
                    $"Seed {seed}, life {life}: offset {fixture.Image.Offset} is no state that was decided.");
                foreach (var later in states.Keys.Where(offset => offset > fixture.Image.Offset).ToList())
                {
                    states.Remove(later);
                }

                await fixture.StopAsync();
            }
        }
    }

    [Fact]
    public async Task A_torn_tail_is_cut_and_reported()
    {
        _fixture.Start();
        await _fixture.CommitAsync(Images.Broker(1));
        await _fixture.CommitAsync(Images.Broker(2));
        await _fixture.CrashAsync(new Random(1));
        var file = LogFiles.Path(MetadataLogFixture.Folder, 0, ".log");
        _fixture.Disk.SetContent(file, _fixture.Disk.Content(file)[..^3]);
        _fixture.Start();
        Assert.Equal(1L, _fixture.Log.Recovery.CutAtOffset);
        Assert.Equal([1], _fixture.Image.Brokers.Keys);
        await _fixture.CommitAsync(Images.Broker(3));
        Assert.Equal([1, 3], _fixture.Image.Brokers.Keys);
        await _fixture.StopAsync();
    }

    [Theory]
    [InlineData(DiskOperation.Write)]
    [InlineData(DiskOperation.Sync)]
    public async Task A_disk_error_reaches_the_caller_or_the_listener_and_ends_the_leadership(DiskOperation failing)
    {
        _fixture.Start();
        await _fixture.CommitAsync(Images.Broker(1));
        _fixture.Disk.Fault = (operation, _) =>
        {
            if (operation == failing)
            {
                throw new IOException("Input/output error.");
            }
        };
        if (failing == DiskOperation.Write)
        {
            Assert.Throws<LogIOException>(() => _fixture.Append(Images.Broker(2)));
        }
        else
        {
            _fixture.Append(Images.Broker(2));
        }

        await _fixture.UntilAsync(() => _fixture.LostBecause is LogIOException, "the end of the leadership");
        Assert.ThrowsAny<Exception>(() => _fixture.Append(Images.Broker(3)));
        Assert.Single(_fixture.DiskErrors);
        Assert.Equal([1], _fixture.Image.Brokers.Keys);
        await _fixture.Log.DisposeAsync();
    }

    [Fact]
    public async Task A_record_that_cannot_be_applied_ends_the_leadership_too()
    {
        _fixture.Start();
        _fixture.Append(new UnregisterBrokerRecord { BrokerId = 5 });
        await _fixture.UntilAsync(() => _fixture.LostBecause is InvalidDataException, "the end of the leadership");
        Assert.Throws<NotControllerException>(() => _fixture.Append(Images.Broker(3)));
        await _fixture.Log.DisposeAsync();
    }

    [Fact]
    public async Task A_record_of_a_later_version_stops_the_start()
    {
        _fixture.Open();
        await _fixture.Log.DisposeAsync();
        using (var log = Milena.Storage.Log.Open(MetadataLogFixture.Folder, new LogSettings(), _fixture.Environment, new LogRecovery(true)))
        {
            using var builder = new RecordBatchBuilder();
            log.Append(builder.Add(0, null, [1, 120, 0, 0]).Build(), 1);
            log.Close();
        }

        _fixture.DataDirectory.Close();
        Assert.Contains("cannot read", Assert.Throws<InvalidDataException>(() => _fixture.Start()).Message);
    }
}
