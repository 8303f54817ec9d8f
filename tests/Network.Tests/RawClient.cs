using System.Buffers.Binary;
using System.Net.Sockets;
using Milena.Protocol;
using Milena.Testing;

namespace Milena.Network.Tests;

/// <summary>Writes whatever bytes a test likes, and reads frames.</summary>
internal sealed class RawClient(TcpClient client) : IDisposable
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly NetworkStream _stream = client.GetStream();

    public void Send(params byte[] bytes) => _stream.Write(bytes);

    public void Send(ApiKey key, short version, int correlationId, IRequestMessage request) => Send(Frame(key, version, correlationId, request));

    /// <summary>A whole request, with its size in front.</summary>
    public static byte[] Frame(ApiKey key, short version, int correlationId, IRequestMessage request) => WireClient.Frame(key, version, correlationId, request);

    public static byte[] Size(int size)
    {
        var bytes = new byte[sizeof(int)];
        BinaryPrimitives.WriteInt32BigEndian(bytes, size);
        return bytes;
    }

    /// <returns>The frame's bytes after its size.</returns>
    public async Task<byte[]> ReadFrameAsync()
    {
        using var patience = new CancellationTokenSource(Patience);
        var size = new byte[sizeof(int)];
        await _stream.ReadExactlyAsync(size, patience.Token);
        var frame = new byte[BinaryPrimitives.ReadInt32BigEndian(size)];
        await _stream.ReadExactlyAsync(frame, patience.Token);
        return frame;
    }

    public async Task<int> ReadCorrelationIdAsync() => BinaryPrimitives.ReadInt32BigEndian(await ReadFrameAsync());

    /// <summary>Waits until the server has closed, in order or by a reset, and fails when it answers instead.</summary>
    public async Task ClosedAsync(string why)
    {
        using var patience = new CancellationTokenSource(Patience);
        try
        {
            Assert.True(await _stream.ReadAsync(new byte[1], patience.Token) == 0, $"{why}: there was an answer");
        }
        catch (IOException e) when (e.InnerException is SocketException)
        {
            return;
        }
        catch (OperationCanceledException)
        {
            Assert.Fail($"{why}: the connection is still open after {Patience}");
        }
    }

    public void Dispose() => client.Dispose();
}
