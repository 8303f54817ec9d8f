namespace Milena.Faults.Checking;

/// <summary>Arithmetic of times without an acknowledgement.</summary>
public static class Silence
{
    /// <summary>The longest gap between two acknowledgements that lies at least in part between two moments.</summary>
    /// <param name="acknowledgedAt">Ascending.</param>
    /// <returns>What is before the first acknowledgement counts from <paramref name="from"/>, what is behind the last one until <paramref name="to"/>.</returns>
    public static TimeSpan Longest(IEnumerable<TimeSpan> acknowledgedAt, TimeSpan from, TimeSpan to)
    {
        var longest = TimeSpan.Zero;
        TimeSpan? last = null;
        foreach (var at in acknowledgedAt)
        {
            longest = at > from ? Max(longest, at - (last ?? from)) : longest;
            if (at >= to)
            {
                return longest;
            }

            last = at;
        }

        return Max(longest, to - (last ?? from));
    }

    /// <summary>The smallest of some times that so large a share of them does not exceed.</summary>
    public static TimeSpan Percentile(IReadOnlyCollection<TimeSpan> times, double share) =>
        times.Order().ElementAt(Math.Max(0, (int)Math.Ceiling(share * times.Count) - 1));

    private static TimeSpan Max(TimeSpan one, TimeSpan other) => one > other ? one : other;
}
