using System.Buffers.Binary;
using System.Runtime.CompilerServices;

namespace Milena.Storage;

/// <summary>Fixed-size entries in ascending order of their first field, the key, as both sparse indexes of a segment have them.</summary>
/// <remarks>
/// The writable index of an active segment lives in memory, which holds about 5 bytes for each KiB of log, and reaches the file when the
/// segment is sealed, flushed or closed; an index that a crash leaves behind is rebuilt from the log. A sealed index is read by position:
/// it is halved until what is left fits into a block on the stack, which is read at once.
/// One writer; readers need no lock, because a truncation leaves them their old array.
/// </remarks>
/// <param name="keyBytes">4 or 8: a big-endian integer.</param>
internal sealed class IndexFile(IDisk disk, string path, int entryBytes, int keyBytes) : IDisposable
{
    private const int FirstCapacity = 8;
    private const int BlockBytes = 4096;
    private readonly LazyFile _file = new(disk, path);
    private readonly Lock _persisting = new();
    private volatile byte[]? _memory;
    private volatile int _count;
    private int _persisted;
    private bool _unsynced;

    public int Count => _count;
    public string Path => _file.Path;
    public int SizeInBytes => _count * entryBytes;

    /// <summary>Takes the file's length as it is. False when it cannot be a sealed index.</summary>
    public bool TryOpenSealed()
    {
        if (!disk.FileExists(Path)) return false;
        var length = disk.FileLength(Path);
        _count = _persisted = (int)(length / entryBytes);
        return length % entryBytes == 0;
    }

    /// <summary>Brings the entries into memory, so that more can be appended.</summary>
    public void MakeWritable()
    {
        if (_memory is not null) return;
        var memory = new byte[_count * entryBytes];
        if (_count > 0 && _file.Get().Read(0, memory) != memory.Length) throw new IOException($"The index '{Path}' is shorter than it was.");
        _memory = memory;
    }

    /// <summary>Forgets all entries, those of the file too, which may be anything.</summary>
    public void MakeEmptyAndWritable()
    {
        lock (_persisting)
        {
            _count = 0;
            _memory = [];
            _persisted = 0;
            if (disk.FileLength(Path) == 0) return;
            _file.Get().SetLength(0);
            _unsynced = true;
        }
    }

    public void Append(ReadOnlySpan<byte> entry)
    {
        var memory = _memory ?? throw new InvalidOperationException($"The index '{Path}' is sealed.");
        var at = _count * entryBytes;
        if (at + entryBytes > memory.Length)
        {
            Array.Resize(ref memory, Math.Max(FirstCapacity * entryBytes, memory.Length * 2));
            _memory = memory;
        }
        entry.CopyTo(memory.AsSpan(at));
        _count++;
    }

    public void Truncate(int count)
    {
        if (count >= _count) return;
        MakeWritable();
        lock (_persisting)
        {
            // A new array: a reader that found its place in the old one keeps that.
            var kept = _memory.AsSpan(0, count * entryBytes).ToArray();
            _count = count;
            _memory = kept;
            if (_persisted <= count) return;
            _file.Get().SetLength((long)count * entryBytes);
            _persisted = count;
            _unsynced = true;
        }
    }

    /// <summary>Reads one entry; zeroes, which stand for the segment's start, when a truncation took it away meanwhile.</summary>
    public void Read(int index, Span<byte> entry)
    {
        var at = index * entryBytes;
        if (_memory is not { } memory)
        {
            if (_file.Get().Read(at, entry) != entryBytes) entry.Clear();
        }
        else if (at + entryBytes <= memory.Length)
        {
            memory.AsSpan(at, entryBytes).CopyTo(entry);
        }
        else
        {
            entry.Clear();
        }
    }

    /// <summary>Finds the last entry whose key is not above <paramref name="key"/>.</summary>
    /// <param name="entry">Receives it; untouched when there is none.</param>
    /// <returns>Its index; -1 when there is none.</returns>
    public int Floor(long key, Span<byte> entry)
    {
        var count = _count;
        if (_memory is not { } memory) return FloorInFile(count, key, entry);
        count = Math.Min(count, memory.Length / entryBytes);
        return FloorIn(memory.AsSpan(0, count * entryBytes), key, entry);
    }

    /// <summary>Writes what the file lacks; with <paramref name="sync"/> makes it durable. Safe beside the writer.</summary>
    public void Persist(bool sync)
    {
        lock (_persisting)
        {
            var count = _count;
            var memory = _memory;
            if (memory is not null && (_persisted != count || !disk.FileExists(Path)))
            {
                var file = _file.Get();
                file.Write((long)_persisted * entryBytes, memory.AsSpan(_persisted * entryBytes, (count - _persisted) * entryBytes));
                file.SetLength((long)count * entryBytes);
                _persisted = count;
                _unsynced = true;
            }
            // An index that lost its length is rebuilt like one that lost entries.
            if (sync && _unsynced)
            {
                _file.Get().Sync();
                _unsynced = false;
            }
        }
    }

    /// <summary>The segment gets no more entries: the file has them all, and the memory is given back.</summary>
    public void Seal()
    {
        Persist(sync: false);
        _memory = null;
    }

    public void Rename(string path) => _file.Rename(path);

    public void Delete() => _file.Delete();

    public void Dispose() => _file.Dispose();

    // What a truncation takes away meanwhile reads as zeros, as in Read.
    [SkipLocalsInit]
    private int FloorInFile(int count, long key, Span<byte> entry)
    {
        Span<byte> block = stackalloc byte[BlockBytes];
        int low = 0, high = count;
        while ((high - low) * entryBytes > BlockBytes)
        {
            var middle = (low + high) >>> 1;
            var probe = block[..entryBytes];
            Read(middle, probe);
            if (KeyOf(probe) <= key) low = middle;
            else high = middle;
        }
        if (low == high) return -1;
        block = block[..((high - low) * entryBytes)];
        block[_file.Get().Read((long)low * entryBytes, block)..].Clear();
        var found = FloorIn(block, key, entry);
        return found < 0 ? -1 : low + found;
    }

    private int FloorIn(ReadOnlySpan<byte> entries, long key, Span<byte> entry)
    {
        int low = 0, high = (entries.Length / entryBytes) - 1;
        while (low <= high)
        {
            var middle = (low + high) >>> 1;
            if (KeyOf(entries[(middle * entryBytes)..]) <= key) low = middle + 1;
            else high = middle - 1;
        }
        if (high >= 0) entries.Slice(high * entryBytes, entryBytes).CopyTo(entry);
        return high;
    }

    private long KeyOf(ReadOnlySpan<byte> entry) =>
        keyBytes == sizeof(int) ? BinaryPrimitives.ReadInt32BigEndian(entry) : BinaryPrimitives.ReadInt64BigEndian(entry);
}
