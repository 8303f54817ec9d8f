using System.Buffers;

namespace Milena.Protocol;

/// <summary>Bytes of a file that belong at a place of an encoded message.</summary>
public readonly record struct Attachment(int Position, IRecordsSource Source);

/// <summary>An encoded message in a pooled array, and the file bytes to be woven into it when it is sent.</summary>
public sealed class MessageBuffer : IDisposable
{
    private const int InitialBytes = 512;

    private byte[] _array = ArrayPool<byte>.Shared.Rent(InitialBytes);
    private List<Attachment>? _attachments;
    private int _attachedBytes;

    public int Position { get; internal set; }

    /// <summary>The encoded bytes, without the attachments.</summary>
    public ReadOnlyMemory<byte> Written => _array.AsMemory(0, Position);

    public IReadOnlyList<Attachment> Attachments => _attachments ?? (IReadOnlyList<Attachment>)[];

    /// <summary>The length of the whole message, attachments included.</summary>
    public int TotalLength => Position + _attachedBytes;

    public void Dispose()
    {
        var array = _array;
        _array = [];
        if (array.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(array);
        }
    }

    /// <summary>The whole message in one array, attachments read in.</summary>
    public byte[] ToArray()
    {
        var whole = new byte[TotalLength];
        var (from, to) = (0, 0);
        foreach (var attachment in Attachments)
        {
            Written.Span[from..attachment.Position].CopyTo(whole.AsSpan(to));
            to += attachment.Position - from;
            from = attachment.Position;
            attachment.Source.Read(0, whole.AsSpan(to, attachment.Source.Length));
            to += attachment.Source.Length;
        }

        Written.Span[from..].CopyTo(whole.AsSpan(to));
        return whole;
    }

    internal Span<byte> Reserve(int bytes)
    {
        if (_array.Length - Position < bytes)
        {
            var larger = ArrayPool<byte>.Shared.Rent(Math.Max(Position + bytes, 2 * _array.Length));
            _array.AsSpan(0, Position).CopyTo(larger);
            ArrayPool<byte>.Shared.Return(_array);
            _array = larger;
        }

        var span = _array.AsSpan(Position, bytes);
        Position += bytes;
        return span;
    }

    internal Span<byte> From(int start) => _array.AsSpan(start, Position - start);

    internal void Attach(IRecordsSource source)
    {
        (_attachments ??= []).Add(new Attachment(Position, source));
        _attachedBytes += source.Length;
    }
}
