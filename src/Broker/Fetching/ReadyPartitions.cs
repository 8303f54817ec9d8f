using Milena.Replication;

namespace Milena.Broker.Fetching;

/// <summary>The partitions of a follower's session that may have news for it, in the order in which they came to have them.</summary>
/// <remarks>
/// A follower follows thousands of partitions, most of which are quiet, and asks thousands of times a second: what one fetch costs must depend on
/// what happened since the last one, and not on how many partitions there are. Safe for several threads.
/// </remarks>
/// <param name="gathering">How long its fetches wait for more.</param>
public sealed class ReadyPartitions(FetchGathering gathering)
{
    // Whoever holds a replica's waiters takes the first of these; who holds the second takes the waiters', or the first. Nobody takes them the other way round.
    private readonly Lock _gate = new();
    private readonly Lock _watching = new();
    private readonly Queue<FetchPartitionState> _ready = new();
    private bool _ended;

    public FetchGathering Gathering => gathering;

    /// <summary>Woken when a partition has news while nobody looks.</summary>
    public FetchWait News { get; } = new();

    /// <summary>Looked at by the next fetch, and by none that waits.</summary>
    public void Add(FetchPartitionState partition)
    {
        lock (_gate)
        {
            if (partition is { IsReady: false, IsForgotten: false })
            {
                partition.IsReady = true;
                _ready.Enqueue(partition);
            }
        }
    }

    /// <summary>From now on the partition is ready whenever that replica has something new. To be called before it is looked at.</summary>
    public void Watch(FetchPartitionState partition, Replica replica)
    {
        if (ReferenceEquals(partition.Watch?.Replica, replica))
        {
            return;
        }

        lock (_watching)
        {
            if (_ended || partition.IsForgotten)
            {
                return;
            }

            partition.Watch?.Dispose();
            partition.Watch = new PartitionWatch(partition, this, replica);
        }
    }

    /// <summary>The partition is in the session no longer. If it comes back it is another one, and nothing may be answered for what this one asked.</summary>
    public void Forget(FetchPartitionState partition)
    {
        lock (_watching)
        {
            lock (_gate)
            {
                partition.IsForgotten = true;
            }

            partition.Watch?.Dispose();
        }
    }

    /// <summary>The session is over; a fetch in it that is still under way hears of nothing more.</summary>
    public void End(IEnumerable<FetchPartitionState> partitions)
    {
        lock (_watching)
        {
            _ended = true;
            foreach (var partition in partitions)
            {
                partition.Watch?.Dispose();
            }
        }
    }

    /// <summary>Takes all that are ready; what happens in them from now on makes them ready again.</summary>
    public void TakeInto(ICollection<FetchPartitionState> partitions)
    {
        lock (_gate)
        {
            while (_ready.TryDequeue(out var partition))
            {
                partition.IsReady = false;
                if (!partition.IsForgotten)
                {
                    partitions.Add(partition);
                }
            }
        }
    }
}

/// <summary>Makes a partition of a follower's session ready when its replica has something new.</summary>
public sealed class PartitionWatch : IFetchWaiter, IDisposable
{
    private readonly FetchPartitionState _partition;
    private readonly ReadyPartitions _ready;

    public PartitionWatch(FetchPartitionState partition, ReadyPartitions ready, Replica replica)
    {
        (_partition, _ready, Replica) = (partition, ready, replica);
        replica.Waiters.Add(this);
        replica.AppendWaiters.Add(this);
    }

    /// <summary>The one that it hears of. A partition may get another one later.</summary>
    public Replica Replica { get; }

    public void Wake()
    {
        _ready.Add(_partition);
        _ready.News.Wake();
    }

    public void Dispose()
    {
        Replica.Waiters.Remove(this);
        Replica.AppendWaiters.Remove(this);
    }
}
