using System.Buffers.Binary;
using System.Collections.Immutable;

namespace Milena.Storage;

/// <summary>A transaction whose records a READ_COMMITTED reader has to skip.</summary>
/// <param name="LastOffset">Of its ABORT marker.</param>
/// <param name="LastStableOffset">When the marker was written: below it no other transaction was open.</param>
public readonly record struct AbortedTransaction(long ProducerId, long FirstOffset, long LastOffset, long LastStableOffset);

/// <summary>The aborted transactions whose marker lies in one segment: int16 version 0 and four int64 each. Small, and kept in memory.</summary>
internal sealed class TransactionIndex(IDisk disk, string path) : IDisposable
{
    public const int EntryBytes = 34;
    private const short Version = 0;
    private readonly LazyFile _file = new(disk, path);
    private ImmutableArray<AbortedTransaction> _entries = [];
    private volatile bool _unsynced;

    public LazyFile File => _file;
    public ImmutableArray<AbortedTransaction> Entries => _entries;

    /// <summary>False when the file holds what no version of it could.</summary>
    public bool TryOpen()
    {
        if (!disk.FileExists(_file.Path)) return true;
        var bytes = disk.ReadAll(_file.Path);
        if (bytes.Length % EntryBytes != 0) return false;
        var entries = ImmutableArray.CreateBuilder<AbortedTransaction>(bytes.Length / EntryBytes);
        for (var at = 0; at < bytes.Length; at += EntryBytes)
        {
            var entry = bytes.AsSpan(at, EntryBytes);
            if (BinaryPrimitives.ReadInt16BigEndian(entry) != Version) return false;
            entries.Add(new AbortedTransaction(
                BinaryPrimitives.ReadInt64BigEndian(entry[2..]),
                BinaryPrimitives.ReadInt64BigEndian(entry[10..]),
                BinaryPrimitives.ReadInt64BigEndian(entry[18..]),
                BinaryPrimitives.ReadInt64BigEndian(entry[26..])));
        }
        _entries = entries.ToImmutable();
        return true;
    }

    public void Append(in AbortedTransaction aborted)
    {
        Span<byte> entry = stackalloc byte[EntryBytes];
        BinaryPrimitives.WriteInt16BigEndian(entry, Version);
        BinaryPrimitives.WriteInt64BigEndian(entry[2..], aborted.ProducerId);
        BinaryPrimitives.WriteInt64BigEndian(entry[10..], aborted.FirstOffset);
        BinaryPrimitives.WriteInt64BigEndian(entry[18..], aborted.LastOffset);
        BinaryPrimitives.WriteInt64BigEndian(entry[26..], aborted.LastStableOffset);
        _file.Get().Write((long)_entries.Length * EntryBytes, entry);
        _entries = _entries.Add(aborted);
        _unsynced = true;
    }

    /// <summary>Drops the transactions whose marker is at <paramref name="offset"/> or above.</summary>
    public void TruncateTo(long offset)
    {
        var kept = _entries.RemoveAll(entry => entry.LastOffset >= offset);
        if (kept.Length == _entries.Length && disk.FileLength(_file.Path) == (long)kept.Length * EntryBytes) return;
        _entries = kept;
        _file.Get().SetLength((long)kept.Length * EntryBytes);
        _unsynced = true;
    }

    public void Sync()
    {
        if (!_unsynced) return;
        _unsynced = false;
        _file.Get().Sync();
    }

    public void Dispose() => _file.Dispose();
}
