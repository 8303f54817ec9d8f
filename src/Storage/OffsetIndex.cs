using System.Buffers.Binary;

namespace Milena.Storage;

/// <summary>Sparse map from offsets to positions: int32 offset relative to the segment's base, int32 position of the batch that holds it.</summary>
internal sealed class OffsetIndex(IDisk disk, string path, long baseOffset) : IDisposable
{
    public const int EntryBytes = 8;
    private readonly IndexFile _entries = new(disk, path, EntryBytes, keyBytes: sizeof(int));

    public IndexFile File => _entries;
    public int Count => _entries.Count;

    /// <summary>A sealed index whose last entry fits the segment; false when it has to be rebuilt.</summary>
    public bool TryOpen(int segmentBytes)
    {
        if (!_entries.TryOpenSealed()) return false;
        if (Count == 0) return true;
        var (offset, position) = At(Count - 1);
        return offset >= baseOffset && position >= 0 && position < segmentBytes && (Count == 1 || At(0).Offset < offset);
    }

    /// <param name="lastOffset">Last offset of the batch at <paramref name="position"/>.</param>
    public void Append(long lastOffset, int position)
    {
        Span<byte> entry = stackalloc byte[EntryBytes];
        BinaryPrimitives.WriteInt32BigEndian(entry, checked((int)(lastOffset - baseOffset)));
        BinaryPrimitives.WriteInt32BigEndian(entry[4..], position);
        _entries.Append(entry);
    }

    public (long Offset, int Position) At(int index)
    {
        Span<byte> entry = stackalloc byte[EntryBytes];
        _entries.Read(index, entry);
        return Parse(entry);
    }

    /// <summary>The entry of the largest offset that is not above <paramref name="offset"/>; the segment's start when there is none.</summary>
    public (long Offset, int Position) Floor(long offset)
    {
        Span<byte> entry = stackalloc byte[EntryBytes];
        return _entries.Floor(offset - baseOffset, entry) < 0 ? (baseOffset, 0) : Parse(entry);
    }

    /// <summary>Where a batch begins from which one comes to <paramref name="position"/>: the last entry's that does not lie behind it, 0 where there is none.</summary>
    public int FloorPosition(int position)
    {
        var (low, high) = (0, Count);
        while (low < high)
        {
            var middle = (low + high) / 2;
            if (At(middle).Position <= position) low = middle + 1;
            else high = middle;
        }
        return low == 0 ? 0 : At(low - 1).Position;
    }

    /// <summary>Drops the entries of <paramref name="offset"/> and above.</summary>
    public void TruncateTo(long offset)
    {
        Span<byte> entry = stackalloc byte[EntryBytes];
        _entries.Truncate(_entries.Floor(offset - 1 - baseOffset, entry) + 1);
    }

    public void Dispose() => _entries.Dispose();

    private (long Offset, int Position) Parse(ReadOnlySpan<byte> entry) =>
        (baseOffset + BinaryPrimitives.ReadInt32BigEndian(entry), BinaryPrimitives.ReadInt32BigEndian(entry[4..]));
}
