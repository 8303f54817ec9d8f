using System.Buffers;

namespace Milena.Model;

/// <summary>A growable byte buffer from the shared pool. Whoever holds it last disposes it, once.</summary>
public sealed class PooledBytes : IDisposable
{
    private byte[] _array;

    public PooledBytes(int capacity) => _array = ArrayPool<byte>.Shared.Rent(Math.Max(capacity, 16));

    public int Length { get; private set; }
    public int Capacity => _array.Length;
    public Span<byte> Span => _array.AsSpan(0, Length);
    public Memory<byte> Memory => _array.AsMemory(0, Length);

    /// <summary>Free space of at least <paramref name="bytes"/> after the content; claim it with <see cref="Advance"/>.</summary>
    public Span<byte> Free(int bytes)
    {
        Reserve(bytes);
        return _array.AsSpan(Length);
    }

    public void Advance(int bytes)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bytes, _array.Length - Length);
        Length += bytes;
    }

    public void Append(ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(Free(bytes.Length));
        Length += bytes.Length;
    }

    public void Dispose()
    {
        var array = _array;
        _array = [];
        Length = 0;
        if (array.Length > 0) ArrayPool<byte>.Shared.Return(array);
    }

    private void Reserve(int bytes)
    {
        if (_array.Length - Length >= bytes) return;
        var larger = ArrayPool<byte>.Shared.Rent((int)Math.Min(Array.MaxLength, Math.Max((long)_array.Length * 2, (long)Length + bytes)));
        _array.AsSpan(0, Length).CopyTo(larger);
        ArrayPool<byte>.Shared.Return(_array);
        _array = larger;
    }
}
