using System.Buffers;

namespace Milena.Network;

/// <summary>Bytes on their way to a client, gathered so that one call sends them. Holds an array only while it holds bytes.</summary>
internal sealed class SendBuffer(ClientSocket socket) : IDisposable
{
    private byte[] _array = [];

    public int Count { get; private set; }

    public void Write(ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(GetSpan(bytes.Length));
        Advance(bytes.Length);
    }

    /// <summary>Room for exactly that many further bytes.</summary>
    public Span<byte> GetSpan(int size)
    {
        if (_array.Length - Count < size)
        {
            var larger = ArrayPool<byte>.Shared.Rent(Math.Max(Count + size, 2 * Count));
            _array.AsSpan(0, Count).CopyTo(larger);
            Release();
            _array = larger;
        }

        return _array.AsSpan(Count, size);
    }

    public void Advance(int bytes) => Count += bytes;

    /// <param name="more">More follows at once.</param>
    public async ValueTask FlushAsync(bool more = false)
    {
        // Also without bytes: what the system keeps back for more must leave when there is none.
        await socket.SendAsync(_array.AsMemory(0, Count), more);
        Count = 0;
        Release();
    }

    public void Dispose() => Release();

    private void Release()
    {
        if (_array.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(_array);
        }

        _array = [];
    }
}
