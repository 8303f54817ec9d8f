using HdrHistogram;

namespace Milena.Bench;

/// <summary>Milliseconds.</summary>
public sealed record Percentiles(double P50, double P95, double P99, double P999, double Max);

/// <summary>Counts durations in buckets that grow with the value: a fixed few hundred KB, and an error below 0.1 % at any size.</summary>
/// <remarks>One thread at a time. What took longer than an hour counts as an hour.</remarks>
public sealed class LatencyHistogram(TimeProvider clock)
{
    private const long MaxMicroseconds = 3_600_000_000;
    private const int SignificantDigits = 3;
    private const double MicrosecondsPerMillisecond = 1000;

    private readonly LongHistogram _microseconds = new(1, MaxMicroseconds, SignificantDigits);

    public long Count => _microseconds.TotalCount;

    /// <param name="from">Timestamps of the clock.</param>
    public void Record(long from, long to)
    {
        var elapsed = clock.GetElapsedTime(from, to);
        _microseconds.RecordValue(Math.Clamp(elapsed.Ticks / TimeSpan.TicksPerMicrosecond, 0, MaxMicroseconds));
    }

    /// <returns>Null when nothing was recorded.</returns>
    public Percentiles? Summary() => Count == 0 ? null : new Percentiles(At(50), At(95), At(99), At(99.9), At(100));

    private double At(double percentile) => _microseconds.GetValueAtPercentile(percentile) / MicrosecondsPerMillisecond;
}
