namespace Milena.Network;

/// <summary>The limits of the network, per listener, connection and in all. Kafka's names stand beside those that have one.</summary>
public sealed record NetworkSettings
{
    /// <summary>The largest request, in bytes (<c>socket.request.max.bytes</c>). A larger one closes its connection.</summary>
    public int MaxRequestBytes { get; init; } = 100 * 1024 * 1024;

    /// <summary>Requests of one connection that are in work at once; further ones stay in the socket.</summary>
    public int MaxInFlightRequests { get; init; } = 64;

    /// <summary>Bytes of requests of one connection that are in work at once. One request alone may exceed it.</summary>
    public long MaxInFlightBytesPerConnection { get; init; } = 64 * 1024 * 1024;

    /// <summary>Bytes of requests in work at once in the whole process (<c>queued.max.request.bytes</c>, which Kafka leaves unbounded).</summary>
    public long MaxInFlightBytes { get; init; } = 512 * 1024 * 1024;

    /// <summary>How long a connection may be silent (<c>connections.max.idle.ms</c>).</summary>
    public TimeSpan MaxIdle { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>Pending connections of a listening socket (<c>socket.listen.backlog.size</c>).</summary>
    public int Backlog { get; init; } = 50;
}

/// <summary>The limits on connections, which may change while the listeners run.</summary>
public sealed record ConnectionLimits(int MaxConnections, int MaxConnectionsPerAddress, IReadOnlyDictionary<string, int> Overrides, int MaxNewPerSecond)
{
    public static ConnectionLimits None { get; } = new(int.MaxValue, int.MaxValue, new Dictionary<string, int>(), int.MaxValue);

    public int LimitOf(string address) => Overrides.GetValueOrDefault(address, MaxConnectionsPerAddress);
}
