using Microsoft.Extensions.Logging;
using Milena.Metadata.Image;

namespace Milena.Replication;

/// <summary>What fetchers need of their broker.</summary>
/// <param name="Broker">The committed registration of a broker.</param>
internal sealed record FetcherContext(
    int BrokerId, ReplicationSettings Settings, ILeaderConnector Connector, Func<int, BrokerRegistration?> Broker, ReplicationThrottle Throttle, TimeProvider Time, ILogger Logger);

/// <summary>The fetchers of this broker, one for each leader that it follows, and which replica is in whose hands.</summary>
/// <remarks>Safe for several threads. Replica actors enter and leave; they never wait for a fetcher.</remarks>
internal sealed class ReplicaFetchers(FetcherContext context) : IDisposable
{
    private readonly Lock _gate = new();
    private readonly Dictionary<int, ReplicaFetcher> _byLeader = [];
    private readonly Dictionary<Replica, ReplicaFetcher> _following = [];
    private bool _disposed;

    /// <summary>The replica follows that leader from a position; whatever it followed before, it does no longer.</summary>
    /// <param name="isInSync">As the metadata says.</param>
    public void Follow(Replica replica, int leader, FetchPosition position, bool isInSync)
    {
        lock (_gate)
        {
            Remove(replica);
            if (_disposed)
            {
                return;
            }

            if (!_byLeader.TryGetValue(leader, out var fetcher))
            {
                _byLeader.Add(leader, fetcher = new ReplicaFetcher(leader, context));
            }

            _following.Add(replica, fetcher);
            fetcher.Add(replica, position, isInSync);
        }
    }

    public void Unfollow(Replica replica)
    {
        lock (_gate)
        {
            Remove(replica);
        }
    }

    /// <summary>The throttle of what is fetched has other limits, or is for other replicas.</summary>
    public void ThrottleChanged()
    {
        lock (_gate)
        {
            foreach (var fetcher in _byLeader.Values)
            {
                fetcher.ThrottleChanged();
            }
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _disposed = true;
            foreach (var fetcher in _byLeader.Values)
            {
                fetcher.Stop();
            }

            _byLeader.Clear();
            _following.Clear();
        }
    }

    private void Remove(Replica replica)
    {
        if (!_following.Remove(replica, out var fetcher) || !fetcher.Remove(replica))
        {
            return;
        }

        // Nothing is left to fetch from that leader.
        fetcher.Stop();
        _byLeader.Remove(fetcher.Leader);
    }
}
