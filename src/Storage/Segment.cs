using System.Globalization;
using Microsoft.Win32.SafeHandles;
using Milena.Model;

namespace Milena.Storage;

/// <summary>One segment of a log: its batches in a file, and the two sparse indexes over them.</summary>
/// <remarks>Written by the log's one writer; readers hold it with <see cref="TryAcquire"/>, and its files go when the last one lets go.</remarks>
internal sealed class Segment
{
    private readonly SafeFileHandle _file;
    private readonly string _path;
    private int _references = 1;
    private int _size;
    private int _bytesSinceIndexEntry;
    private bool _deleted;

    private Segment(string folder, long baseOffset)
    {
        BaseOffset = baseOffset;
        _path = PathOf(folder, baseOffset, "");
        _file = File.OpenHandle(_path + "log", FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
        Offsets = new SparseIndex(_path + "index", sizeof(int));
        Times = new SparseIndex(_path + "timeindex", sizeof(long));
        CreatedUtc = File.GetCreationTimeUtc(_path + "log");
    }

    public long BaseOffset { get; }
    public SparseIndex Offsets { get; }
    public SparseIndex Times { get; }

    /// <summary>The largest timestamp of any record, -1 while there is none, and the last offset of the batch that has it.</summary>
    public (long Timestamp, long Offset) MaxTimestamp { get; private set; } = (-1, -1);

    /// <summary>The first record's time, by which a segment ages; null while it is empty.</summary>
    public long? FirstTimestamp { get; private set; }

    public DateTime CreatedUtc { get; }

    public int Size => Volatile.Read(ref _size);

    public static string PathOf(string folder, long offset, string extension) =>
        Path.Combine(folder, offset.ToString("D20", CultureInfo.InvariantCulture) + "." + extension);

    public static Segment Open(string folder, long baseOffset)
    {
        var segment = new Segment(folder, baseOffset);
        segment._size = (int)RandomAccess.GetLength(segment._file);
        return segment;
    }

    /// <summary>Loads the indexes; false when they are missing or do not fit the file, so that the segment must be scanned.</summary>
    public bool TryLoadIndexes()
    {
        if (!Offsets.TryLoad() || !Times.TryLoad() || Offsets.Last is { } last && last.Value >= _size)
        {
            Offsets.Clear();
            Times.Clear();
            return false;
        }

        if (Times.Last is { } time)
        {
            MaxTimestamp = (time.Key, BaseOffset + time.Value);
        }

        if (ReadHeader(0, _size) is { } first)
        {
            FirstTimestamp = first.MaxTimestamp;
        }

        return true;
    }

    /// <summary>Appends one batch whose header is given; the caller has stamped it.</summary>
    public void Append(ReadOnlySpan<byte> batch, in RecordBatchHeader header, int indexIntervalBytes)
    {
        var position = _size;
        RandomAccess.Write(_file, batch, position);
        Indexed(header, position, indexIntervalBytes);
        Volatile.Write(ref _size, position + batch.Length);
    }

    /// <summary>Notes a batch that stands at a position in the indexes.</summary>
    public void Indexed(in RecordBatchHeader header, int position, int indexIntervalBytes)
    {
        FirstTimestamp ??= header.MaxTimestamp;
        if (header.MaxTimestamp > MaxTimestamp.Timestamp)
        {
            MaxTimestamp = (header.MaxTimestamp, header.LastOffset);
        }

        if (_bytesSinceIndexEntry > indexIntervalBytes)
        {
            Offsets.Append(header.LastOffset - BaseOffset, position);
            AppendTime();
            _bytesSinceIndexEntry = 0;
        }

        _bytesSinceIndexEntry += header.Size;
    }

    /// <summary>The time index ends with the largest time, so that a loaded segment knows it.</summary>
    public void SaveIndexes()
    {
        AppendTime();
        Offsets.Save();
        Times.Save();
    }

    public int Read(int position, Span<byte> destination) => RandomAccess.Read(_file, destination, position);

    /// <summary>The header of the batch at a position, null where no whole one lies before <paramref name="end"/>.</summary>
    public RecordBatchHeader? ReadHeader(int position, int end)
    {
        if (end - position < RecordBatchHeader.Bytes)
        {
            return null;
        }

        Span<byte> bytes = stackalloc byte[RecordBatchHeader.Bytes];
        return Read(position, bytes) == bytes.Length && RecordBatchHeader.TryRead(bytes, out var header) && header.Size <= end - position ? header : null;
    }

    /// <summary>Where the batch that holds an offset, or the first one after it, begins; <paramref name="end"/> when all are before it.</summary>
    public int PositionOf(long offset, int end)
    {
        // An index entry names the last offset of its batch: the entry before the wanted offset is a safe place to start.
        var position = Offsets.Floor(offset - BaseOffset - 1)?.Value ?? 0;
        while (position < end && ReadHeader(position, end) is { } header)
        {
            if (header.LastOffset >= offset)
            {
                return position;
            }

            position += header.Size;
        }

        return end;
    }

    public void Truncate(int size)
    {
        RandomAccess.SetLength(_file, size);
        Volatile.Write(ref _size, size);
        Offsets.TrimEnd(entry => entry.Value >= size);
        var end = ReadHeader(0, size) is null ? BaseOffset : LastOffsetBefore(size) + 1;
        Times.TrimEnd(entry => BaseOffset + entry.Value >= end);
        MaxTimestamp = Times.Last is { } time ? (time.Key, BaseOffset + time.Value) : (-1, -1);
        FirstTimestamp = ReadHeader(0, size)?.MaxTimestamp;
    }

    public void Flush() => RandomAccess.FlushToDisk(_file);

    public bool TryAcquire()
    {
        int seen;
        do
        {
            seen = Volatile.Read(ref _references);
            if (seen == 0)
            {
                return false;
            }
        }
        while (Interlocked.CompareExchange(ref _references, seen + 1, seen) != seen);
        return true;
    }

    public void Release()
    {
        if (Interlocked.Decrement(ref _references) == 0)
        {
            _file.Dispose();
            if (_deleted)
            {
                foreach (var extension in (string[])["log", "index", "timeindex", "txnindex"])
                {
                    File.Delete(_path + extension);
                }
            }
        }
    }

    /// <summary>The owner's own reference goes; the files follow when the last reader is done.</summary>
    public void Delete()
    {
        _deleted = true;
        Release();
    }

    private long LastOffsetBefore(int end)
    {
        var position = Offsets.Last?.Value ?? 0;
        var last = BaseOffset - 1;
        while (ReadHeader(position, end) is { } header)
        {
            last = header.LastOffset;
            position += header.Size;
        }

        return last;
    }

    private void AppendTime()
    {
        if (MaxTimestamp.Timestamp > (Times.Last?.Key ?? -1))
        {
            Times.Append(MaxTimestamp.Timestamp, (int)(MaxTimestamp.Offset - BaseOffset));
        }
    }
}
