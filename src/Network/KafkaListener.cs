using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;

namespace Milena.Network;

/// <summary>One named listener: binds its address, takes connections within the limits, and runs each until it ends.</summary>
/// <remarks>
/// It stands on plain sockets. A web server's transport receives into small blocks of its own and sends out of them; here a request is
/// received into the array that it stays in, and records are sent from the file that they lie in.
/// </remarks>
public sealed class KafkaListener : IAsyncDisposable
{
    private static readonly TimeSpan IdleCheckInterval = TimeSpan.FromSeconds(1);

    /// <summary>How long to let connections end when the system has no room for another one.</summary>
    private static readonly TimeSpan AcceptRetryInterval = TimeSpan.FromMilliseconds(200);

    /// <summary>How long the last requests may take when the node stops: their clients are gone by then, and a request that nothing answers must not keep it.</summary>
    private static readonly TimeSpan StopPatience = TimeSpan.FromSeconds(5);

    private readonly string _name;
    private readonly IRequestDispatcher _dispatcher;
    private readonly NetworkSettings _settings;
    private readonly ConnectionQuota _quota;
    private readonly ByteBudget _budget;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly Socket _listener;
    private readonly ConcurrentDictionary<string, (KafkaConnection Connection, Task Running)> _connections = new();
    private readonly CancellationTokenSource _stopping = new();
    private readonly ITimer _idleCheck;
    private long _connectionCount;
    private Task _accepting = Task.CompletedTask;

    private KafkaListener(
        string name,
        Socket listener,
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
    public IPEndPoint EndPoint => (IPEndPoint)_listener.LocalEndPoint!;

    /// <exception cref="SocketException">The address cannot be bound; another program, or another node, may listen there already.</exception>
    public static Task<KafkaListener> BindAsync(
        string name,
        IPEndPoint endPoint,
        IRequestDispatcher dispatcher,
        NetworkSettings settings,
        ConnectionQuota quota,
        ByteBudget budget,
        TimeProvider time,
        ILoggerFactory logs)
    {
        var socket = new Socket(endPoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            if (endPoint.Address.Equals(IPAddress.IPv6Any))
            {
                socket.DualMode = true;
            }

            socket.Bind(endPoint);
            socket.Listen(settings.Backlog);
        }
        catch
        {
            socket.Dispose();
            throw;
        }

        return Task.FromResult(new KafkaListener(name, socket, dispatcher, settings, quota, budget, time, logs.CreateLogger("Milena.Network")));
    }

    /// <summary>Begins to take connections. Those that came since the address was bound wait in the system's queue, and are not told half a truth.</summary>
    public void Open() => _accepting = AcceptAsync();

    /// <summary>Stops taking connections, closes those there are, and returns when the last request is done with; or, after a while, logs which are not.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _idleCheck.DisposeAsync();
        await _accepting;
        _listener.Dispose();
        foreach (var (connection, _) in _connections.Values)
        {
            connection.Abort("the node is shutting down");
        }

        await EndAsync();
        _stopping.Dispose();
    }

    private async Task EndAsync()
    {
        try
        {
            await Task.WhenAll(_connections.Values.Select(one => one.Running)).WaitAsync(StopPatience, _time);
        }
        catch (TimeoutException)
        {
            foreach (var (id, (connection, _)) in _connections)
            {
                NetworkLog.Unanswered(_log, connection.Unanswered, id, StopPatience, connection.OldestApiKey);
            }
        }
    }

    private async Task AcceptAsync()
    {
        while (!_stopping.IsCancellationRequested)
        {
            try
            {
                Start(await _listener.AcceptAsync(_stopping.Token));
            }
            catch (OperationCanceledException)
            {
                return;
            }
            catch (SocketException e) when (e.SocketErrorCode is SocketError.TooManyOpenSockets or SocketError.NoBufferSpaceAvailable)
            {
                NetworkLog.CannotAccept(_log, _name, e.Message);
                await Task.Delay(AcceptRetryInterval, _time, _stopping.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
            catch (SocketException e)
            {
                // The client was gone before its turn came.
                NetworkLog.Lost(_log, _name, "unknown", e.Message);
            }
        }
    }

    private void Start(Socket accepted)
    {
        if (Take(accepted) is not { } socket)
        {
            return;
        }

        var remote = socket.RemoteAddress;
        if (_quota.TryEnter(remote) is { } refusal)
        {
            NetworkLog.Refused(_log, _name, remote, refusal);
            socket.Dispose();
            return;
        }

        var id = $"{_name}-{++_connectionCount}";
        var connection = new KafkaConnection(id, _name, socket, _dispatcher, _settings, _budget, _time, _log);
        var started = new TaskCompletionSource();
        var running = RunAsync(id, connection, remote, started.Task);
        _connections[id] = (connection, running);
        started.SetResult();
    }

    private ClientSocket? Take(Socket accepted)
    {
        try
        {
            return new ClientSocket(accepted);
        }
        catch (SocketException e)
        {
            NetworkLog.Lost(_log, _name, "unknown", e.Message);
            accepted.Dispose();
            return null;
        }
    }

    private async Task RunAsync(string id, KafkaConnection connection, string remote, Task registered)
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
            NetworkLog.ConnectionFailed(_log, e, id, remote);
        }
        finally
        {
            _connections.TryRemove(id, out _);
            _quota.Leave(remote);
            connection.Dispose();
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
