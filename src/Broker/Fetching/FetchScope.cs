using Milena.Replication;

namespace Milena.Broker.Fetching;

/// <summary>What one fetch looks at, and how it hears that it is worth looking again. Disposed when the fetch is answered.</summary>
internal interface IFetchScope : IDisposable
{
    IReadOnlyCollection<FetchPartitionState> Partitions { get; }

    /// <summary>To be called before each look: what happens from now on wakes the next wait.</summary>
    void Look();

    /// <summary>To be called before the first wait, and before the look that precedes it.</summary>
    void Listen();

    FetchWait News { get; }
}

/// <summary>A consumer's fetch: all partitions that it names, or its session has.</summary>
internal sealed class NamedPartitions(IReadOnlyList<FetchPartitionState> partitions, Func<IReadOnlyList<Replica>> replicas, bool isFollower) : IFetchScope
{
    private IReadOnlyList<Replica> _replicas = [];

    // Most fetches find something at once.
    private FetchWait? _news;

    public IReadOnlyCollection<FetchPartitionState> Partitions => partitions;

    public FetchWait News => _news ??= new FetchWait();

    public void Look() => _news?.Rearm();

    public void Listen()
    {
        _replicas = replicas();
        foreach (var replica in _replicas)
        {
            replica.Waiters.Add(News);
            if (isFollower)
            {
                replica.AppendWaiters.Add(News);
            }
        }
    }

    public void Dispose()
    {
        foreach (var replica in _replicas)
        {
            replica.Waiters.Remove(News);
            if (isFollower)
            {
                replica.AppendWaiters.Remove(News);
            }
        }
    }
}

/// <summary>A follower's fetch in a session: the partitions that it names, and those that had news since its last one, or have while it waits.</summary>
internal sealed class PartitionsWithNews(ReadyPartitions ready) : IFetchScope
{
    // Each once, however often it has news.
    private readonly HashSet<FetchPartitionState> _partitions = [];

    public IReadOnlyCollection<FetchPartitionState> Partitions => _partitions;

    public FetchWait News => ready.News;

    public void Look()
    {
        News.Rearm();
        ready.TakeInto(_partitions);
    }

    public void Listen()
    {
        // The session has been listening all along.
    }

    public void Dispose()
    {
        // Who was served goes last: one that is far behind must not take all there is from those behind it, fetch after fetch.
        foreach (var partition in _partitions.Where(partition => !partition.IsSettled).OrderBy(partition => partition.IsServed))
        {
            ready.Add(partition);
        }
    }
}
