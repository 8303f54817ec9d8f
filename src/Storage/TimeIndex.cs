using System.Buffers.Binary;
using Milena.Model;

namespace Milena.Storage;

/// <summary>Sparse map from timestamps to offsets: int64 largest timestamp so far, int32 relative offset of the batch that has it.</summary>
internal sealed class TimeIndex(IDisk disk, string path, long baseOffset) : IDisposable
{
    public const int EntryBytes = 12;
    private readonly IndexFile _entries = new(disk, path, EntryBytes, keyBytes: sizeof(long));

    public IndexFile File => _entries;
    public int Count => _entries.Count;

    public bool TryOpen()
    {
        if (!_entries.TryOpenSealed()) return false;
        if (Count == 0) return true;
        var (timestamp, offset) = At(Count - 1);
        return offset >= baseOffset && (Count == 1 || At(0).Timestamp < timestamp);
    }

    /// <summary>Both fields ascend: an entry that is not later than the last one says nothing new and is left out.</summary>
    public void MaybeAppend(long timestamp, long offset)
    {
        if (Count > 0)
        {
            var last = At(Count - 1);
            if (timestamp <= last.Timestamp || offset < last.Offset) return;
        }
        else if (timestamp < 0)
        {
            return;
        }
        Span<byte> entry = stackalloc byte[EntryBytes];
        BinaryPrimitives.WriteInt64BigEndian(entry, timestamp);
        BinaryPrimitives.WriteInt32BigEndian(entry[8..], checked((int)(offset - baseOffset)));
        _entries.Append(entry);
    }

    public (long Timestamp, long Offset) At(int index)
    {
        Span<byte> entry = stackalloc byte[EntryBytes];
        _entries.Read(index, entry);
        return Parse(entry);
    }

    /// <summary>The last entry, which is a sealed segment's largest timestamp; (-1, base offset) when there is none.</summary>
    public (long Timestamp, long Offset) Last => Count is var count and > 0 ? At(count - 1) : (RecordBatchHeader.None, baseOffset);

    /// <summary>The offset from which to look for the first timestamp of at least <paramref name="timestamp"/>.</summary>
    public long FloorOffset(long timestamp)
    {
        Span<byte> entry = stackalloc byte[EntryBytes];
        return _entries.Floor(timestamp - 1, entry) < 0 ? baseOffset : Parse(entry).Offset;
    }

    /// <summary>Drops the entries of <paramref name="offset"/> and above.</summary>
    public void TruncateTo(long offset)
    {
        var count = Count;
        while (count > 0 && At(count - 1).Offset >= offset) count--;
        _entries.Truncate(count);
    }

    public void Dispose() => _entries.Dispose();

    private (long Timestamp, long Offset) Parse(ReadOnlySpan<byte> entry) =>
        (BinaryPrimitives.ReadInt64BigEndian(entry), baseOffset + BinaryPrimitives.ReadInt32BigEndian(entry[8..]));
}
