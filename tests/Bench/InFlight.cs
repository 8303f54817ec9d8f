using System.Diagnostics;

namespace Milena.Bench;

/// <summary>Bounds the records that were handed to the client and are not acknowledged.</summary>
/// <remarks>One sender. It is woken when half of the room is free, not for each record, which would cost a switch of threads every time.</remarks>
public sealed class InFlight(int bound) : IDisposable
{
    private readonly ManualResetEventSlim _changed = new();
    private long _count;
    private long _awaited = -1;

    public long Count => Volatile.Read(ref _count);

    /// <summary>Takes room for one record.</summary>
    /// <returns>False when none became free in time.</returns>
    public bool TryEnter(TimeSpan timeout)
    {
        if (Count >= bound && !WaitFor(bound / 2, timeout)) return false;
        Interlocked.Increment(ref _count);
        return true;
    }

    public void Leave()
    {
        if (Interlocked.Decrement(ref _count) <= Volatile.Read(ref _awaited)) _changed.Set();
    }

    /// <summary>Waits until every record is acknowledged.</summary>
    public bool WaitUntilEmpty(TimeSpan timeout) => WaitFor(0, timeout);

    public void Dispose() => _changed.Dispose();

    private bool WaitFor(long count, TimeSpan timeout)
    {
        var start = Stopwatch.GetTimestamp();
        Interlocked.Exchange(ref _awaited, count);
        try
        {
            // Reset before the count is read: what falls after that sets it again. One that was set late for an earlier wait wakes in vain.
            for (_changed.Reset(); Count > count; _changed.Reset())
            {
                var left = timeout - Stopwatch.GetElapsedTime(start);
                if (left <= TimeSpan.Zero || !_changed.Wait(left)) return Count <= count;
            }
            return true;
        }
        finally
        {
            Interlocked.Exchange(ref _awaited, -1);
        }
    }
}
