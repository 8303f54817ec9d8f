namespace Milena.Faults.Checking;

/// <summary>A time without an acknowledgement, since the campaign began.</summary>
public readonly record struct Gap(TimeSpan From, TimeSpan To)
{
    public TimeSpan Length => To - From;
}

/// <summary>Arithmetic of times without an acknowledgement.</summary>
public static class Silence
{
    /// <summary>The longest gap between two acknowledgements that lies at least in part between two moments.</summary>
    /// <param name="acknowledgedAt">Ascending.</param>
    /// <returns>What is before the first acknowledgement counts from <paramref name="from"/>, what is behind the last one until <paramref name="to"/>.</returns>
    public static Gap Longest(IEnumerable<TimeSpan> acknowledgedAt, TimeSpan from, TimeSpan to)
    {
        var longest = new Gap(from, from);
        TimeSpan? last = null;
        foreach (var at in acknowledgedAt)
        {
            longest = at > from ? Longer(longest, new Gap(last ?? from, at)) : longest;
            if (at >= to)
            {
                return longest;
            }

            last = at;
        }

        return Longer(longest, new Gap(last ?? from, to));
    }

    /// <summary>The smallest of some times that so large a share of them does not exceed.</summary>
    public static TimeSpan Percentile(IReadOnlyCollection<TimeSpan> times, double share) =>
        times.Order().ElementAt(Math.Max(0, (int)Math.Ceiling(share * times.Count) - 1));

    private static Gap Longer(Gap one, Gap other) => other.Length > one.Length ? other : one;
}
