using System.Collections.Concurrent;
using Milena.Model;

namespace Milena.Storage;

/// <remarks>A replica that moves in lies in a folder <c>…-future</c>, which a start finds again, until it takes the place of the one elsewhere.</remarks>
public sealed partial class LogDirectory
{
    private readonly ConcurrentDictionary<TopicPartition, Log> _futures = new();

    /// <summary>The replicas that move in from other directories, each of which its mover alone writes.</summary>
    public IReadOnlyDictionary<TopicPartition, Log> Futures => _futures;

    /// <summary>Creates the log of a replica that moves in, or opens the one that an earlier process began.</summary>
    public Log OpenFuture(TopicPartition topicPartition, Guid topicId, LogSettings settings) => Guarded(() =>
    {
        lock (_opening)
        {
            if (_futures.TryGetValue(topicPartition, out var open)) return open;
            var folder = Path.Combine(FullPath, LogFiles.FutureFolder(topicPartition, _environment.NextUuid()));
            var log = Log.Open(folder, settings, _environment, new LogRecovery(CleanShutdown: true));
            log.WriteTopicId(topicId);
            _environment.Disk.SyncFolder(FullPath);
            return _futures[topicPartition] = log;
        }
    });

    /// <summary>Closes and deletes what has been copied, if anything: the replica does not move in after all.</summary>
    public void DeleteFuture(TopicPartition topicPartition)
    {
        if (!_futures.TryRemove(topicPartition, out var log)) return;
        Guarded(() => _environment.Disk.DeleteFolder(Rename(log, LogFiles.DeletedFolder(topicPartition, _environment.NextUuid()))));
    }

    /// <summary>Makes a replica that has moved in the partition's log here: whole and durable before it bears the partition's name.</summary>
    /// <returns>The same records in another <see cref="Log"/>; the one before is closed.</returns>
    public Log PromoteFuture(TopicPartition topicPartition, LogSettings settings) => Guarded(() =>
    {
        lock (_opening)
        {
            var future = _futures[topicPartition];
            var recovery = new LogRecovery(CleanShutdown: true, future.LogEndOffset, future.LogStartOffset);
            var epoch = future.LeaderEpochs.Latest;
            future.Close();
            var folder = Path.Combine(FullPath, topicPartition.ToString());
            _environment.Disk.MoveFolder(future.Folder, folder);
            _environment.Disk.SyncFolder(FullPath);
            _futures.TryRemove(topicPartition, out _);
            var log = Log.Open(folder, settings, _environment, recovery);
            // One that has written nothing yet is not in the batches from which an opened log has its epochs.
            if (epoch is { } latest) log.AssignLeaderEpoch(latest);
            return _logs[topicPartition] = log;
        }
    });

    private void LoadFuture(string folder, Func<TopicPartition, LogSettings> settings)
    {
        LogFiles.TryParseFolder(Path.GetFileName(folder), out var partition, out _);
        // Nothing vouches for a copy that was under way; one batch after the other is looked at, which is cheaper than to copy them again.
        var log = Log.Open(folder, settings(partition), _environment, new LogRecovery(WasCleanShutdown));
        if (_futures.TryAdd(partition, log)) return;
        _environment.Disk.DeleteFolder(Rename(log, LogFiles.DeletedFolder(partition, _environment.NextUuid())));
    }
}
