using System.Collections.Concurrent;
using Milena.Storage;

namespace Milena.Replication;

/// <summary>Waits for the disk on a thread of its own: an fsync takes as long as the disk likes, and no actor and no pooled thread may wait for it.</summary>
internal sealed class Flusher : IDisposable
{
    private readonly ConcurrentDictionary<Log, bool> _queued = new();
    private readonly WorkThread _thread = new("milena.flush");

    /// <summary>A log that is queued already is flushed once, up to the end that it then has.</summary>
    public void Enqueue(Log log)
    {
        if (_queued.TryAdd(log, true))
        {
            _thread.Enqueue(() => Flush(log));
        }
    }

    /// <summary>Does something that waits for the disk, after what is queued already.</summary>
    /// <returns>Ends as <paramref name="action"/> does.</returns>
    /// <exception cref="InvalidOperationException">The node ends.</exception>
    public Task RunAsync(Action action)
    {
        var task = new Task(action, TaskCreationOptions.RunContinuationsAsynchronously);
        return _thread.Enqueue(task.RunSynchronously) ? task : throw new InvalidOperationException("The node ends: nothing more waits for its disk.");
    }

    /// <summary>Finishes what is queued.</summary>
    public void Dispose() => _thread.Dispose();

    private void Flush(Log log)
    {
        _queued.TryRemove(log, out _);
        try
        {
            log.Flush();
        }
        catch (Exception e) when (e is LogIOException or ObjectDisposedException)
        {
            // The log has told the error sink, which takes the directory offline; one that was closed meanwhile is flushed already.
        }
    }
}
