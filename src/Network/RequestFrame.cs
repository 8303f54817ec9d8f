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

    public ReadOnlyMemory<byte> Bytes => Writable;

    /// <summary>The frame is its connection's own: brokers stamp record batches in place before they append them.</summary>
    public Memory<byte> Writable => _array.AsMemory(0, size);

    /// <returns>How many of the bytes belong to this frame.</returns>
    public int Fill(in ReadOnlySequence<byte> bytes)
    {
        var take = (int)Math.Min(bytes.Length, size - _filled);
        EnsureCapacity(_filled + take);
        bytes.Slice(0, take).CopyTo(_array.AsSpan(_filled));
        _filled += take;
        return take;
    }

    public void Dispose()
    {
        if (_array is { } array)
        {
            _array = null;
            ArrayPool<byte>.Shared.Return(array);
        }
    }

    private void EnsureCapacity(int needed)
    {
        if (_array!.Length >= needed)
        {
            return;
        }

        var larger = ArrayPool<byte>.Shared.Rent(Math.Min(size, Math.Max(needed, 2 * _array.Length)));
        _array.AsSpan(0, _filled).CopyTo(larger);
        ArrayPool<byte>.Shared.Return(_array);
        _array = larger;
    }
}
