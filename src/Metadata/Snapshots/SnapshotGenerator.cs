using Microsoft.Extensions.Logging;
using Milena.Metadata.Image;
using Milena.Metadata.Log;

namespace Milena.Metadata.Snapshots;

/// <summary>Writes this node's committed image down when a snapshot is due, on a thread that nobody waits for: the image does not change meanwhile.</summary>
/// <remarks>
/// One snapshot at a time. A disk that refuses one is logged and asked again later: the log still holds everything, and its own next write
/// decides whether the disk is lost.
/// </remarks>
public sealed class SnapshotGenerator : IAsyncDisposable
{
    private static readonly TimeSpan CheckInterval = TimeSpan.FromSeconds(30);

    private readonly IMetadataLog _log;
    private readonly Func<MetadataImage> _current;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly SnapshotSchedule _schedule;
    private readonly ITimer _timer;
    private readonly Lock _lock = new();
    private Task _writing = Task.CompletedTask;
    private bool _stopped;

    /// <param name="current">The image of what is committed; asked for on any thread.</param>
    public SnapshotGenerator(IMetadataLog log, Func<MetadataImage> current, MetadataLogSettings settings, TimeProvider time, ILogger logger)
    {
        (_log, _current, _time, _logger) = (log, current, time, logger);
        _schedule = new SnapshotSchedule(settings.MaxBytesBetweenSnapshots, settings.MaxSnapshotInterval, time.GetUtcNow());
        _timer = time.CreateTimer(_ => Check(), null, CheckInterval, CheckInterval);
    }

    /// <summary>Something was committed, or time has passed. Returns at once: the metadata log's thread calls it.</summary>
    public void Check()
    {
        lock (_lock)
        {
            if (!_stopped && _writing.IsCompleted && _schedule.IsDue(_time.GetUtcNow(), _log.BytesSinceSnapshot))
            {
                _writing = Task.Factory.StartNew(Write, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
            }
        }
    }

    /// <summary>Completes when the snapshot that is being written now, if one is, has ended well or badly.</summary>
    public Task WhenIdleAsync()
    {
        lock (_lock)
        {
            return _writing;
        }
    }

    /// <summary>Waits for the snapshot that is being written; none is begun afterwards.</summary>
    public async ValueTask DisposeAsync()
    {
        await _timer.DisposeAsync();
        lock (_lock)
        {
            _stopped = true;
        }

        await WhenIdleAsync();
    }

    private void Write()
    {
        var image = _current();
        try
        {
            _log.WriteSnapshot(image);
            lock (_lock)
            {
                _schedule.Written(_time.GetUtcNow());
            }
        }
        catch (Exception e)
        {
            // Mostly a disk that is full. A bug ends here too, where it does no harm: a node can live without snapshots.
            MetadataEvents.SnapshotFailed(_logger, image.Offset + 1, SnapshotSchedule.RetryAfter, e);
            lock (_lock)
            {
                _schedule.Failed(_time.GetUtcNow());
            }
        }
    }
}
