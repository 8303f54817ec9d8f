namespace Milena.Replication;

/// <summary>A thread that does what is due for the moves that are given to it, one thing after the other.</summary>
internal sealed class MoveThread(int number) : IDisposable
{
    private readonly WorkThread _thread = new($"milena.move-{number}");
    private int _moves;

    /// <summary>How many moves are its own and have not ended.</summary>
    public int Moves => Volatile.Read(ref _moves);

    public void Begins() => Interlocked.Increment(ref _moves);

    public void Ended() => Interlocked.Decrement(ref _moves);

    /// <returns>False when the node ends: nothing more is done.</returns>
    public bool Enqueue(Action action) => _thread.Enqueue(action);

    /// <summary>Waits until what is due is done.</summary>
    public void Dispose() => _thread.Dispose();
}
