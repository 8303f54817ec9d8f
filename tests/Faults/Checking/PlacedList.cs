using System.Collections;
using System.Runtime.InteropServices;

namespace Milena.Faults.Checking;

/// <summary>Values at offsets, in the order in which they were added, of which a campaign at full load has more than a hundred million: each takes 24 bytes, and nothing moves as they become more.</summary>
/// <remarks>Times are kept in milliseconds. For one thread at a time.</remarks>
public sealed class PlacedList : IReadOnlyCollection<Placed>
{
    private const int PerChunk = 1 << 12;

    private readonly List<Entry[]> _chunks = [];

    public int Count { get; private set; }

    /// <exception cref="OverflowException">After seven weeks.</exception>
    public void Add(Placed placed)
    {
        if (Count == _chunks.Count * PerChunk)
        {
            _chunks.Add(new Entry[PerChunk]);
        }

        _chunks[^1][Count % PerChunk] = new Entry(placed.Offset, placed.Value.Writer, placed.Value.Number, checked((uint)placed.At.TotalMilliseconds));
        Count++;
    }

    public IEnumerator<Placed> GetEnumerator()
    {
        for (var index = 0; index < Count; index++)
        {
            var (offset, writer, number, at) = _chunks[index / PerChunk][index % PerChunk];
            yield return new Placed(offset, new Value(writer, number), TimeSpan.FromMilliseconds(at));
        }
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    [StructLayout(LayoutKind.Sequential, Pack = sizeof(int))]
    private readonly record struct Entry(long Offset, int Writer, long Number, uint AtMs);
}
