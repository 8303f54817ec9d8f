using Milena.Faults.Checking;

namespace Milena.Faults.Tests;

/// <summary>Times without an acknowledgement.</summary>
public sealed class Silences
{
    private static readonly double[] AcknowledgedAt = [1, 2, 3, 7, 8, 20, 21];

    [Theory]
    [InlineData(2.5, 7.5, 3, 7)]
    [InlineData(3.5, 6, 3, 7)]
    [InlineData(1.5, 2.5, 1, 2)]
    [InlineData(2.5, 10, 8, 20)]
    [InlineData(0, 1.5, 0, 1)]
    [InlineData(20.5, 30, 21, 30)]
    [InlineData(22, 30, 21, 30)]
    public void The_longest_gap_counts_as_far_as_it_reaches(double from, double to, double gapFrom, double gapTo) => Assert.Equal(
        new Gap(TimeSpan.FromSeconds(gapFrom), TimeSpan.FromSeconds(gapTo)),
        Silence.Longest(AcknowledgedAt.Select(TimeSpan.FromSeconds), TimeSpan.FromSeconds(from), TimeSpan.FromSeconds(to)));

    [Fact]
    public void No_acknowledgement_at_all_is_silence_throughout() => Assert.Equal(TimeSpan.FromSeconds(3), Silence.Longest([], TimeSpan.FromSeconds(2), TimeSpan.FromSeconds(5)).Length);

    [Theory]
    [InlineData(0.5, 3)]
    [InlineData(0.99, 5)]
    [InlineData(0, 1)]
    public void A_percentile_is_one_of_the_times(double share, double expected) =>
        Assert.Equal(expected, Silence.Percentile([.. new double[] { 5, 1, 4, 2, 3 }.Select(TimeSpan.FromSeconds)], share).TotalSeconds);
}
