namespace Milena.Bench.Tests;

public sealed class LatencyHistogramTests
{
    private readonly LatencyHistogram _histogram = new(TimeProvider.System);

    [Fact]
    public void Nothing_recorded_has_no_percentiles() => Assert.Null(_histogram.Summary());

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Percentiles_are_those_of_the_sorted_values(int seed)
    {
        var random = new Random(seed);
        // From 10 µs to 10 s, evenly over the orders of magnitude.
        var values = Enumerable.Range(0, 10_000).Select(_ => Math.Pow(10, (random.NextDouble() * 6) - 2)).ToArray();
        foreach (var value in values) Record(value);

        Array.Sort(values);
        var summary = _histogram.Summary()!;
        AssertClose(values[5000 - 1], summary.P50);
        AssertClose(values[9500 - 1], summary.P95);
        AssertClose(values[9900 - 1], summary.P99);
        AssertClose(values[9990 - 1], summary.P999);
        AssertClose(values[^1], summary.Max);
        Assert.Equal(values.Length, _histogram.Count);
    }

    [Fact]
    public void What_lies_outside_its_range_counts_at_the_edge()
    {
        Record(-5);
        Record(TimeSpan.FromDays(2).TotalMilliseconds);
        var summary = _histogram.Summary()!;
        Assert.Equal(2, _histogram.Count);
        Assert.Equal(0, summary.P50);
        AssertClose(TimeSpan.FromHours(1).TotalMilliseconds, summary.Max);
    }

    private static void AssertClose(double expected, double actual) => Assert.InRange(actual, (expected * 0.999) - 0.001, (expected * 1.001) + 0.001);

    private void Record(double milliseconds) => _histogram.Record(0, (long)(milliseconds / 1000 * TimeProvider.System.TimestampFrequency));
}
