using System.Buffers.Binary;

namespace Milena.Model;

/// <summary>One record of an uncompressed records section. Spans point into the section; a null key or value is told from an empty one.</summary>
public readonly ref struct RecordView
{
    public long TimestampDelta { get; init; }
    public int OffsetDelta { get; init; }
    public bool HasKey { get; init; }
    public ReadOnlySpan<byte> Key { get; init; }
    public bool HasValue { get; init; }
    public ReadOnlySpan<byte> Value { get; init; }
    public int HeaderCount { get; init; }

    /// <summary>The encoded headers, without their count; read them with <see cref="RecordHeaderReader"/>.</summary>
    public ReadOnlySpan<byte> RawHeaders { get; init; }

    public RecordHeaderReader Headers => new(RawHeaders);
}

/// <summary>Walks the records of an uncompressed section without allocating.</summary>
/// <remarks>After <see cref="TryRead"/> returned false: <see cref="Failed"/> tells bad bytes from the end, and
/// <see cref="Position"/> how far the walk came.</remarks>
public ref struct RecordReader(ReadOnlySpan<byte> records)
{
    private readonly ReadOnlySpan<byte> _records = records;
    private int _position;

    public readonly int Position => _position;
    public readonly bool AtEnd => _position == _records.Length;
    public bool Failed { get; private set; }

    public bool TryRead(out RecordView record)
    {
        record = default;
        if (Failed || AtEnd) return false;
        if (TryReadRecord(out record)) return true;
        Failed = true;
        return false;
    }

    private bool TryReadRecord(out RecordView record)
    {
        record = default;
        var at = _position;
        if (!Varint.TryReadInt32(_records, ref at, out var length) || length < 0 || length > _records.Length - at) return false;
        var body = _records.Slice(at, length);
        var end = at + length;
        at = 1;     // attributes: one unused byte
        if (body.Length < 1
            || !Varint.TryReadInt64(body, ref at, out var timestampDelta)
            || !Varint.TryReadInt32(body, ref at, out var offsetDelta)
            || !TryReadBytes(body, ref at, out var hasKey, out var key)
            || !TryReadBytes(body, ref at, out var hasValue, out var value)
            || !Varint.TryReadInt32(body, ref at, out var headerCount)
            || headerCount < 0)
        {
            return false;
        }
        var headers = body[at..];
        if (headerCount == 0 ? !headers.IsEmpty : !RecordHeaderReader.AreValid(headers, headerCount)) return false;
        record = new RecordView
        {
            TimestampDelta = timestampDelta,
            OffsetDelta = offsetDelta,
            HasKey = hasKey,
            Key = key,
            HasValue = hasValue,
            Value = value,
            HeaderCount = headerCount,
            RawHeaders = headers,
        };
        _position = end;
        return true;
    }

    internal static bool TryReadBytes(ReadOnlySpan<byte> body, scoped ref int at, out bool present, out ReadOnlySpan<byte> bytes)
    {
        bytes = default;
        present = false;
        if (!Varint.TryReadInt32(body, ref at, out var length)) return false;
        if (length < 0) return true;
        if (length > body.Length - at) return false;
        present = true;
        bytes = body.Slice(at, length);
        at += length;
        return true;
    }
}

/// <summary>Walks the encoded headers of one record that a <see cref="RecordReader"/> has accepted.</summary>
public ref struct RecordHeaderReader(ReadOnlySpan<byte> headers)
{
    private readonly ReadOnlySpan<byte> _headers = headers;
    private int _position;

    /// <param name="key">UTF-8.</param>
    public bool TryRead(out ReadOnlySpan<byte> key, out bool hasValue, out ReadOnlySpan<byte> value)
    {
        key = default;
        value = default;
        hasValue = false;
        if (_position == _headers.Length) return false;
        return RecordReader.TryReadBytes(_headers, ref _position, out var hasKey, out key) && hasKey
            && RecordReader.TryReadBytes(_headers, ref _position, out hasValue, out value);
    }

    internal static bool AreValid(ReadOnlySpan<byte> headers, int count)
    {
        var reader = new RecordHeaderReader(headers);
        for (var i = 0; i < count; i++)
        {
            if (!reader.TryRead(out _, out _, out _)) return false;
        }
        return reader._position == headers.Length;
    }
}

/// <summary>The key of a control record: int16 version, int16 type.</summary>
public enum ControlRecordType : short
{
    Abort = 0,
    Commit = 1,
    LeaderChange = 2,
    SnapshotHeader = 3,
    SnapshotFooter = 4,
    KRaftVersion = 5,
    KRaftVoters = 6,
}

/// <summary>A transaction's end marker, the only record of a control batch that a transaction coordinator writes (KIP-98).</summary>
public readonly record struct EndTransactionMarker(ControlRecordType Type, int CoordinatorEpoch)
{
    private const int KeyBytes = 4;
    private const int ValueBytes = 6;

    /// <summary>Reads the marker of a whole control batch; false when the batch holds another control record or bad bytes.</summary>
    public static bool TryRead(ReadOnlySpan<byte> batch, out EndTransactionMarker marker)
    {
        marker = default;
        if (batch.Length < RecordBatchHeader.Size) return false;
        var reader = new RecordReader(batch[RecordBatchHeader.Size..]);
        if (!reader.TryRead(out var record) || record.Key.Length < KeyBytes || record.Value.Length < ValueBytes) return false;
        var type = (ControlRecordType)BinaryPrimitives.ReadInt16BigEndian(record.Key[2..]);
        if (type is not (ControlRecordType.Abort or ControlRecordType.Commit)) return false;
        marker = new EndTransactionMarker(type, BinaryPrimitives.ReadInt32BigEndian(record.Value[2..]));
        return true;
    }

    public byte[] Key()
    {
        var key = new byte[KeyBytes];
        BinaryPrimitives.WriteInt16BigEndian(key.AsSpan(2), (short)Type);
        return key;
    }

    public byte[] Value()
    {
        var value = new byte[ValueBytes];
        BinaryPrimitives.WriteInt32BigEndian(value.AsSpan(2), CoordinatorEpoch);
        return value;
    }
}
