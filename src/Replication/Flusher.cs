using System.Collections.Concurrent;
using Milena.Storage;

namespace Milena.Replication;

/// <summary>Flushes logs on a thread of its own: an fsync takes as long as the disk likes, and nothing else may wait for it.</summary>
internal sealed class Flusher : IDisposable
{
    private readonly BlockingCollection<Log> _due = [];
    private readonly ConcurrentDictionary<Log, bool> _queued = new();
    private readonly Thread _thread;

    public Flusher()
    {
        _thread = new Thread(Run) { IsBackground = true, Name = "milena.flush" };
        _thread.Start();
    }

    /// <summary>A log that is queued already is flushed once, up to the end that it then has.</summary>
    public void Enqueue(Log log)
    {
        if (!_due.IsAddingCompleted && _queued.TryAdd(log, true))
        {
            _due.Add(log);
        }
    }

    /// <summary>Finishes what is queued.</summary>
    public void Dispose()
    {
        _due.CompleteAdding();
        _thread.Join();
        _due.Dispose();
    }

    private void Run()
    {
        foreach (var log in _due.GetConsumingEnumerable())
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
}
