using System.Diagnostics;
using Milena.Metadata.Image;
using Milena.Metadata.Log;
using Milena.Metadata.Snapshots;
using Milena.Metadata.Tests.Log;
using Milena.Protocol;
using Milena.Storage;
using Milena.Testing;
using Xunit.Abstractions;

namespace Milena.Metadata.Tests.Image;

/// <summary>A cluster of 100,000 partitions with three replicas each: what its image costs. The numbers are printed, the bounds are loose.</summary>
public sealed class Large_images(ITestOutputHelper output) : IDiskErrorSink, IDisposable
{
    private const int Topics = 1000;
    private const int PartitionsPerTopic = 100;
    private readonly string _folder = Directory.CreateTempSubdirectory("milena-metadata-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    void IDiskErrorSink.DiskFailed(string logDirectory, Exception error) => Assert.Fail(error.ToString());

    [Fact]
    public async Task It_is_held_replayed_snapshotted_and_changed_at_little_cost()
    {
        var before = GC.GetTotalMemory(forceFullCollection: true);
        await FillAsync();
        var file = Directory.GetFiles(Path.Combine(_folder, "__cluster_metadata-0"), "*" + SnapshotId.Suffix).Single();
        output.WriteLine($"log {LogBytes() / 1e6:F1} MB, snapshot {new FileInfo(file).Length / 1e6:F1} MB");
        await RestartAsync("replay from the snapshot, first");
        await RestartAsync("replay from the snapshot, second");
        File.Delete(file);
        await RestartAsync("replay from the log, first");
        var image = await RestartAsync("replay from the log, second");
        var bytes = GC.GetTotalMemory(forceFullCollection: true) - before;
        output.WriteLine($"image {bytes / 1e6:F1} MB, {bytes / (Topics * PartitionsPerTopic)} bytes a partition");
        Assert.InRange(bytes, 1_000_000, 40_000_000);

        var small = Images.Of([.. Decisions(topics: 10).SelectMany(records => records)]);
        var (inSmall, inLarge) = (TimeOfOneChange(small), TimeOfOneChange(image));
        output.WriteLine($"one change of a partition: {inSmall.TotalMicroseconds:F1} µs among {10 * PartitionsPerTopic}, {inLarge.TotalMicroseconds:F1} µs among {Topics * PartitionsPerTopic}");
        // A hundred times the partitions must not cost anything near a hundred times the work.
        Assert.True(inLarge < inSmall * 10 + TimeSpan.FromMicroseconds(50), $"{inSmall} and {inLarge}");
        GC.KeepAlive(image);
    }

    /// <summary>In a method of its own, so that its image is garbage when the next one is weighed.</summary>
    private async Task FillAsync()
    {
        var listener = new Storing();
        await using var log = Open();
        log.Start(listener);
        long offset = -1;
        foreach (var records in Decisions())
        {
            offset = log.Append(1, records);
        }

        await listener.UntilAsync(offset);
        Assert.True(Measure("write a snapshot", () => log.WriteSnapshot(listener.Image), 5000));
    }

    private static TimeSpan TimeOfOneChange(MetadataImage image)
    {
        const int rounds = 2000;
        var topics = image.TopicsById.Keys.Order().ToArray();
        var began = 0L;
        for (var round = -rounds; round < rounds; round++)
        {
            if (round == 0)
            {
                began = Stopwatch.GetTimestamp();
            }

            var topic = topics[Math.Abs(round) % topics.Length];
            image = image.Apply(new PartitionChangeRecord { TopicId = topic, PartitionId = Math.Abs(round) % PartitionsPerTopic, Leader = 2 });
        }

        return Stopwatch.GetElapsedTime(began) / rounds;
    }

    private static IEnumerable<IMessage[]> Decisions(int topics = Topics)
    {
        yield return [Images.Broker(1), Images.Broker(2), Images.Broker(3)];
        for (var topic = 0; topic < topics; topic++)
        {
            var id = new Guid(topic, 7, 7, new byte[8]);
            yield return
            [
                Images.Topic($"topic-{topic}", id),
                .. Enumerable.Range(0, PartitionsPerTopic).Select(index => Images.Partition(id, index, 1 + (index % 3), 1 + ((index + 1) % 3), 1 + ((index + 2) % 3))),
            ];
        }
    }

    private async Task<MetadataImage> RestartAsync(string what)
    {
        var listener = new Storing();
        await using var log = Open();
        Assert.True(Measure(what, () => log.Start(listener), 10_000));
        Assert.Equal(Topics, listener.Image.TopicsByName.Count);
        return listener.Image;
    }

    private bool Measure(string what, Action action, double maxMs)
    {
        var allocated = GC.GetTotalAllocatedBytes();
        var began = Stopwatch.GetTimestamp();
        action();
        var elapsed = Stopwatch.GetElapsedTime(began);
        output.WriteLine($"{what}: {elapsed.TotalMilliseconds:F0} ms, {(GC.GetTotalAllocatedBytes() - allocated) / 1e6:F0} MB allocated");
        return elapsed.TotalMilliseconds < maxMs;
    }

    private LocalMetadataLog Open()
    {
        var environment = new LogEnvironment(PhysicalDisk.Instance, TimeProvider.System, new Random(1), this);
        Assert.True(LogDirectory.TryOpen(_folder, "cluster", 1, environment, out var directory, out var problem), problem);
        using (directory)
        {
            return LocalMetadataLog.Open(directory!, environment, new MetadataLogSettings());
        }
    }

    private long LogBytes() => Directory.GetFiles(Path.Combine(_folder, "__cluster_metadata-0"), "*.log").Sum(log => new FileInfo(log).Length);

    private sealed class Storing : IMetadataLogListener
    {
        private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

        private readonly MetadataStore _store = new();
        private readonly SemaphoreSlim _heard = new(0);

        public MetadataImage Image => _store.Current;

        public async Task UntilAsync(long offset)
        {
            while (Image.Offset < offset)
            {
                Assert.True(await _heard.WaitAsync(Patience), $"Waited for offset {offset}, at {Image.Offset}.");
            }
        }

        public void Committed(IReadOnlyList<IMessage> records, long lastOffset, int epoch, bool isSnapshot)
        {
            _store.Apply(records, lastOffset, epoch, isSnapshot);
            _heard.Release();
        }

        public void BecameLeader(int epoch) => Assert.True(epoch > 0);

        public void LostLeadership(Exception? cause) => Assert.Fail($"{cause}");
    }
}
