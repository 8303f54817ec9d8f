using Milena.Protocol;
using Milena.Storage;
using Milena.Testing;

namespace Milena.Network.Tests;

/// <summary>A partition's log in a folder of its own, with records that differ from place to place.</summary>
internal sealed class LogOnDisk : IDiskErrorSink, IDisposable
{
    private readonly ManualTime _time = new();

    public LogOnDisk(int batches, int batchBytes, int segmentBytes, int seed = 1)
    {
        var settings = new LogSettings { SegmentBytes = segmentBytes, FileDeleteDelayMs = 0, RetentionMs = 1 };
        var environment = new LogEnvironment(PhysicalDisk.Instance, _time, new Random(seed), this);
        Log = Log.Open(Folder, settings, environment, new LogRecovery(CleanShutdown: true, 0, 0));
        for (var i = 0; i < batches; i++)
        {
            // The value's bytes are all alike, its length is not: so no two batches have the same bytes at the same place.
            Log.Append(Batches.Plain(records: 1 + (i % 3), valueBytes: (batchBytes + i) / (1 + (i % 3))), leaderEpoch: 0, AppendOrigin.Client);
        }
    }

    public string Folder { get; } = Path.Combine(Directory.CreateTempSubdirectory("milena-wire-").FullName, "orders-0");

    public Log Log { get; }

    public string[] SegmentFiles => [.. Directory.GetFiles(Folder).Where(file => file.Contains(".log", StringComparison.Ordinal)).Order(StringComparer.Ordinal)];

    public LogSlice Read(long offset, int maxBytes = int.MaxValue) => Log.Read(offset, long.MaxValue, maxBytes, atLeastOneBatch: true, out _)!;

    public byte[] BytesOf(long offset, int maxBytes = int.MaxValue)
    {
        using var slice = Read(offset, maxBytes);
        return slice.ToArray();
    }

    /// <summary>All that there is, deleted as old, but for whoever still reads it.</summary>
    public void Expire()
    {
        _time.Advance(TimeSpan.FromDays(1));
        Log.DeleteExpiredSegments(Log.LogEndOffset);
        Log.DeleteFilesDue();
    }

    public void DiskFailed(string logDirectory, Exception error) => Assert.Fail(error.Message);

    public void Dispose()
    {
        Log.Close();
        Directory.Delete(Path.GetDirectoryName(Folder)!, recursive: true);
    }

    public static FetchResponse Answer(params IRecordsSource[] sources) => new()
    {
        Responses =
        [
            new()
            {
                Topic = "orders",
                Partitions = [.. sources.Select((source, index) => new FetchResponse.PartitionData { PartitionIndex = index, Records = new Records(source) })],
            },
        ],
    };
}
