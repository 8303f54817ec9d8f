namespace Milena.Network;

/// <summary>Counts the connections of all listeners against the limits: in all, per address, and new ones per second.</summary>
public sealed class ConnectionQuota(TimeProvider time)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, int> _byAddress = [];
    private ConnectionLimits _limits = ConnectionLimits.None;
    private int _total;
    private long _second;
    private int _newInSecond;

    public void Change(ConnectionLimits limits) => Volatile.Write(ref _limits, limits);

    public int Total
    {
        get
        {
            lock (_gate)
            {
                return _total;
            }
        }
    }

    /// <returns>Null when the connection may come in (and <see cref="Leave"/> must follow), else why not.</returns>
    public string? TryEnter(string address)
    {
        var limits = Volatile.Read(ref _limits);
        lock (_gate)
        {
            var second = time.GetUtcNow().ToUnixTimeSeconds();
            (_second, _newInSecond) = (second, second == _second ? _newInSecond + 1 : 1);
            var fromAddress = _byAddress.GetValueOrDefault(address);
            if (_newInSecond > limits.MaxNewPerSecond)
            {
                return $"more than {limits.MaxNewPerSecond} new connections in a second (max.connection.creation.rate)";
            }

            if (_total >= limits.MaxConnections)
            {
                return $"there are {_total} connections already (max.connections)";
            }

            if (fromAddress >= limits.LimitOf(address))
            {
                return $"there are {fromAddress} connections from this address already (max.connections.per.ip)";
            }

            _total++;
            _byAddress[address] = fromAddress + 1;
            return null;
        }
    }

    public void Leave(string address)
    {
        lock (_gate)
        {
            _total--;
            if (--_byAddress[address] == 0)
            {
                _byAddress.Remove(address);
            }
        }
    }
}
