using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Milena.Network;

/// <summary>One named listener: binds its address, takes connections within the limits, and runs each until it ends.</summary>
/// <remarks>
/// It stands on Kestrel's socket transport without the rest of the web server: that starts faster and needs no service container, and
/// a connection is the same <see cref="ConnectionContext"/>.
/// </remarks>
public sealed class KafkaListener : IAsyncDisposable
{
    private static readonly TimeSpan IdleCheckInterval = TimeSpan.FromSeconds(1);

    private readonly string _name;
    private readonly IRequestDispatcher _dispatcher;
    private readonly NetworkSettings _settings;
    private readonly ConnectionQuota _quota;
    private readonly ByteBudget _budget;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly IConnectionListener _listener;
    private readonly ConcurrentDictionary<string, (KafkaConnection Connection, Task Running)> _connections = new();
    private readonly CancellationTokenSource _stopping = new();
    private readonly ITimer _idleCheck;
    private Task _accepting = Task.CompletedTask;

    private KafkaListener(
        string name,
        IConnectionListener listener,
        IRequestDispatcher dispatcher,
        NetworkSettings settings,
        ConnectionQuota quota,
        ByteBudget budget,
        TimeProvider time,
        ILogger log)
    {
        (_name, _listener, _dispatcher, _settings) = (name, listener, dispatcher, settings);
        (_quota, _budget, _time, _log) = (quota, budget, time, log);
        _idleCheck = time.CreateTimer(_ => CloseIdle(), null, IdleCheckInterval, IdleCheckInterval);
    }

    /// <summary>The address that is bound, with the port that was chosen where port 0 was asked for.</summary>
    public IPEndPoint EndPoint => (IPEndPoint)_listener.EndPoint;

    /// <exception cref="AddressInUseException">Another program, or another node, listens there already.</exception>
    public static async Task<KafkaListener> BindAsync(
        string name,
        IPEndPoint endPoint,
        IRequestDispatcher dispatcher,
        NetworkSettings settings,
        ConnectionQuota quota,
        ByteBudget budget,
        TimeProvider time,
        ILoggerFactory logs)
    {
        var options = new SocketTransportOptions
        {
            Backlog = settings.Backlog,
            IOQueueCount = Math.Min(Environment.ProcessorCount, 16),
            MaxReadBufferSize = 1024 * 1024,
            MaxWriteBufferSize = 1024 * 1024,
        };
        var factory = new SocketTransportFactory(Options.Create(options), logs);
        var listener = await factory.BindAsync(endPoint);
        return new KafkaListener(name, listener, dispatcher, settings, quota, budget, time, logs.CreateLogger("Milena.Network"));
    }

    /// <summary>Begins to take connections. Those that came since the address was bound wait in the system's queue, and are not told half a truth.</summary>
    public void Open() => _accepting = AcceptAsync();

    /// <summary>Stops taking connections, closes those there are, and returns when the last request is done with.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _idleCheck.DisposeAsync();
        await _listener.UnbindAsync();
        await _accepting;
        foreach (var (connection, _) in _connections.Values)
        {
            connection.Abort("the node is shutting down");
        }

        await Task.WhenAll(_connections.Values.Select(one => one.Running));
        await _listener.DisposeAsync();
        _stopping.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (await _listener.AcceptAsync(_stopping.Token) is { } transport)
            {
                Start(transport);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException or SocketException && _stopping.IsCancellationRequested)
        {
            return;
        }
    }

    private void Start(ConnectionContext transport)
    {
        var remote = (transport.RemoteEndPoint as IPEndPoint)?.Address is { } address
            ? (address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address).ToString()
            : "unknown";
        if (_quota.TryEnter(remote) is { } refusal)
        {
            NetworkLog.Refused(_log, _name, remote, refusal);
            transport.Abort(new ConnectionAbortedException(refusal));
            _ = transport.DisposeAsync().AsTask();
            return;
        }

        var client = new ClientConnection(transport.ConnectionId, _name, remote, transport.ConnectionClosed);
        var connection = new KafkaConnection(transport, client, _dispatcher, _settings, _budget, _time, _log);
        var started = new TaskCompletionSource();
        var running = RunAsync(transport, connection, remote, started.Task);
        _connections[transport.ConnectionId] = (connection, running);
        started.SetResult();
    }

    private async Task RunAsync(ConnectionContext transport, KafkaConnection connection, string remote, Task registered)
    {
        await registered;
        try
        {
            await Task.Yield();
            await connection.RunAsync();
        }
        catch (Exception e)
        {
            // A bug of ours: it costs this connection, is told, and disturbs no other.
            NetworkLog.ConnectionFailed(_log, e, transport.ConnectionId, remote);
        }
        finally
        {
            _connections.TryRemove(transport.ConnectionId, out _);
            _quota.Leave(remote);
            await transport.DisposeAsync();
        }
    }

    private void CloseIdle()
    {
        foreach (var (connection, _) in _connections.Values)
        {
            if (connection.Idle > _settings.MaxIdle)
            {
                connection.Abort($"silent for longer than {_settings.MaxIdle}");
            }
        }
    }
}
