using System.Collections.Concurrent;
using System.Collections.Immutable;
using Microsoft.Extensions.Logging;
using Milena.Model;
using Milena.Storage;

namespace Milena.Replication;

/// <summary>Moves replicas between this broker's log directories (KIP-113), on threads of its own and a piece of each in turn.</summary>
/// <remarks>
/// A copy grows beside the replica in the new directory, which goes on as ever. When it has caught up, the controller is told where the replica
/// will lie; when it has said yes, the replica's actor stands still while the rest is copied and the copy takes the replica's place. A crash
/// leaves one of the two, whole, and the copy is gone on with; or both, which are equal then. A limit holds up the copies, and not the end of a move.
/// </remarks>
internal sealed class ReplicaMoves : IDisposable
{
    private const int PieceBytes = 1 << 20;

    /// <summary>The limit may be raised, or taken away, meanwhile.</summary>
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(1);

    private readonly ReplicaHost _host;
    private readonly ILogger _logger;
    private readonly ConcurrentDictionary<TopicPartition, ReplicaMove> _moves = new();
    private readonly Lock _beginning = new();
    private readonly ImmutableArray<MoveThread> _threads;
    private volatile bool _stopping;

    public ReplicaMoves(ReplicaHost host, ILogger logger)
    {
        (_host, _logger) = (host, logger);
        Quota = new ReplicationQuota(host.Time, host.Settings.MoveQuotaWindows, host.Settings.MoveQuotaWindow);
        var threads = host.Settings.MoveThreads ?? host.LogDirectories.Paths.Count();
        _threads = [.. Enumerable.Range(0, Math.Max(1, threads)).Select(number => new MoveThread(number))];
    }

    /// <summary>Of what is copied (<c>replica.alter.log.dirs.io.max.bytes.per.second</c>).</summary>
    public ReplicationQuota Quota { get; }

    public ReplicaMove? Find(TopicPartition partition) => _moves.GetValueOrDefault(partition);

    /// <summary>Moves a replica there, instead of to where it may be on its way to; where it lies already, it stays.</summary>
    public void Begin(Replica replica, LogDirectory target)
    {
        lock (_beginning)
        {
            var before = Find(replica.TopicPartition);
            if (before is not null)
            {
                if (before.Target == target && before.Replica == replica && !before.IsCancelled)
                {
                    return;
                }

                _ = CancelAsync(replica.TopicPartition);
            }

            if (FolderOf(replica) == target.FullPath)
            {
                return;
            }

            // What is left of a move that is called off goes first: on the same thread.
            var move = new ReplicaMove(replica, target, before?.Thread ?? _threads.MinBy(thread => thread.Moves)!);
            move.Thread.Begins();
            _moves[replica.TopicPartition] = move;
            ReplicationEvents.MoveBegins(_logger, replica.TopicPartition, FolderOf(replica), target.FullPath);
            move.Thread.Enqueue(() => Step(move));
        }
    }

    /// <summary>Goes on with what an earlier process began, if it began anything.</summary>
    public void Resume(Replica replica)
    {
        var move = Find(replica.TopicPartition);
        if ((move is null || (move.Replica != replica && !move.IsCancelled)) && _host.LogDirectories.Receiving(replica.TopicPartition) is { } target)
        {
            Begin(replica, target);
        }
    }

    /// <returns>Completes when nothing is left of it.</returns>
    public Task CancelAsync(TopicPartition partition)
    {
        if (Find(partition) is not { } move)
        {
            return Task.CompletedTask;
        }

        move.Cancel();
        return move.Thread.Enqueue(() => Drop(move)) ? move.Ended : Task.CompletedTask;
    }

    /// <summary>What moves into a directory that has failed stays where it is.</summary>
    public void DirectoryFailed(string path)
    {
        foreach (var move in _moves.Values.Where(move => move.Target.FullPath == path))
        {
            _ = CancelAsync(move.Replica.TopicPartition);
        }
    }

    /// <summary>Puts the copy in the replica's place, while the replica's actor does nothing else.</summary>
    public Task SwapAsync(ReplicaMove move)
    {
        var task = new Task(() => Swap(move), TaskCreationOptions.RunContinuationsAsynchronously);
        return move.Thread.Enqueue(task.RunSynchronously) ? task : Task.CompletedTask;
    }

    /// <summary>Begins nothing more; what is under way on the disk is finished.</summary>
    public void Stop() => _stopping = true;

    public void Dispose()
    {
        Stop();
        foreach (var thread in _threads)
        {
            thread.Dispose();
        }
    }

    private static string FolderOf(Replica replica) => Path.GetDirectoryName(replica.Log.Folder)!;

