using Milena.Model;
using Milena.Testing;

namespace Milena.Storage.Tests;

/// <summary>A partition's log on a disk in memory, with a clock and a seed of its own.</summary>
internal sealed class LogFixture : IDiskErrorSink
{
    public static readonly string Folder = Path.GetFullPath("/data/orders-0");

    public LogFixture(LogSettings? settings = null, int seed = 1)
    {
        Settings = settings ?? new LogSettings();
        Random = new Random(seed);
        Environment = new LogEnvironment(Disk, Time, new Random(seed), this);
        Log = Open(cleanShutdown: true);
    }

    public FaultyDisk Disk { get; } = new();
    public ManualTime Time { get; } = new();
    public Random Random { get; }
    public LogEnvironment Environment { get; }
    public LogSettings Settings { get; set; }
    public Log Log { get; private set; }
    public List<(string Directory, Exception Error)> Failures { get; } = [];

    public void DiskFailed(string logDirectory, Exception error) => Failures.Add((logDirectory, error));

    public AppendResult Append(byte[] batch, int leaderEpoch = 0, AppendOrigin origin = AppendOrigin.Client) =>
        Log.Append(batch, leaderEpoch, origin);

    public Log Reopen()
    {
        // What the log directory's checkpoint would say.
        var logStartOffset = Log.LogStartOffset;
        Log.Close();
        return Log = Open(cleanShutdown: true, 0, logStartOffset);
    }

    /// <summary>Power loss, then a start that knows the recovery point of the last checkpoint.</summary>
    public Log CrashAndReopen(long? recoveryPoint = null)
    {
        var point = recoveryPoint ?? Log.RecoveryPoint;
        var logStartOffset = Log.LogStartOffset;
        Log.Dispose();
        Disk.Crash(Random);
        return Log = Open(cleanShutdown: false, point, logStartOffset);
    }

    public void Replace(Log log) => Log = log;

    public Log Open(bool cleanShutdown, long recoveryPoint = 0, long logStartOffset = 0) =>
        Log.Open(Folder, Settings, Environment, new LogRecovery(cleanShutdown, recoveryPoint, logStartOffset));

    /// <summary>Every byte from an offset on, read in pieces as a consumer would.</summary>
    public static byte[] ReadAll(Log log, long from = -1, long? until = null, int maxBytes = 1000)
    {
        var bytes = new List<byte>();
        var offset = from < 0 ? log.LogStartOffset : from;
        while (true)
        {
            using var slice = log.Read(offset, until ?? long.MaxValue, maxBytes, atLeastOneBatch: true, out var info);
            Assert.True(info.Error == ErrorCode.None, $"{info.Error} at {offset}: {info}");
            if (slice is null) return [.. bytes];
            var read = slice.ToArray();
            var at = 0;
            while (RecordBatchHeader.TryRead(read.AsSpan(at), out var header) == ErrorCode.None && header.SizeInBytes <= read.Length - at)
            {
                offset = header.NextOffset;
                at += header.SizeInBytes;
            }
            Assert.True(at > 0, "A slice without a whole batch.");
            bytes.AddRange(read[..at]);
        }
    }

    public static List<RecordBatchHeader> Headers(byte[] bytes)
    {
        var headers = new List<RecordBatchHeader>();
        for (var at = 0; at < bytes.Length; at += headers[^1].SizeInBytes)
        {
            Assert.Equal(ErrorCode.None, RecordBatchHeader.TryRead(bytes.AsSpan(at), out var header));
            headers.Add(header);
        }
        return headers;
    }
}
