using System.Globalization;

namespace Milena.Storage;

/// <summary>Where each leader epoch began in a log (KIP-101), kept in <c>leader-epoch-checkpoint</c> in Kafka's format.</summary>
/// <remarks>One writer; readers take the list as it is.</remarks>
public sealed class LeaderEpochs
{
    private readonly string _path;
    private (int Epoch, long StartOffset)[] _entries;

    public LeaderEpochs(string folder)
    {
        _path = Path.Combine(folder, "leader-epoch-checkpoint");
        _entries = File.Exists(_path) ? Parse(File.ReadAllLines(_path)) : [];
    }

    public IReadOnlyList<(int Epoch, long StartOffset)> Entries => Volatile.Read(ref _entries);

    public int Latest => Entries is { Count: > 0 } entries ? entries[^1].Epoch : -1;

    /// <summary>Notes that an epoch begins at an offset; an epoch that is known already changes nothing.</summary>
    public void Assign(int epoch, long startOffset)
    {
        if (epoch > Latest)
        {
            // An earlier epoch that begins at the same offset wrote nothing.
            Replace([.. _entries.Where(entry => entry.StartOffset < startOffset), (epoch, startOffset)]);
        }
    }

    /// <summary>The largest epoch at or below the wanted one, and where it ends; (-1, -1) when there is none.</summary>
    public (int Epoch, long EndOffset) EndOf(int epoch, long logEndOffset)
    {
        var entries = Entries;
        if (epoch < 0 || entries.Count == 0 || epoch > entries[^1].Epoch)
        {
            return (-1, -1);
        }

        for (var index = entries.Count - 1; index >= 0; index--)
        {
            if (entries[index].Epoch <= epoch)
            {
                return (entries[index].Epoch, index + 1 < entries.Count ? entries[index + 1].StartOffset : logEndOffset);
            }
        }

        return (epoch, entries[0].StartOffset);
    }

    public int? EpochOf(long offset)
    {
        var entries = Entries;
        for (var index = entries.Count - 1; index >= 0; index--)
        {
            if (entries[index].StartOffset <= offset)
            {
                return entries[index].Epoch;
            }
        }

        return null;
    }

    public void TruncateFrom(long endOffset)
    {
        if (_entries.Any(entry => entry.StartOffset >= endOffset))
        {
            Replace([.. _entries.Where(entry => entry.StartOffset < endOffset)]);
        }
    }

    private void Replace((int Epoch, long StartOffset)[] entries)
    {
        Volatile.Write(ref _entries, entries);
        Checkpoints.WriteAtomically(
            _path, [.. entries.Select(entry => string.Create(CultureInfo.InvariantCulture, $"{entry.Epoch} {entry.StartOffset}"))]);
    }

    private static (int, long)[] Parse(string[] lines) =>
    [
        .. lines.Skip(2).Select(line => line.Split(' ')).Where(parts => parts.Length == 2)
            .Select(parts => (int.Parse(parts[0], CultureInfo.InvariantCulture), long.Parse(parts[1], CultureInfo.InvariantCulture)))
    ];
}

/// <summary>Kafka's small text files: version 0, a count, then a line per entry.</summary>
public static class Checkpoints
{
    /// <summary>Replaces the file in one step, after its bytes have reached the disk.</summary>
    public static void WriteAtomically(string path, IReadOnlyList<string> lines)
    {
        var text = string.Join('\n', (string[])["0", lines.Count.ToString(CultureInfo.InvariantCulture), .. lines]) + "\n";
        var temporary = path + ".tmp";
        using (var file = File.OpenHandle(temporary, FileMode.Create, FileAccess.Write))
        {
            RandomAccess.Write(file, System.Text.Encoding.UTF8.GetBytes(text), 0);
            RandomAccess.FlushToDisk(file);
        }

        File.Move(temporary, path, overwrite: true);
    }

    /// <summary>Offsets by partition folder name; empty when there is no file.</summary>
    public static Dictionary<string, long> ReadOffsets(string path)
    {
        var offsets = new Dictionary<string, long>();
        foreach (var line in File.Exists(path) ? File.ReadAllLines(path).Skip(2) : [])
        {
            if (line.Split(' ') is [var topic, var partition, var offset] && long.TryParse(offset, CultureInfo.InvariantCulture, out var number))
            {
                offsets[$"{topic}-{partition}"] = number;
            }
        }

        return offsets;
    }
}
