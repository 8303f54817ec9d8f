using System.Collections.Concurrent;

namespace Milena.Replication;

/// <summary>A thread that does what is due for the moves that are given to it, one thing after the other.</summary>
internal sealed class MoveThread : IDisposable
{
    private readonly BlockingCollection<Action> _due = [];
    private readonly Thread _thread;
    private int _moves;

    public MoveThread(int number)
    {
        _thread = new Thread(Run) { IsBackground = true, Name = $"milena.move-{number}" };
        _thread.Start();
    }

    /// <summary>How many moves are its own and have not ended.</summary>
    public int Moves => Volatile.Read(ref _moves);

    public void Begins() => Interlocked.Increment(ref _moves);

    public void Ended() => Interlocked.Decrement(ref _moves);

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
