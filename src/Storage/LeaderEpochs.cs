using System.Collections.Immutable;
using System.Globalization;

namespace Milena.Storage;

/// <summary>A leader epoch and the offset at which it began.</summary>
public readonly record struct EpochStart(int Epoch, long StartOffset);

/// <summary>The answer to "where does this epoch end here?": -1 and -1 when it is unknown (KIP-101, KIP-279).</summary>
public readonly record struct EpochEnd(int Epoch, long EndOffset)
{
    public static EpochEnd Unknown { get; } = new(-1, -1);
}

/// <summary>The file <c>leader-epoch-checkpoint</c>: which epoch wrote from which offset on.</summary>
/// <remarks>Changed by the log's writer only; readers see an immutable list. Written without fsync where the log is appended to, because the
/// batches say the same and recovery reads them; <see cref="Sync"/> makes it durable with the log.</remarks>
public sealed class LeaderEpochs
{
    private readonly IDisk _disk;
    private readonly string _path;
    private readonly Lock _writing = new();
    private ImmutableArray<EpochStart> _starts = [];
    private volatile bool _unsynced;

    private LeaderEpochs(IDisk disk, string folder)
    {
        _disk = disk;
        _path = Path.Combine(folder, LogFiles.LeaderEpochs);
    }

    public ImmutableArray<EpochStart> Starts => _starts;

    /// <summary>Null before the first batch.</summary>
    public int? Latest => _starts is [.., var last] ? last.Epoch : null;

    /// <param name="damaged">The file was there and unreadable: the epochs have to be read from the log.</param>
    internal static LeaderEpochs Open(IDisk disk, string folder, out bool damaged)
    {
        var epochs = new LeaderEpochs(disk, folder);
        damaged = !epochs.TryLoad();
        return epochs;
    }

    /// <summary>Says that <paramref name="epoch"/> writes from <paramref name="startOffset"/> on; an epoch that is not newer is ignored.</summary>
    internal bool Assign(int epoch, long startOffset, bool write = true)
    {
        if (epoch < 0 || (Latest is { } latest && epoch <= latest)) return false;
        Begin(epoch, startOffset, write);
        return true;
    }

    // Apart from Assign, which every append calls: the closure would be allocated there each time.
    private void Begin(int epoch, long startOffset, bool write)
    {
        // An epoch that began where this one does has written nothing.
        _starts = _starts.RemoveAll(start => start.StartOffset >= startOffset).Add(new EpochStart(epoch, startOffset));
        if (write) Write(sync: false);
    }

    /// <summary>Where <paramref name="epoch"/>, or the largest known epoch below it, ends.</summary>
    public EpochEnd EndOf(int epoch, long logEndOffset)
    {
        var starts = _starts;
        if (epoch < 0 || starts.IsEmpty) return EpochEnd.Unknown;
        if (starts[^1].Epoch == epoch) return new EpochEnd(epoch, logEndOffset);
        var higher = 0;
        while (higher < starts.Length && starts[higher].Epoch <= epoch) higher++;
        if (higher == starts.Length) return EpochEnd.Unknown;
        return higher == 0
            ? new EpochEnd(epoch, starts[0].StartOffset)
            : new EpochEnd(starts[higher - 1].Epoch, starts[higher].StartOffset);
    }

    /// <summary>The epoch that wrote <paramref name="offset"/>; null when it is below all that is known.</summary>
    public int? EpochOf(long offset)
    {
        var starts = _starts;
        for (var i = starts.Length - 1; i >= 0; i--)
        {
            if (starts[i].StartOffset <= offset) return starts[i].Epoch;
        }
        return null;
    }

    /// <returns>True when an epoch went.</returns>
    internal bool TruncateFromEnd(long endOffset, bool write = true)
    {
        var kept = _starts.RemoveAll(start => start.StartOffset >= endOffset);
        if (kept.Length == _starts.Length) return false;
        Replace(kept, write);
        return true;
    }

    /// <summary>The epoch that covers <paramref name="startOffset"/> now begins there; earlier ones go.</summary>
    internal void TruncateFromStart(long startOffset)
    {
        if (EpochOf(startOffset) is not { } covering) return;
        var kept = _starts.RemoveAll(start => start.StartOffset <= startOffset).Insert(0, new EpochStart(covering, startOffset));
        if (kept[0] != _starts[0] || kept.Length != _starts.Length) Replace(kept);
    }

    internal void Clear()
    {
        if (!_starts.IsEmpty) Replace([]);
    }

    internal void Write(bool sync)
    {
        // The flusher's thread writes beside the log's writer.
        lock (_writing)
        {
            var lines = _starts.Select(start => string.Create(CultureInfo.InvariantCulture, $"{start.Epoch} {start.StartOffset}"));
            // Who syncs the file syncs the folder after it, with the log's other files.
            TextCheckpoint.Write(_disk, _path, lines, sync, syncFolder: false);
            _unsynced = !sync;
        }
    }

    internal void Sync()
    {
        if (_unsynced) Write(sync: true);
    }

    private void Replace(ImmutableArray<EpochStart> starts, bool write = true)
    {
        _starts = starts;
        if (write) Write(sync: false);
    }

    private bool TryLoad()
    {
        if (TextCheckpoint.TryRead(_disk, _path, fields: 2) is not { } entries) return false;
        var starts = ImmutableArray.CreateBuilder<EpochStart>(entries.Count);
        foreach (var entry in entries)
        {
            if (!TextCheckpoint.TryInt(entry[0], out var epoch) || !TextCheckpoint.TryLong(entry[1], out var offset)) return false;
            if (starts.Count > 0 && (epoch <= starts[^1].Epoch || offset < starts[^1].StartOffset)) return false;
            starts.Add(new EpochStart(epoch, offset));
        }
        _starts = starts.ToImmutable();
        return true;
    }
}
