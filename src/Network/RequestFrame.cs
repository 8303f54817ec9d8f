using System.Buffers;

namespace Milena.Network;

/// <summary>The bytes of one request, gathered into one pooled array as they arrive.</summary>
/// <remarks>
/// A frame announces its size first. Up to <see cref="TrustedSize"/> that much is rented at once; a larger frame's array grows with
/// what really arrives, so that announcing much costs the sender as much as it costs us.
/// </remarks>
internal sealed class RequestFrame(int size) : IDisposable
{
    private const int TrustedSize = 2 * 1024 * 1024;

    private byte[]? _array = ArrayPool<byte>.Shared.Rent(Math.Min(size, TrustedSize));
    private int _filled;

    public int Size => size;

    public bool IsComplete => _filled == size;

    /// <summary>Once complete. The frame is its connection's own: brokers stamp record batches in place before they append them.</summary>
    public Memory<byte> Bytes => _array.AsMemory(0, size);

    /// <summary>Where the next bytes belong; never empty before the frame is complete, and never more than it lacks.</summary>
    public Memory<byte> Free
    {
        get
        {
            Grow();
            return _array.AsMemory(_filled, Math.Min(_array!.Length, size) - _filled);
        }
    }

    /// <summary>So many bytes have been put into <see cref="Free"/>.</summary>
    public void Advance(int bytes) => _filled += bytes;

    public void Fill(ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(Free.Span);
        Advance(bytes.Length);
    }

    public void Dispose()
    {
        if (_array is { } array)
        {
            _array = null;
            ArrayPool<byte>.Shared.Return(array);
        }
    }

    private void Grow()
    {
        if (_filled < _array!.Length || IsComplete)
        {
            return;
        }

        var larger = ArrayPool<byte>.Shared.Rent(Math.Min(size, 2 * _array.Length));
        _array.AsSpan(0, _filled).CopyTo(larger);
        ArrayPool<byte>.Shared.Return(_array);
        _array = larger;
    }
}
