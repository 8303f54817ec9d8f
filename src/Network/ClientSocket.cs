using System.Net;
using System.Net.Sockets;
using Microsoft.Win32.SafeHandles;

namespace Milena.Network;

/// <summary>The socket of one client: plain receives and sends, and on Linux whole stretches of a file without their passing through this process.</summary>
/// <remarks>
/// One reader and one writer at a time. A call that fails throws <see cref="SocketException"/>, or <see cref="ObjectDisposedException"/>
/// once the socket is closed; what is under way then ends with one of the two.
/// </remarks>
internal sealed class ClientSocket : IDisposable
{
    private readonly Socket _socket;
    private bool _corked;

    /// <exception cref="SocketException">The client is gone already.</exception>
    public ClientSocket(Socket socket)
    {
        var remote = ((IPEndPoint)socket.RemoteEndPoint!).Address;
        RemoteAddress = (remote.IsIPv4MappedToIPv6 ? remote.MapToIPv4() : remote).ToString();
        _socket = socket;
        // Answers are gathered before they are sent: what is sent shall leave at once.
        _socket.NoDelay = true;
        // A file is sent by a system call of ours, which must return, and not wait, when the client is slow.
        _socket.Blocking = false;
    }

    /// <summary>Without its port.</summary>
    public string RemoteAddress { get; }

    /// <returns>0 when the client has closed its side.</returns>
    public ValueTask<int> ReceiveAsync(Memory<byte> destination) => _socket.ReceiveAsync(destination, SocketFlags.None, CancellationToken.None);

    /// <summary>Completes when the system has taken all bytes.</summary>
    /// <param name="more">More follows at once: the system keeps a packet that is not full, up to the next call that says otherwise.</param>
    public async ValueTask SendAsync(ReadOnlyMemory<byte> bytes, bool more)
    {
        if (more)
        {
            Cork(true);
        }

        while (!bytes.IsEmpty)
        {
            bytes = bytes[await _socket.SendAsync(bytes, SocketFlags.None, CancellationToken.None)..];
        }

        if (!more)
        {
            Cork(false);
        }
    }

    public bool CanSendFiles => LinuxSocket.IsAvailable;

    /// <inheritdoc cref="LinuxSocket.SendFile"/>
    public FileSending SendFile(SafeFileHandle file, long position, int length, out int sent) =>
        LinuxSocket.SendFile(_socket.SafeHandle, file, position, length, out sent);

    /// <summary>Ends both directions in order: what was sent before still arrives. Safe beside anything, and more than once.</summary>
    public void Shutdown()
    {
        try
        {
            _socket.Shutdown(SocketShutdown.Both);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The client was faster, or the connection has ended: either way there is nothing left to close.
            return;
        }
    }

    public void Dispose() => _socket.Dispose();

    // A client that is woken by a packet for an answer's first bytes, and by another for its last ones, costs more than the bytes do.
    private void Cork(bool corked)
    {
        if (corked != _corked && LinuxSocket.IsAvailable)
        {
            _socket.SetRawSocketOption(LinuxSocket.TcpLevel, LinuxSocket.CorkOption, BitConverter.GetBytes(corked ? 1 : 0));
            _corked = corked;
        }
    }
}
