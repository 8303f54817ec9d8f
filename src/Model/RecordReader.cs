namespace Milena.Model;

/// <summary>One record, its bytes still where they lie.</summary>
public readonly ref struct RecordView(
    int offsetDelta, long timestampDelta, ReadOnlySpan<byte> key, bool keyIsNull, ReadOnlySpan<byte> value, bool valueIsNull, ReadOnlySpan<byte> headers)
{
    public int OffsetDelta { get; } = offsetDelta;
    public long TimestampDelta { get; } = timestampDelta;
    public ReadOnlySpan<byte> Key { get; } = key;
    public bool KeyIsNull { get; } = keyIsNull;
    public ReadOnlySpan<byte> Value { get; } = value;
    public bool ValueIsNull { get; } = valueIsNull;

    /// <summary>The header count and the headers, as they are encoded.</summary>
    public ReadOnlySpan<byte> Headers { get; } = headers;
}

/// <summary>Walks the records of an uncompressed records section without copying anything.</summary>
public ref struct RecordReader(ReadOnlySpan<byte> records)
{
    private readonly ReadOnlySpan<byte> _records = records;
    private int _position;

    public readonly bool IsAtEnd => _position == _records.Length;

    /// <returns>False when the next bytes are not a record.</returns>
    public bool TryRead(out RecordView record)
    {
        record = default;
        var bytes = _records;
        var position = _position;
        if (!Varint.TryRead(bytes, ref position, out int length) || length < 0 || length > bytes.Length - position)
        {
            return false;
        }

        var end = position + length;
        bytes = bytes[..end];
        position++;
        if (!Varint.TryRead(bytes, ref position, out long timestampDelta)
            || !Varint.TryRead(bytes, ref position, out int offsetDelta)
            || !TryReadBytes(bytes, ref position, out var key, out var keyIsNull)
            || !TryReadBytes(bytes, ref position, out var value, out var valueIsNull))
        {
            return false;
        }

        var headersAt = position;
        if (!TrySkipHeaders(bytes, ref position) || position != end)
        {
            return false;
        }

        _position = end;
        record = new RecordView(offsetDelta, timestampDelta, key, keyIsNull, value, valueIsNull, bytes[headersAt..end]);
        return true;
    }

    private static bool TrySkipHeaders(ReadOnlySpan<byte> bytes, scoped ref int position)
    {
        if (!Varint.TryRead(bytes, ref position, out int count) || count < 0)
        {
            return false;
        }

        for (var header = 0; header < count; header++)
        {
            if (!TryReadBytes(bytes, ref position, out _, out var keyIsNull) || keyIsNull || !TryReadBytes(bytes, ref position, out _, out _))
            {
                return false;
            }
        }

        return true;
    }

    private static bool TryReadBytes(ReadOnlySpan<byte> bytes, scoped ref int position, out ReadOnlySpan<byte> value, out bool isNull)
    {
        value = default;
        isNull = false;
        if (!Varint.TryRead(bytes, ref position, out int length) || length < -1 || length > bytes.Length - position)
        {
            return false;
        }

        isNull = length == -1;
        if (!isNull)
        {
            value = bytes.Slice(position, length);
            position += length;
        }

        return true;
    }
}
