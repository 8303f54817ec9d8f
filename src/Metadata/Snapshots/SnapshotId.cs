using System.Globalization;

namespace Milena.Metadata.Snapshots;

/// <summary>Names a snapshot: the image of every metadata record below an offset, the last of which was written in an epoch.</summary>
/// <remarks>In a file's name as Kafka has it: <c>{end offset, 20 digits}-{epoch, 10 digits}.checkpoint</c>.</remarks>
public readonly record struct SnapshotId(long EndOffset, int Epoch) : IComparable<SnapshotId>
{
    public const string Suffix = ".checkpoint";
    private const int OffsetDigits = 20;
    private const int EpochDigits = 10;

    public string FileName => string.Create(CultureInfo.InvariantCulture, $"{EndOffset:D20}-{Epoch:D10}{Suffix}");

    /// <summary>The id in a file's name; false for any other file, one that is still being written among them.</summary>
    public static bool TryParse(string path, out SnapshotId id)
    {
        id = default;
        var name = Path.GetFileName(path.AsSpan());
        if (name.Length != OffsetDigits + 1 + EpochDigits + Suffix.Length || name[OffsetDigits] != '-' || !name.EndsWith(Suffix, StringComparison.Ordinal))
        {
            return false;
        }

        var parsed = long.TryParse(name[..OffsetDigits], NumberStyles.None, CultureInfo.InvariantCulture, out var endOffset)
            & int.TryParse(name.Slice(OffsetDigits + 1, EpochDigits), NumberStyles.None, CultureInfo.InvariantCulture, out var epoch);
        id = new SnapshotId(endOffset, epoch);
        return parsed;
    }

    public int CompareTo(SnapshotId other) => (EndOffset, Epoch).CompareTo((other.EndOffset, other.Epoch));

    public static bool operator <(SnapshotId left, SnapshotId right) => left.CompareTo(right) < 0;

    public static bool operator >(SnapshotId left, SnapshotId right) => left.CompareTo(right) > 0;

    public static bool operator <=(SnapshotId left, SnapshotId right) => left.CompareTo(right) <= 0;

    public static bool operator >=(SnapshotId left, SnapshotId right) => left.CompareTo(right) >= 0;
}
