using System.Buffers.Binary;

namespace Milena.Storage;

/// <summary>
/// A sorted run of (key, value) entries of one segment, few enough to be held in memory: the offset index maps relative offsets to
/// positions, the time index timestamps to relative offsets. Written by the log's one writer, read by anybody.
/// </summary>
internal sealed class SparseIndex(string path, int keyBytes)
{
    private (long Key, int Value)[] _entries = [];
    private int _count;
    private bool _dirty;

    public int Count => Volatile.Read(ref _count);

    public int SizeInBytes => Count * EntryBytes;

    private int EntryBytes => keyBytes + sizeof(int);

    public (long Key, int Value)? Last => Count is var count and > 0 ? Volatile.Read(ref _entries)[count - 1] : null;

    public void Append(long key, int value)
    {
        var entries = _entries;
        if (_count == entries.Length)
        {
            Array.Resize(ref entries, Math.Max(16, 2 * entries.Length));
            Volatile.Write(ref _entries, entries);
        }

        entries[_count] = (key, value);
        Volatile.Write(ref _count, _count + 1);
        _dirty = true;
    }

    /// <summary>The last entry whose key is at most <paramref name="key"/>, null when all are larger.</summary>
    public (long Key, int Value)? Floor(long key)
    {
        // The count is read first: the array that is read after it holds at least so many.
        var (low, high) = (0, Count - 1);
        var entries = Volatile.Read(ref _entries);
        while (low <= high)
        {
            var middle = (low + high) >>> 1;
            if (entries[middle].Key <= key)
            {
                low = middle + 1;
            }
            else
            {
                high = middle - 1;
            }
        }

        return high >= 0 ? entries[high] : null;
    }

    /// <summary>Drops the entries that <paramref name="drop"/> names, from the end.</summary>
    public void TrimEnd(Func<(long Key, int Value), bool> drop)
    {
        var count = _count;
        while (count > 0 && drop(_entries[count - 1]))
        {
            count--;
        }

        _dirty |= count != _count;
        Volatile.Write(ref _count, count);
    }

    public void Clear() => TrimEnd(_ => true);

    /// <returns>False when there is no file, or not one of whole entries in order.</returns>
    public bool TryLoad()
    {
        if (!File.Exists(path))
        {
            return false;
        }

        var bytes = File.ReadAllBytes(path);
        if (bytes.Length % EntryBytes != 0)
        {
            return false;
        }

        var entries = new (long Key, int Value)[bytes.Length / EntryBytes];
        for (var index = 0; index < entries.Length; index++)
        {
            var entry = bytes.AsSpan(index * EntryBytes);
            entries[index] = (
                keyBytes == sizeof(int) ? BinaryPrimitives.ReadInt32BigEndian(entry) : BinaryPrimitives.ReadInt64BigEndian(entry),
                BinaryPrimitives.ReadInt32BigEndian(entry[keyBytes..]));
            if (index > 0 && entries[index].Key < entries[index - 1].Key)
            {
                return false;
            }
        }

        _entries = entries;
        Volatile.Write(ref _count, entries.Length);
        return true;
    }

    public void Save()
    {
        if (!_dirty && File.Exists(path))
        {
            return;
        }

        var bytes = new byte[SizeInBytes];
        for (var index = 0; index < _count; index++)
        {
            var entry = bytes.AsSpan(index * EntryBytes);
            if (keyBytes == sizeof(int))
            {
                BinaryPrimitives.WriteInt32BigEndian(entry, (int)_entries[index].Key);
            }
            else
            {
                BinaryPrimitives.WriteInt64BigEndian(entry, _entries[index].Key);
            }

            BinaryPrimitives.WriteInt32BigEndian(entry[keyBytes..], _entries[index].Value);
        }

        File.WriteAllBytes(path, bytes);
        _dirty = false;
    }
}
