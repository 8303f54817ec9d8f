using Milena.Model;

namespace Milena.Storage;

/// <summary>Walks the batch headers of a stretch of a segment, reading ahead into the caller's buffer.</summary>
/// <remarks>Stops, with <see cref="Damaged"/> set, at bytes that are no batch or a batch that reaches beyond the end.</remarks>
internal ref struct BatchScanner(IDiskFile file, int position, int end, Span<byte> buffer)
{
    /// <summary>Covers the batches between two index entries in a read or two.</summary>
    public const int BufferBytes = 4096;

    private readonly Span<byte> _buffer = buffer;
    private int _next = position;
    private int _bufferedFrom = position;
    private int _buffered;

    /// <summary>Of the current batch; a field, to hand it on without a copy.</summary>
    public RecordBatchHeader Header;

    public int Position { get; private set; } = position;

    /// <summary>The position after the current batch.</summary>
    public readonly int Next => _next;
    public bool Damaged { get; private set; }

    public bool MoveNext()
    {
        if (_next >= end || Damaged) return false;
        if (end - _next < RecordBatchHeader.Size) return Stop();
        if (_next + RecordBatchHeader.Size > _bufferedFrom + _buffered)
        {
            _bufferedFrom = _next;
            _buffered = file.Read(_next, _buffer[..Math.Min(_buffer.Length, end - _next)]);
            if (_buffered < RecordBatchHeader.Size) return Stop();
        }
        var bytes = _buffer.Slice(_next - _bufferedFrom, RecordBatchHeader.Size);
        if (RecordBatchHeader.TryRead(bytes, out Header) != ErrorCode.None) return Stop();
        if (Header.SizeInBytes > end - _next || Header.LastOffsetDelta < 0 || Header.BaseOffset < 0) return Stop();
        Position = _next;
        _next += Header.SizeInBytes;
        return true;
    }

    private bool Stop()
    {
        Damaged = true;
        return false;
    }
}
