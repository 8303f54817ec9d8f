using System.Diagnostics;

namespace Milena.Testing;

/// <summary>Waiting for what other processes do.</summary>
public static class Wait
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(50);

    /// <param name="what">What is awaited, for the message.</param>
    /// <exception cref="TimeoutException">It did not come about.</exception>
    public static void Until(Func<bool> condition, TimeSpan patience, Func<string> what)
    {
        if (!TryUntil(condition, patience))
        {
            throw new TimeoutException($"Not within {patience}: {what()}");
        }
    }

    /// <returns>False when it did not come about within <paramref name="patience"/>.</returns>
    public static bool TryUntil(Func<bool> condition, TimeSpan patience)
    {
        var began = Stopwatch.StartNew();
        while (!condition())
        {
            if (began.Elapsed > patience)
            {
                return false;
            }

            Thread.Sleep(Interval);
        }

        return true;
    }
}
