using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Metadata.Quorum;

/// <summary>Wraps a connection before the first byte, in TLS for example. Throws an <see cref="IOException"/> when the other side is not accepted.</summary>
public delegate ValueTask<Stream> StreamFactory(Stream stream, bool isServer, string host, CancellationToken cancel);

/// <summary>The quorum's own port: Kafka's frames over plain sockets, a request at a time on each connection.</summary>
/// <remarks>
/// Apart from the listener for clients, which lives in a room that this one must not know, and which a flood of clients may fill: the
/// quorum goes on. A request that cannot be read closes its connection.
/// </remarks>
public sealed class TcpQuorumTransport : IQuorumTransport
{
    /// <summary>Requests are small: the largest names the endpoints of one voter, or the successors of a leader.</summary>
    private const int MaxRequestBytes = 64 << 10;
    private const int MaxConnections = 1024;

    private static readonly TimeSpan IdleTimeout = TimeSpan.FromMinutes(1);

    private static readonly TimeSpan PauseAfterFailure = TimeSpan.FromMilliseconds(20);

    private readonly Socket _listener;
    private readonly StreamFactory _secure;
    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _stopping = new();
    private readonly ConcurrentDictionary<(string Host, int Port), PeerConnections> _peers = new();
    private readonly ConcurrentDictionary<long, Task> _served = new();
    private long _accepted;
    private Task _accepting = Task.CompletedTask;

    private TcpQuorumTransport(Socket listener, StreamFactory secure, TimeProvider time) => (_listener, _secure, _time) = (listener, secure, time);

    public int Port => ((IPEndPoint)_listener.LocalEndPoint!).Port;

    /// <summary>Binds the port, 0 for any that is free; requests are taken from <see cref="Serve"/> on.</summary>
    /// <exception cref="SocketException">The port is taken, or the address is not this machine's.</exception>
    public static TcpQuorumTransport Bind(IPEndPoint address, TimeProvider time, StreamFactory? secure = null)
    {
        var listener = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            listener.Bind(address);
            listener.Listen();
        }
        catch
        {
            listener.Dispose();
            throw;
        }

        return new TcpQuorumTransport(listener, secure ?? ((stream, _, _, _) => ValueTask.FromResult(stream)), time);
    }

    public event Action<QuorumPeer>? Refused;

    public void Serve(QuorumRequestHandler handler) => _accepting = AcceptAsync(handler);

    public async Task<IResponseMessage?> SendAsync(QuorumPeer to, IRequestMessage request, TimeSpan timeout)
    {
        if (_stopping.IsCancellationRequested)
        {
            return null;
        }

        using var cancel = new CancellationTokenSource(timeout, _time);
        var connections = _peers.GetOrAdd((to.Host, to.Port), address => new PeerConnections(address.Host, address.Port, _secure, _time));
        return await connections.SendAsync(request, () => Refused?.Invoke(to), cancel.Token);
    }

    public async ValueTask DisposeAsync()
    {
        if (_stopping.IsCancellationRequested)
        {
            return;
        }

        await _stopping.CancelAsync();
        _listener.Dispose();
        foreach (var peer in _peers.Values)
        {
            peer.Dispose();
        }

        await _accepting;
        await Task.WhenAll(_served.Values);
        _stopping.Dispose();
    }

    private async Task AcceptAsync(QuorumRequestHandler handler)
    {
        while (!_stopping.IsCancellationRequested)
        {
            Socket socket;
            try
            {
                socket = await _listener.AcceptAsync(_stopping.Token);
            }
            catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException)
            {
                return;
            }
            catch (SocketException)
            {
                // The other side gave up before it was accepted, or handles ran out: the next one may fare better.
                await Task.Delay(PauseAfterFailure, _time);
                continue;
            }

            if (_served.Count >= MaxConnections)
            {
                socket.Dispose();
                continue;
            }

            var id = _accepted++;
            var served = ServeAsync(socket, handler);
            _served[id] = served;
            _ = served.ContinueWith(_ => _served.TryRemove(id, out var _), TaskScheduler.Default);
        }
    }

    private async Task ServeAsync(Socket socket, QuorumRequestHandler handler)
    {
        // Off the accepting loop at once: what follows may complete without waiting.
        await Task.Yield();
        socket.NoDelay = true;
        using var idle = CancellationTokenSource.CreateLinkedTokenSource(_stopping.Token);
        try
        {
            await using var plain = new NetworkStream(socket, ownsSocket: true);
            idle.CancelAfter(IdleTimeout);
            await using var stream = await _secure(plain, isServer: true, "", idle.Token);
            while (await QuorumFrames.ReadAsync(stream, MaxRequestBytes, idle.Token) is { } frame && await AnswerAsync(frame, handler) is { } answer)
            {
                idle.CancelAfter(IdleTimeout);
                await stream.WriteAsync(answer, idle.Token);
            }
        }
        catch (Exception e) when (e is IOException or SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // The connection is over; the other side makes a new one when it needs it.
        }
    }

    /// <returns>The frame to send back; null where the connection is to be closed.</returns>
    private async Task<byte[]?> AnswerAsync(byte[] frame, QuorumRequestHandler handler)
    {
        if (QuorumFrames.IsFutureApiVersions(frame, out var asked))
        {
            return QuorumFrames.Response(asked, QuorumApis.Versions(ErrorCode.UnsupportedVersion));
        }

        if (!QuorumFrames.TryReadRequest(frame, out var header, out var request))
        {
            return null;
        }

        var response = await handler(request, _stopping.Token).WaitAsync(_stopping.Token);
        return response is null ? null : QuorumFrames.Response(header, response);
    }
}