    private void Step(ReplicaMove move) => Guarded(move, () =>
    {
        if (Quota.Pause is var pause && pause > TimeSpan.Zero)
        {
            _ = StepLaterAsync(move, pause < LongestPause ? pause : LongestPause);
            return;
        }

        var replica = move.Replica;
        var copy = move.Target.OpenFuture(replica.TopicPartition, replica.Id.TopicId, _host.SettingsOf(replica.TopicPartition.Topic));
        var copying = new LogCopy(replica.Log, copy);
        var isMore = copying.Step(PieceBytes);
        Quota.Record(copying.Copied);
        if (isMore)
        {
            if (copy.FlushDue)
            {
                copy.Flush();
            }

            move.Thread.Enqueue(() => Step(move));
            return;
        }

        copy.Flush();
        if (move.IsPromised)
        {
            replica.Actor.Tell(new ReplicaActor.Move(move), Akka.Actor.ActorRefs.NoSender);
            return;
        }

        move.IsPromised = true;
        _ = PromiseAsync(move);
    });

    private async Task StepLaterAsync(ReplicaMove move, TimeSpan pause)
    {
        await Task.Delay(pause, _host.Time).ConfigureAwait(false);
        move.Thread.Enqueue(() => Step(move));
    }

    private async Task PromiseAsync(ReplicaMove move)
    {
        var replica = move.Replica;
        do
        {
            try
            {
                var answer = await _host.Assignments.SubmitAsync(replica.Id, move.Target.Identity.DirectoryId).ConfigureAwait(false);
                if (answer == ErrorCode.None)
                {
                    move.Thread.Enqueue(() => Step(move));
                    return;
                }

                ReplicationEvents.MoveFailed(_logger, replica.TopicPartition, move.Target.FullPath, answer.ToString());
                break;
            }
            catch (OperationCanceledException)
            {
                // Something else was told of the replica: because it has failed, or is not this broker's any more; or by who did not know of the promise yet.
                continue;
            }
        }
        while (!move.IsCancelled && !replica.Leadership.IsOffline && ReferenceEquals(_host.Directory.Find(replica.TopicPartition), replica));

        move.Cancel();
        move.Thread.Enqueue(() => Drop(move));
    }

    private void Swap(ReplicaMove move) => Guarded(move, () =>
    {
        var (replica, partition) = (move.Replica, move.Replica.TopicPartition);
        var source = _host.LogDirectories.Find(FolderOf(replica))!;
        var copying = new LogCopy(replica.Log, move.Target.Futures[partition]);
        copying.Finish(PieceBytes);
        Quota.Record(copying.Copied);
        var log = move.Target.PromoteFuture(partition, _host.SettingsOf(partition.Topic));
        log.OnHighWatermark(replica.HighWatermark);
        replica.Log = log;
        // Where the log starts is to be known in the new directory before the old one forgets it.
        _host.WriteCheckpoints(move.Target);
        _moves.TryRemove(KeyValuePair.Create(partition, move));
        move.End();
        ReplicationEvents.Moved(_logger, partition, source.FullPath, move.Target.FullPath, log.LogEndOffset);
        // A directory that fails just now keeps its own, which is whole, and the one before is not lost with it.
        if (!_host.LogDirectories.IsOffline(move.Target.FullPath) && source.MarkDeleted(partition) is { } folder)
        {
            move.Thread.Enqueue(() => Delete(source, folder));
        }
    });

    /// <summary>After the actor goes on: a large log's files take their time.</summary>
    private void Delete(LogDirectory directory, string folder)
    {
        try
        {
            directory.DeleteMarked(folder);
        }
        catch (LogIOException e)
        {
            ReplicationEvents.CheckpointFailed(_logger, directory.FullPath, e);
        }
    }

    /// <summary>A disk that fails ends the move, and so does a damaged batch. The replica stays where it is.</summary>
    private void Guarded(ReplicaMove move, Action action)
    {
        if (_stopping || move.IsCancelled)
        {
            return;
        }

        try
        {
            action();
        }
        catch (Exception e) when (e is LogIOException or InvalidDataException or ObjectDisposedException)
        {
            ReplicationEvents.MoveFailed(_logger, move.Replica.TopicPartition, move.Target.FullPath, e.Message);
            move.Cancel();
            Drop(move);
        }
    }

    private void Drop(ReplicaMove move)
    {
        var partition = move.Replica.TopicPartition;
        if (move.Ended.IsCompleted)
        {
            return;
        }

        try
        {
            // Beside a replica whose own disk failed the copy is kept, and gone on with when the disk is well again.
            if (!_host.LogDirectories.IsOffline(FolderOf(move.Replica)))
            {
                move.Target.DeleteFuture(partition);
            }
        }
        catch (LogIOException e)
        {
            ReplicationEvents.MoveFailed(_logger, partition, move.Target.FullPath, e.Message);
        }

        // Only now: as long as there is a copy, nobody may take it for one to go on with.
        _moves.TryRemove(KeyValuePair.Create(partition, move));
        move.End();
        _host.TellDirectory(move.Replica);
    }
}
