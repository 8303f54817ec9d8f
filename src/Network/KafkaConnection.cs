using System.Buffers.Binary;
using System.Net.Sockets;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using Milena.Protocol;

namespace Milena.Network;

/// <summary>
/// One client connection: takes frames off the socket, starts each request in order, and writes the answers in that same order.
/// A request does not wait for the one before it to be answered, only for it to have fixed its place.
/// </summary>
/// <remarks>Anything malformed closes the connection with a logged reason; no other connection notices.</remarks>
internal sealed class KafkaConnection : IDisposable
{
    private const int MinFrameBytes = 8;

    private readonly ClientSocket _socket;
    private readonly ClientConnection _client;
    private readonly IRequestDispatcher _dispatcher;
    private readonly NetworkSettings _settings;
    private readonly ByteBudget _processBudget;
    private readonly ByteBudget _connectionBudget;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly RequestReader _requests;
    private readonly Channel<PendingResponse> _responses;
    private readonly CancellationTokenSource _closed = new();
    private readonly ResponseWriter _writer;
    private long _lastActivity;
    private int _inFlight;

    public KafkaConnection(
        string id,
        string listenerName,
        ClientSocket socket,
        IRequestDispatcher dispatcher,
        NetworkSettings settings,
        ByteBudget processBudget,
        TimeProvider time,
        ILogger log)
    {
        (_socket, _dispatcher, _settings, _processBudget, _time, _log) = (socket, dispatcher, settings, processBudget, time, log);
        _client = new ClientConnection(id, listenerName, socket.RemoteAddress, _closed.Token);
        _connectionBudget = new ByteBudget(settings.MaxInFlightBytesPerConnection);
        _requests = new RequestReader(_socket, NoteActivity);
        _writer = new ResponseWriter(_socket, _client, _log);
        _responses = Channel.CreateBounded<PendingResponse>(new BoundedChannelOptions(settings.MaxInFlightRequests) { SingleReader = true, SingleWriter = true });
        NoteActivity();
    }

    /// <summary>How long nothing was asked and nothing was being answered.</summary>
    public TimeSpan Idle => Volatile.Read(ref _inFlight) > 0 ? TimeSpan.Zero : _time.GetElapsedTime(Interlocked.Read(ref _lastActivity));

    /// <summary>Requests that were started and not answered yet.</summary>
    public int Unanswered => Volatile.Read(ref _inFlight);

    /// <summary>Of the first of them: all behind it wait for its answer.</summary>
    public ApiKey OldestApiKey => _writer.AwaitedApiKey;

    public void Abort(string reason)
    {
        NetworkLog.Closing(_log, _client.Id, _client.RemoteAddress, reason);
        _socket.Shutdown();
    }

    /// <summary>Runs until either side closes; returns when every started request is answered or given up.</summary>
    public async Task RunAsync()
    {
        var writing = _writer.RunAsync(_responses.Reader, Finished);
        try
        {
            if (await ReadRequestsAsync() is { } reason)
            {
                Abort(reason);
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            NetworkLog.Lost(_log, _client.Id, _client.RemoteAddress, e.Message);
        }
        finally
        {
            await _closed.CancelAsync();
            _responses.Writer.TryComplete();
            await writing;
        }
    }

    /// <summary>Closes the socket; to be called once <see cref="RunAsync"/> has returned.</summary>
    public void Dispose()
    {
        _socket.Dispose();
        _closed.Dispose();
    }

    /// <returns>Null when the client closed, or takes no answers any more, else why the connection must be closed.</returns>
    private async Task<string?> ReadRequestsAsync()
    {
        while (await _requests.ReadSizeAsync() is { } size)
        {
            if (size < MinFrameBytes || size > _settings.MaxRequestBytes)
            {
                return $"a request of {size} bytes is outside the limits of {MinFrameBytes} and {_settings.MaxRequestBytes}";
            }

            await ReserveAsync(size);
            var frame = new RequestFrame(size);
            var started = false;
            try
            {
                if (!await _requests.FillAsync(frame))
                {
                    return null;
                }

                started = TryStart(frame, out var pending, out var reason);
                if (!started)
                {
                    return reason;
                }

                Interlocked.Increment(ref _inFlight);
                await _responses.Writer.WriteAsync(pending);
            }
            finally
            {
                if (!started)
                {
                    Return(frame);
                }
            }
        }

        return null;
    }

    private void NoteActivity() => Interlocked.Exchange(ref _lastActivity, _time.GetTimestamp());

    private async ValueTask ReserveAsync(int size)
    {
        await _connectionBudget.AcquireAsync(size);
        await _processBudget.AcquireAsync(size);
    }

    private void Return(RequestFrame frame)
    {
        _connectionBudget.Release(frame.Size);
        _processBudget.Release(frame.Size);
        frame.Dispose();
    }

    private void Finished(PendingResponse response)
    {
        Return(response.Frame);
        Interlocked.Decrement(ref _inFlight);
        NoteActivity();
    }

    private bool TryStart(RequestFrame frame, out PendingResponse pending, out string reason)
    {
        pending = default;
        reason = "";
        var bytes = frame.Bytes.Span;
        var apiKey = BinaryPrimitives.ReadInt16BigEndian(bytes);
        var apiVersion = BinaryPrimitives.ReadInt16BigEndian(bytes[2..]);
        var correlationId = BinaryPrimitives.ReadInt32BigEndian(bytes[4..]);
        if (!_dispatcher.Serves(apiKey, apiVersion))
        {
            if (apiKey != (short)ApiKey.ApiVersions)
            {
                reason = $"API key {apiKey} in version {apiVersion} is not served";
                return false;
            }

            pending = new PendingResponse(frame, new RequestContext(_client, apiKey, 0, correlationId, null), new ValueTask<IResponseMessage?>(_dispatcher.UnsupportedApiVersions()));
            return true;
        }

        if (!RequestDecoder.TryRead(frame.Bytes, apiKey, apiVersion, out var clientId, out var request))
        {
            reason = $"a {ApiCatalog.Find(apiKey)?.Name} request in version {apiVersion} cannot be decoded";
            return false;
        }

        var context = new RequestContext(_client, apiKey, apiVersion, correlationId, clientId);
        pending = new PendingResponse(frame, context, _dispatcher.DispatchAsync(context, request));
        return true;
    }
}

/// <summary>A request that was started, in the order of its connection.</summary>
internal readonly record struct PendingResponse(RequestFrame Frame, RequestContext Context, ValueTask<IResponseMessage?> Response);
