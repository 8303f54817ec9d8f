using System.Runtime.CompilerServices;
using Milena.Model;

namespace Milena.Storage;

/// <summary>A stretch of the log in one file, with its indexes.</summary>
/// <remarks>
/// One writer, any number of readers. Its files stay open, or readable though renamed, while somebody holds it: the log itself, or a reader
/// between <see cref="TryAcquire"/> and <see cref="Release"/>. The last one out closes, and deletes a segment that was condemned.
/// </remarks>
internal sealed class Segment
{
    private readonly IDisk _disk;
    private readonly LazyFile _file;
    private int _holders = 1;
    private volatile int _size;
    private volatile bool _condemned;
    private volatile bool _truncated;
    private long _largestTimestamp = RecordBatchHeader.None;
    private int _bytesSinceIndexEntry;

    public Segment(IDisk disk, string folder, long baseOffset, long createdMs)
    {
        _disk = disk;
        Folder = folder;
        BaseOffset = baseOffset;
        CreatedMs = createdMs;
        _file = new LazyFile(disk, PathOf(LogFiles.LogSuffix));
        Offsets = new OffsetIndex(disk, PathOf(LogFiles.IndexSuffix), baseOffset);
        Times = new TimeIndex(disk, PathOf(LogFiles.TimeIndexSuffix), baseOffset);
        Transactions = new TransactionIndex(disk, PathOf(LogFiles.TransactionIndexSuffix));
    }

    public string Folder { get; }
    public long BaseOffset { get; }
    public long CreatedMs { get; }
    public OffsetIndex Offsets { get; }
    public TimeIndex Times { get; }
    public TransactionIndex Transactions { get; }
    public IDiskFile File => _file.Get();
    public string Path => _file.Path;
    public int Size => _size;

    /// <summary>-1 when the segment has no timestamps.</summary>
    public long LargestTimestamp => Volatile.Read(ref _largestTimestamp);

    /// <summary>Last offset of the first batch with the largest timestamp.</summary>
    public long OffsetOfLargestTimestamp { get; private set; }

    /// <summary>The maximum timestamp of the first batch, against which <c>segment.ms</c> is measured; null in an empty segment.</summary>
    public long? FirstTimestamp { get; private set; }

    /// <summary>Milliseconds at which retention takes the segment to have been written last.</summary>
    public long RetentionTimestamp(long fallbackMs) => LargestTimestamp >= 0 ? LargestTimestamp : fallbackMs;

    public string PathOf(string suffix) => LogFiles.Path(Folder, BaseOffset, suffix);

    public bool CanHold(long offset) => offset - BaseOffset is >= 0 and <= int.MaxValue;

    /// <summary>Writes whole batches at the end. Nothing is seen of them before <see cref="Publish"/>.</summary>
    public void Write(ReadOnlySpan<byte> batches) => File.Write(_size, batches);

    /// <summary>Notes one batch at <paramref name="position"/> in the indexes.</summary>
    public void Index(in RecordBatchHeader header, int position, int indexIntervalBytes)
    {
        FirstTimestamp ??= header.MaxTimestamp;
        NoteTimestamp(header.MaxTimestamp, header.LastOffset);
        if (_bytesSinceIndexEntry > indexIntervalBytes)
        {
            Offsets.Append(header.LastOffset, position);
            Times.MaybeAppend(_largestTimestamp, OffsetOfLargestTimestamp);
            _bytesSinceIndexEntry = 0;
        }
        _bytesSinceIndexEntry += header.SizeInBytes;
    }

    public void Publish(int size) => _size = size;

    /// <summary>Takes back what a failed write may have left behind the end. The next recovery does it, should this fail too.</summary>
    public void CutToSize() => File.SetLength(_size);

    public void Preallocate(int bytes) => File.SetLength(bytes);

    /// <summary>Where the batch is that holds <paramref name="offset"/>, or the first one after it.</summary>
    /// <returns>False when there is none before <paramref name="end"/>, a position.</returns>
    [SkipLocalsInit]
    public bool TryLocate(long offset, int end, out int position, out RecordBatchHeader header)
    {
        Span<byte> buffer = stackalloc byte[BatchScanner.BufferBytes];
        var scanner = new BatchScanner(File, Math.Min(end, Offsets.Floor(offset).Position), end, buffer);
        while (scanner.MoveNext())
        {
            if (scanner.Header.LastOffset < offset) continue;
            position = scanner.Position;
            header = scanner.Header;
            return true;
        }
        position = end;
        header = default;
        return false;
    }

