using System.Buffers;
using System.Buffers.Binary;
using System.IO.Pipelines;
using System.Threading.Channels;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;
using Milena.Protocol;

namespace Milena.Network;

/// <summary>Writes a connection's answers in the order of its requests; record bytes go from their file into the pipe in chunks.</summary>
internal sealed class ResponseWriter(PipeWriter output, ILogger log)
{
    /// <summary>Bytes read from a segment at a time: large enough to make few system calls, small enough to keep memory flat.</summary>
    private const int ChunkBytes = 128 * 1024;

    private bool _broken;

    /// <summary>Takes responses until the channel ends. Each one is handed to <paramref name="finished"/>, also those that could not be sent.</summary>
    public async Task RunAsync(ChannelReader<PendingResponse> responses, Action<PendingResponse> finished)
    {
        await foreach (var pending in responses.ReadAllAsync())
        {
            try
            {
                var message = await pending.Response;
                using (message as IDisposable)
                {
                    if (message is not null && !_broken)
                    {
                        await WriteAsync(pending, message, flush: !NextIsReady(responses));
                    }
                }
            }
            catch (Exception e) when (e is IOException or ConnectionResetException or ConnectionAbortedException or OperationCanceledException)
            {
                _broken = true;
            }
            catch (CloseConnectionException e)
            {
                NetworkLog.Refusing(log, e.Message);
                _broken = true;
                await output.CompleteAsync();
            }
            catch (Exception e)
            {
                // A handler that throws is a bug: the client must not wait for an answer that never comes, so its connection ends.
                NetworkLog.HandlerFailed(log, e, pending.ApiKey, pending.ApiVersion);
                _broken = true;
                await output.CompleteAsync(e);
            }
            finally
            {
                finished(pending);
            }
        }

        if (!_broken)
        {
            await output.CompleteAsync();
        }
    }

    private static bool NextIsReady(ChannelReader<PendingResponse> responses) =>
        responses.TryPeek(out var next) && next.Response.IsCompleted;

    private async ValueTask WriteAsync(PendingResponse pending, IResponseMessage message, bool flush)
    {
        using var buffer = Encode(pending, message);
        WriteSize(buffer.TotalLength);
        var position = 0;
        foreach (var attachment in buffer.Attachments)
        {
            output.Write(buffer.Written.Span[position..attachment.Position]);
            position = attachment.Position;
            await WriteRecordsAsync(attachment.Source);
        }

        output.Write(buffer.Written.Span[position..]);
        if (flush || output.UnflushedBytes > ChunkBytes)
        {
            await FlushAsync();
        }
    }

    private static MessageBuffer Encode(PendingResponse pending, IResponseMessage message)
    {
        var buffer = new MessageBuffer();
        var writer = new ProtocolWriter(buffer);
        var header = new ResponseHeader { CorrelationId = pending.CorrelationId };
        header.Write(ref writer, ApiCatalog.ResponseHeaderVersion(pending.ApiKey, pending.ApiVersion));
        message.Write(ref writer, pending.ApiVersion);
        return buffer;
    }

    private void WriteSize(int size)
    {
        BinaryPrimitives.WriteInt32BigEndian(output.GetSpan(sizeof(int)), size);
        output.Advance(sizeof(int));
    }

    private async ValueTask WriteRecordsAsync(IRecordsSource source)
    {
        for (var position = 0; position < source.Length;)
        {
            var memory = output.GetMemory(Math.Min(ChunkBytes, source.Length - position));
            var length = Math.Min(memory.Length, source.Length - position);
            var read = source.Read(position, memory.Span[..length]);
            if (read <= 0)
            {
                throw new EndOfStreamException("A segment ended before the bytes that it was said to hold.");
            }

            output.Advance(read);
            position += read;
            await FlushAsync();
        }
    }

    private async ValueTask FlushAsync()
    {
        var result = await output.FlushAsync();
        if (result.IsCompleted || result.IsCanceled)
        {
            throw new ConnectionAbortedException("The client closed the connection.");
        }
    }
}
