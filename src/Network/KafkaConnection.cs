using System.Buffers;
using System.Buffers.Binary;
using System.IO.Pipelines;
using System.Threading.Channels;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;
using Milena.Protocol;

namespace Milena.Network;

/// <summary>
/// One client connection: takes frames off the pipe, starts each request in order, and writes the answers in that same order.
/// A request does not wait for the one before it to be answered, only for it to have fixed its place.
/// </summary>
/// <remarks>Anything malformed closes the connection with a logged reason; no other connection notices.</remarks>
internal sealed class KafkaConnection(
    ConnectionContext transport,
    ClientConnection client,
    IRequestDispatcher dispatcher,
    NetworkSettings settings,
    ByteBudget processBudget,
    TimeProvider time,
    ILogger log)
{
    private const int SizeBytes = 4;
    private const int MinFrameBytes = 8;

    private readonly ByteBudget _connectionBudget = new(settings.MaxInFlightBytesPerConnection);
    private readonly Channel<PendingResponse> _responses = Channel.CreateBounded<PendingResponse>(
        new BoundedChannelOptions(settings.MaxInFlightRequests) { SingleReader = true, SingleWriter = true });

    private long _lastActivity = time.GetTimestamp();
    private int _inFlight;

    /// <summary>How long nothing was asked and nothing was being answered.</summary>
    public TimeSpan Idle => Volatile.Read(ref _inFlight) > 0 ? TimeSpan.Zero : time.GetElapsedTime(Interlocked.Read(ref _lastActivity));

    public void Abort(string reason)
    {
        NetworkLog.Closing(log, client.Id, client.RemoteAddress, reason);
        transport.Abort(new ConnectionAbortedException(reason));
    }

    /// <summary>Runs until either side closes; returns when every started request is answered or given up.</summary>
    public async Task RunAsync()
    {
        var writing = new ResponseWriter(transport.Transport.Output, log).RunAsync(_responses.Reader, Finished);
        try
        {
            var reading = ReadRequestsAsync();
            if (await Task.WhenAny(reading, writing) == writing)
            {
                // The client no longer takes answers: what it still asks is of no use to anybody.
                transport.Transport.Input.CancelPendingRead();
            }

            if (await reading is { } reason)
            {
                Abort(reason);
            }
        }
        catch (Exception e) when (e is IOException or ConnectionResetException or ConnectionAbortedException or OperationCanceledException)
        {
            NetworkLog.Lost(log, client.Id, client.RemoteAddress, e.Message);
        }
        finally
        {
            _responses.Writer.TryComplete();
            await writing;
        }
    }

    /// <returns>Null when the client closed, else why the connection must be closed.</returns>
    private async Task<string?> ReadRequestsAsync()
    {
        var input = transport.Transport.Input;
        RequestFrame? frame = null;
        try
        {
            while (true)
            {
                var read = await input.ReadAsync();
                var buffer = read.Buffer;
                Interlocked.Exchange(ref _lastActivity, time.GetTimestamp());
                while (true)
                {
                    if (frame is null)
                    {
                        if (!TryReadSize(ref buffer, out var size))
                        {
                            break;
                        }

                        if (size < MinFrameBytes || size > settings.MaxRequestBytes)
                        {
                            return $"a request of {size} bytes is outside the limits of {MinFrameBytes} and {settings.MaxRequestBytes}";
                        }

                        var reserved = ReserveAsync(size);
                        if (!reserved.IsCompletedSuccessfully)
                        {
                            await reserved;
                        }

                        frame = new RequestFrame(size);
                    }

                    buffer = buffer.Slice(frame.Fill(buffer));
                    if (!frame.IsComplete)
                    {
                        break;
                    }

                    var complete = frame;
                    frame = null;
                    if (!TryStart(complete, out var pending, out var reason))
                    {
                        Return(complete);
                        return reason;
                    }

                    Interlocked.Increment(ref _inFlight);
                    if (!_responses.Writer.TryWrite(pending))
                    {
                        await _responses.Writer.WriteAsync(pending);
                    }
                }

                input.AdvanceTo(buffer.Start, buffer.End);
                if (read.IsCompleted || read.IsCanceled)
                {
                    return null;
                }
            }
        }
        finally
        {
            if (frame is not null)
            {
                Return(frame);
            }
        }
    }

    private async ValueTask ReserveAsync(int size)
    {
        await _connectionBudget.AcquireAsync(size);
        await processBudget.AcquireAsync(size);
    }

    private void Return(RequestFrame frame)
    {
        _connectionBudget.Release(frame.Size);
        processBudget.Release(frame.Size);
        frame.Dispose();
    }

    private void Finished(PendingResponse response)
    {
        Return(response.Frame);
        Interlocked.Decrement(ref _inFlight);
        Interlocked.Exchange(ref _lastActivity, time.GetTimestamp());
    }

    private static bool TryReadSize(ref ReadOnlySequence<byte> buffer, out int size)
    {
        size = 0;
        if (buffer.Length < SizeBytes)
        {
            return false;
        }

        Span<byte> bytes = stackalloc byte[SizeBytes];
        buffer.Slice(0, SizeBytes).CopyTo(bytes);
        size = BinaryPrimitives.ReadInt32BigEndian(bytes);
        buffer = buffer.Slice(SizeBytes);
        return true;
    }

    private bool TryStart(RequestFrame frame, out PendingResponse pending, out string reason)
    {
        pending = default;
        reason = "";
        var bytes = frame.Bytes.Span;
        var apiKey = BinaryPrimitives.ReadInt16BigEndian(bytes);
        var apiVersion = BinaryPrimitives.ReadInt16BigEndian(bytes[2..]);
        var correlationId = BinaryPrimitives.ReadInt32BigEndian(bytes[4..]);
        if (!dispatcher.Serves(apiKey, apiVersion))
        {
            if (apiKey != (short)ApiKey.ApiVersions)
            {
                reason = $"API key {apiKey} in version {apiVersion} is not served";
                return false;
            }

            pending = new PendingResponse(frame, apiKey, 0, correlationId, new ValueTask<IResponseMessage?>(dispatcher.UnsupportedApiVersions()));
            return true;
        }

        if (!RequestDecoder.TryRead(frame.Bytes, apiKey, apiVersion, out var clientId, out var request))
        {
            reason = $"a {ApiCatalog.Find(apiKey)?.Name} request in version {apiVersion} cannot be decoded";
            return false;
        }

        var context = new RequestContext(client, apiKey, apiVersion, correlationId, clientId);
        pending = new PendingResponse(frame, apiKey, apiVersion, correlationId, dispatcher.DispatchAsync(context, request));
        return true;
    }
}

/// <summary>A request that was started, in the order of its connection.</summary>
internal readonly record struct PendingResponse(
    RequestFrame Frame, short ApiKey, short ApiVersion, int CorrelationId, ValueTask<IResponseMessage?> Response);
