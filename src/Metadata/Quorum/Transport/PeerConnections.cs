using System.Collections.Concurrent;
using System.Net.Sockets;
using Milena.Protocol;

namespace Milena.Metadata.Quorum;

/// <summary>Connections to one peer. Each carries one request at a time, so that a fetch that waits holds up no vote.</summary>
/// <remarks>A connection that failed is thrown away, with the idle ones beside it; after a failed attempt there is a growing pause.</remarks>
internal sealed class PeerConnections(string host, int port, StreamFactory secure, TimeProvider time) : IDisposable
{
    private const int MaxIdle = 4;
    private const int MaxResponseBytes = 64 << 20;

    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(25);
    private static readonly TimeSpan LongestPause = TimeSpan.FromMilliseconds(400);

    private readonly ConcurrentBag<Stream> _idle = [];
    private readonly Lock _lock = new();
    private TimeSpan _pause = FirstPause;
    private long _notBefore;
    private int _correlation;
    private volatile bool _disposed;

    /// <param name="refused">Called when the peer's machine says that nobody listens.</param>
    public async Task<IResponseMessage?> SendAsync(IRequestMessage request, Action refused, CancellationToken cancel)
    {
        Stream? stream = null;
        try
        {
            stream = _idle.TryTake(out var idle) ? idle : await ConnectAsync(cancel);
            if (stream is null)
            {
                return null;
            }

            var (key, correlation) = (QuorumFrames.KeyOf(request), Interlocked.Increment(ref _correlation));
            await stream.WriteAsync(QuorumFrames.Request(key, correlation, request), cancel);
            if (await QuorumFrames.ReadAsync(stream, MaxResponseBytes, cancel) is { } frame
                && QuorumFrames.TryReadResponse(frame, key, correlation, out var response))
            {
                Keep(stream);
                stream = null;
                return response;
            }

            DropIdle();
            return null;
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionRefused)
        {
            DropIdle();
            refused();
            return null;
        }
        catch (Exception e) when (e is IOException or SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // Lost on the way, which the quorum expects. Others to the same peer are as good as lost.
            DropIdle();
            return null;
        }
        finally
        {
            stream?.Dispose();
        }
    }

    public void Dispose()
    {
        _disposed = true;
        DropIdle();
    }

    private async Task<Stream?> ConnectAsync(CancellationToken cancel)
    {
        lock (_lock)
        {
            if (time.GetTimestamp() < _notBefore)
            {
                return null;
            }
        }

        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(host, port, cancel);
            var stream = await secure(new NetworkStream(socket, ownsSocket: true), isServer: false, host, cancel);
            lock (_lock)
            {
                _pause = FirstPause;
            }

            return stream;
        }
        catch (Exception)
        {
            socket.Dispose();
            lock (_lock)
            {
                _notBefore = time.GetTimestamp() + (long)(_pause.TotalSeconds * time.TimestampFrequency);
                _pause = TimeSpan.FromTicks(Math.Min(_pause.Ticks * 2, LongestPause.Ticks));
            }

            throw;
        }
    }

    private void Keep(Stream stream)
    {
        if (_disposed || _idle.Count >= MaxIdle)
        {
            stream.Dispose();
            return;
        }

        _idle.Add(stream);
        if (_disposed)
        {
            DropIdle();
        }
    }

    private void DropIdle()
    {
        while (_idle.TryTake(out var stream))
        {
            stream.Dispose();
        }
    }
}
