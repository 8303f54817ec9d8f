using System.Buffers.Binary;
using System.Net.Sockets;
using Milena.Protocol;

namespace Milena.Testing;

/// <summary>Speaks the protocol a request at a time, in any version. One connection.</summary>
public sealed class WireClient : IDisposable
{
    private static readonly TimeSpan DefaultPatience = TimeSpan.FromSeconds(30);

    private readonly TcpClient _client;
    private readonly NetworkStream _stream;
    private int _correlation;

    /// <param name="patience">How long to wait for a connection or an answer before an <see cref="IOException"/>; half a minute unless told otherwise.</param>
    public WireClient(string host, int port, TimeSpan? patience = null)
    {
        _client = Connect(host, port, patience ?? DefaultPatience);
        _stream = _client.GetStream();
        _stream.ReadTimeout = (int)(patience ?? DefaultPatience).TotalMilliseconds;
    }

    /// <returns>Null when the broker closed the connection instead of answering.</returns>
    public IResponseMessage? Ask(ApiKey key, short version, IRequestMessage request)
    {
        var correlation = ++_correlation;
        _stream.Write(Frame(key, version, correlation, request));
        if (ReadFrame() is not { } frame)
        {
            return null;
        }

        var reader = new ProtocolReader(frame);
        if (!ResponseHeader.TryRead(ref reader, ApiCatalog.ResponseHeaderVersion((short)key, version), out var header) || header.CorrelationId != correlation)
        {
            throw new InvalidDataException($"{key} {version}: bad response header");
        }

        return ApiCatalog.TryReadResponse((short)key, version, frame.AsMemory(reader.Position), out var response)
            ? response
            : throw new InvalidDataException($"{key} {version}: the response cannot be decoded");
    }

    public void Dispose() => _client.Dispose();

    /// <summary>A whole request, with its size in front.</summary>
    public static byte[] Frame(ApiKey key, short version, int correlation, IRequestMessage request)
    {
        using var buffer = new MessageBuffer();
        var writer = new ProtocolWriter(buffer);
        var header = new RequestHeader { RequestApiKey = (short)key, RequestApiVersion = version, CorrelationId = correlation, ClientId = "wire-client" };
        header.Write(ref writer, ApiCatalog.RequestHeaderVersion((short)key, version));
        request.Write(ref writer, version);
        var body = buffer.ToArray();
        var frame = new byte[sizeof(int) + body.Length];
        BinaryPrimitives.WriteInt32BigEndian(frame, body.Length);
        body.CopyTo(frame, sizeof(int));
        return frame;
    }

    private static TcpClient Connect(string host, int port, TimeSpan patience)
    {
        var client = new TcpClient { NoDelay = true };
        try
        {
            using var limit = new CancellationTokenSource(patience);
            client.ConnectAsync(host, port, limit.Token).AsTask().GetAwaiter().GetResult();
            return client;
        }
        catch (OperationCanceledException e)
        {
            client.Dispose();
            throw new IOException($"{host}:{port} does not answer within {patience}.", e);
        }
        catch (SocketException)
        {
            client.Dispose();
            throw;
        }
    }

    private byte[]? ReadFrame()
    {
        var size = new byte[sizeof(int)];
        if (!TryFill(size))
        {
            return null;
        }

        var frame = new byte[BinaryPrimitives.ReadInt32BigEndian(size)];
        return TryFill(frame) ? frame : null;
    }

    private bool TryFill(byte[] bytes)
    {
        try
        {
            return _stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false) == bytes.Length;
        }
        catch (IOException e) when (e.InnerException is SocketException { SocketErrorCode: SocketError.ConnectionReset })
        {
            return false;
        }
    }
}
