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

    public async Task<byte[]> ReadAsync(int count)
    {
        using var patience = new CancellationTokenSource(Patience);
        var bytes = new byte[count];
        await _stream.ReadExactlyAsync(bytes, patience.Token);
        return bytes;
    }

    /// <param name="start">What was read of the frame already; at least its size.</param>
    /// <returns>The frame's bytes after its size.</returns>
    public async Task<byte[]> ReadFrameAsync(byte[]? start = null)
    {
        start ??= await ReadAsync(sizeof(int));
        var size = BinaryPrimitives.ReadInt32BigEndian(start);
        return [.. start[sizeof(int)..], .. await ReadAsync(sizeof(int) + size - start.Length)];
    }

    /// <returns>Bytes that came before the server closed.</returns>
    public async Task<long> ReadToEndAsync()
    {
        using var patience = new CancellationTokenSource(Patience);
        var buffer = new byte[64 * 1024];
        var count = 0L;
        while (await _stream.ReadAsync(buffer, patience.Token) is var read and > 0)
        {
            count += read;
        }

        return count;
    }

    public static int CorrelationIdOf(byte[] frame) => BinaryPrimitives.ReadInt32BigEndian(frame);

    /// <summary>Closes so that the server's system learns that nobody reads any more, with what it has sent still on the way.</summary>
    public void Reset()
    {
        client.LingerState = new LingerOption(enable: true, 0);
        client.Close();
    }

    public async Task<int> ReadCorrelationIdAsync() => CorrelationIdOf(await ReadFrameAsync());

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
