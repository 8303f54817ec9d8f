namespace Milena.Replication;

/// <summary>Who is told when a partition has something new. Called on the thread of the replica's actor, with a lock held: it must be quick.</summary>
public interface IFetchWaiter
{
    void Wake();
}

/// <summary>Those who wait for more records in one partition. Whoever moves the partition's readable end wakes them; nobody polls.</summary>
public sealed class FetchWaiters
{
    private readonly Lock _gate = new();
    private readonly List<IFetchWaiter> _waiting = [];
    private volatile bool _any;

    public void Add(IFetchWaiter wait)
    {
        lock (_gate)
        {
            _waiting.Add(wait);
            _any = true;
        }
    }

    public void Remove(IFetchWaiter wait)
    {
        lock (_gate)
        {
            _waiting.Remove(wait);
            _any = _waiting.Count > 0;
        }
    }

    /// <summary>Wakes all; each looks for itself whether it now has enough. Costs one volatile read when nobody waits.</summary>
    public void Wake()
    {
        if (!_any)
        {
            return;
        }

        lock (_gate)
        {
            foreach (var wait in _waiting)
            {
                wait.Wake();
            }
        }
    }
}

/// <summary>One waiting fetch, registered with each of its partitions. Wakes may come before anybody waits; none is lost.</summary>
public sealed class FetchWait : IFetchWaiter
{
    private TaskCompletionSource _woken = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public void Wake() => Volatile.Read(ref _woken).TrySetResult();

    /// <summary>Completes at the next wake after the last <see cref="Rearm"/>.</summary>
    public Task Woken => Volatile.Read(ref _woken).Task;

    /// <summary>Call before looking at the partitions again, so that what changes while looking wakes the next wait.</summary>
    public void Rearm()
    {
        if (_woken.Task.IsCompleted)
        {
            Volatile.Write(ref _woken, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        }
    }
}
