using System.Collections.Concurrent;

namespace Milena.Replication;

/// <summary>A thread of its own for what waits for the disk: does what it is given, one thing after the other.</summary>
/// <remarks>What it is given must not throw.</remarks>
internal sealed class WorkThread : IDisposable
{
    private readonly BlockingCollection<Action> _due = [];
    private readonly Thread _thread;

    public WorkThread(string name)
    {
        _thread = new Thread(Run) { IsBackground = true, Name = name };
        _thread.Start();
    }

    /// <returns>False when the node ends: nothing more is done.</returns>
    public bool Enqueue(Action action)
    {
        try
        {
            _due.Add(action);
            return true;
        }
        catch (InvalidOperationException)
        {
            return false;
        }
    }

    /// <summary>Waits until what is due is done.</summary>
    public void Dispose()
    {
        _due.CompleteAdding();
        _thread.Join();
    }

    private void Run()
    {
        foreach (var action in _due.GetConsumingEnumerable())
        {
            action();
        }
    }
}
