using System.Buffers.Binary;
using System.Net.Sockets;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using Milena.Protocol;

namespace Milena.Network;

/// <summary>Writes a connection's answers in the order of its requests; record bytes go straight from their file to the socket, or in chunks.</summary>
internal sealed class ResponseWriter(ClientSocket socket, ClientConnection client, ILogger log)
{
    /// <summary>Bytes read from a segment at a time: large enough to make few system calls, small enough to keep memory flat.</summary>
    private const int ChunkBytes = 128 * 1024;

    /// <summary>Records from this size on leave without being read. Smaller ones are cheaper to copy into the same call as what surrounds them
    /// (<c>FetchAnswerBenchmarks</c>: with 64 KiB copying is faster, with 256 KiB it is slower).</summary>
    private const int MinFileBytes = 128 * 1024;

    /// <summary>What is sent by a plain call when a file is not taken any more: it completes when there is room again.</summary>
    private const int WaitBytes = 4 * 1024;

    private readonly SendBuffer _buffer = new(socket);
    private bool _broken;
    private volatile short _awaitedApiKey;

    /// <summary>Of the request whose answer is waited for, or was last.</summary>
    public ApiKey AwaitedApiKey => (ApiKey)_awaitedApiKey;

    /// <summary>Takes responses until the channel ends. Each one is handed to <paramref name="finished"/>, also those that could not be sent.</summary>
    public async Task RunAsync(ChannelReader<PendingResponse> responses, Action<PendingResponse> finished)
    {
        using var buffer = _buffer;
        await foreach (var pending in responses.ReadAllAsync())
        {
            _awaitedApiKey = pending.Context.ApiKey;
            try
            {
                var message = await pending.Response;
                using (message as IDisposable)
                {
                    if (message is not null && !_broken)
                    {
                        await WriteAsync(pending, message);
                    }
                }

                // Also behind a request that wants no answer: those before it may have been kept back for it.
                if (!_broken && (_buffer.Count > ChunkBytes || pending.Context.ClosesBecause is not null || !NextIsReady(responses)))
                {
                    await _buffer.FlushAsync();
                }

                if (!_broken && pending.Context.ClosesBecause is { } reason)
                {
                    NetworkLog.Refusing(log, reason);
                    End();
                }
            }
            catch (Exception e)
            {
                Break(e, pending);
            }
            finally
            {
                finished(pending);
            }
        }
    }

    // One that failed ends the connection; what was kept back for it would be lost.
    private static bool NextIsReady(ChannelReader<PendingResponse> responses) =>
        responses.TryPeek(out var next) && next.Response.IsCompletedSuccessfully;

    /// <summary>An answer that is missing or cut leaves nothing that could follow it, so the connection ends.</summary>
    private void Break(Exception cause, PendingResponse pending)
    {
        switch (cause)
        {
            case CloseConnectionException:
                NetworkLog.Refusing(log, cause.Message);
                break;
            case EndOfStreamException:
                NetworkLog.Closing(log, client.Id, client.RemoteAddress, cause.Message);
                break;
            case IOException or SocketException or ObjectDisposedException or OperationCanceledException:
                NetworkLog.Lost(log, client.Id, client.RemoteAddress, cause.Message);
                break;
            default:
                // A handler that throws is a bug: the client must not wait for an answer that never comes.
                NetworkLog.HandlerFailed(log, cause, pending.Context.ApiKey, pending.Context.ApiVersion);
                break;
        }

        End();
    }

    private void End()
    {
        _broken = true;
        socket.Shutdown();
    }

    private async ValueTask WriteAsync(PendingResponse pending, IResponseMessage message)
    {
        using var encoded = Encode(pending, message);
        BinaryPrimitives.WriteInt32BigEndian(_buffer.GetSpan(sizeof(int)), encoded.TotalLength);
        _buffer.Advance(sizeof(int));
        var position = 0;
        foreach (var attachment in encoded.Attachments)
        {
            _buffer.Write(encoded.Written.Span[position..attachment.Position]);
            position = attachment.Position;
            await WriteRecordsAsync(attachment.Source);
        }

        _buffer.Write(encoded.Written.Span[position..]);
    }

    private static MessageBuffer Encode(PendingResponse pending, IResponseMessage message)
    {
        var buffer = new MessageBuffer();
        var writer = new ProtocolWriter(buffer);
        var header = new ResponseHeader { CorrelationId = pending.Context.CorrelationId };
        header.Write(ref writer, ApiCatalog.ResponseHeaderVersion(pending.Context.ApiKey, pending.Context.ApiVersion));
        message.Write(ref writer, pending.Context.ApiVersion);
        return buffer;
    }

    private async ValueTask WriteRecordsAsync(IRecordsSource source)
    {
        var sent = source.Length >= MinFileBytes ? await SendFromFileAsync(source) : 0;
        while (sent < source.Length)
        {
            sent += Read(source, sent, ChunkBytes);
            if (_buffer.Count > ChunkBytes)
            {
                await _buffer.FlushAsync(more: true);
            }
        }
    }

    /// <returns>Bytes sent; fewer than all where the system cannot send that file.</returns>
    private async ValueTask<int> SendFromFileAsync(IRecordsSource source)
    {
        if (!socket.CanSendFiles || !source.TryGetFile(out var file, out var position))
        {
            return 0;
        }

        await _buffer.FlushAsync(more: true);
        var sent = 0;
        while (sent < source.Length)
        {
            switch (socket.SendFile(file, position + sent, source.Length - sent, out var taken))
            {
                case FileSending.Refused:
                    return sent;
                case FileSending.Sent:
                    sent += taken;
                    break;
                default:
                    sent += Read(source, sent, WaitBytes);
                    await _buffer.FlushAsync(more: true);
                    break;
            }
        }

        return sent;
    }

    private int Read(IRecordsSource source, int position, int maxBytes)
    {
        var span = _buffer.GetSpan(Math.Min(maxBytes, source.Length - position));
        var read = source.Read(position, span);
        if (read <= 0)
        {
            throw new EndOfStreamException($"a segment ended {source.Length - position} bytes before the end that its answer had announced");
        }

        _buffer.Advance(read);
        return read;
    }
}
