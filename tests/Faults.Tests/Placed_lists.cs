using Milena.Faults.Checking;

namespace Milena.Faults.Tests;

/// <summary>What a campaign remembers of each record.</summary>
public sealed class Placed_lists
{
    [Fact]
    public void Everything_comes_back_in_its_order_whole_but_for_parts_of_a_millisecond()
    {
        Placed[] placed = [.. Enumerable.Range(0, 10_000).Select(number => new Placed(
            number % 3 == 0 ? Placed.Unknown : (1L << 40) + number, new Value(number % 7, long.MaxValue - number), TimeSpan.FromMilliseconds(number)))];
        var list = new PlacedList();
        foreach (var one in placed)
        {
            list.Add(one with { At = one.At + TimeSpan.FromMicroseconds(400) });
        }

        Assert.Equal(placed.Length, list.Count);
        Assert.Equal(placed, list);
    }
}