    /// <summary>Restores timestamps from the indexes and the batches behind the last index entry of an intact segment.</summary>
    /// <returns>The offset after the last batch; null when the file does not end with one.</returns>
    [SkipLocalsInit]
    public long? ReadTail()
    {
        var (timestamp, offset) = Times.Last;
        Volatile.Write(ref _largestTimestamp, timestamp);
        OffsetOfLargestTimestamp = offset;
        Span<byte> buffer = stackalloc byte[BatchScanner.BufferBytes];
        var first = new BatchScanner(File, 0, _size, buffer);
        if (_size > 0 && first.MoveNext()) FirstTimestamp = first.Header.MaxTimestamp;

        var next = BaseOffset;
        var scanner = new BatchScanner(File, Offsets.Count == 0 ? 0 : Offsets.At(Offsets.Count - 1).Position, _size, buffer);
        while (scanner.MoveNext())
        {
            NoteTimestamp(scanner.Header.MaxTimestamp, scanner.Header.LastOffset);
            if (scanner.Header.NextOffset <= next) return null;
            next = scanner.Header.NextOffset;
        }
        return scanner.Damaged ? null : next;
    }

    /// <summary>Only the time index is read: good for a sealed segment.</summary>
    public void ReadLargestTimestamp()
    {
        var (timestamp, offset) = Times.Last;
        Volatile.Write(ref _largestTimestamp, timestamp);
        OffsetOfLargestTimestamp = offset;
    }

    /// <summary>Forgets what the indexes and timestamps say, before they are rebuilt.</summary>
    public void ResetIndexes()
    {
        Offsets.File.MakeEmptyAndWritable();
        Times.File.MakeEmptyAndWritable();
        FirstTimestamp = null;
        Volatile.Write(ref _largestTimestamp, RecordBatchHeader.None);
        OffsetOfLargestTimestamp = BaseOffset;
        _bytesSinceIndexEntry = 0;
    }

    public void MakeWritable()
    {
        Offsets.File.MakeWritable();
        Times.File.MakeWritable();
    }

    /// <summary>No more batches come: the time index gets its closing entry, the files their final length.</summary>
    public void Seal(bool trim)
    {
        Times.MaybeAppend(_largestTimestamp, OffsetOfLargestTimestamp);
        Offsets.File.Seal();
        Times.File.Seal();
        if (trim) CutToSize();
    }

    /// <summary>Makes everything durable that is in the segment now. Safe beside the writer.</summary>
    public void Sync()
    {
        if (_size > 0 || _truncated) File.Sync();
        Offsets.File.Persist(sync: true);
        Times.File.Persist(sync: true);
        Transactions.Sync();
    }

    /// <summary>Drops the batches from <paramref name="offset"/> on.</summary>
    /// <returns>Bytes dropped.</returns>
    public int TruncateTo(long offset)
    {
        var size = _size;
        TryLocate(offset, size, out var position, out _);
        Offsets.TruncateTo(offset);
        Times.TruncateTo(offset);
        MakeWritable();
        Transactions.TruncateTo(offset);
        _size = position;
        _truncated = true;
        _bytesSinceIndexEntry = 0;
        File.SetLength(position);
        FirstTimestamp = null;
        ReadTail();
        return size - position;
    }

    public bool TryAcquire()
    {
        var holders = Volatile.Read(ref _holders);
        while (holders > 0)
        {
            var seen = Interlocked.CompareExchange(ref _holders, holders + 1, holders);
            if (seen == holders) return true;
            holders = seen;
        }
        return false;
    }

    public void Release()
    {
        if (Interlocked.Decrement(ref _holders) > 0) return;
        CloseFiles();
        if (_condemned) DeleteFiles();
    }

    /// <summary>Renames the files to <c>.deleted</c>; they are deleted with the last <see cref="Release"/>.</summary>
    public void Condemn()
    {
        _condemned = true;
        _file.Rename(PathOf(LogFiles.LogSuffix) + LogFiles.DeletedSuffix);
        Offsets.File.Rename(PathOf(LogFiles.IndexSuffix) + LogFiles.DeletedSuffix);
        Times.File.Rename(PathOf(LogFiles.TimeIndexSuffix) + LogFiles.DeletedSuffix);
        Transactions.File.Rename(PathOf(LogFiles.TransactionIndexSuffix) + LogFiles.DeletedSuffix);
    }

    private void CloseFiles()
    {
        _file.Dispose();
        Offsets.Dispose();
        Times.Dispose();
        Transactions.Dispose();
    }

    private void DeleteFiles()
    {
        foreach (var path in (string[])[_file.Path, Offsets.File.Path, Times.File.Path, Transactions.File.Path]) _disk.DeleteFile(path);
    }

    private void NoteTimestamp(long timestamp, long lastOffset)
    {
        if (timestamp <= _largestTimestamp) return;
        OffsetOfLargestTimestamp = lastOffset;
        Volatile.Write(ref _largestTimestamp, timestamp);
    }
}
