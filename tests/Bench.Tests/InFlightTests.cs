namespace Milena.Bench.Tests;

public sealed class InFlightTests
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(30);

    [Fact]
    public void A_full_bound_lets_nobody_in()
    {
        using var inFlight = new InFlight(2);
        Assert.True(inFlight.TryEnter(TimeSpan.Zero));
        Assert.True(inFlight.TryEnter(TimeSpan.Zero));
        Assert.False(inFlight.TryEnter(TimeSpan.FromMilliseconds(1)));
        Assert.Equal(2, inFlight.Count);
        inFlight.Leave();
        Assert.True(inFlight.TryEnter(TimeSpan.Zero));
    }

    [Fact]
    public void It_is_empty_only_when_all_have_left()
    {
        using var inFlight = new InFlight(2);
        Assert.True(inFlight.WaitUntilEmpty(TimeSpan.Zero));
        inFlight.TryEnter(TimeSpan.Zero);
        Assert.False(inFlight.WaitUntilEmpty(TimeSpan.FromMilliseconds(1)));
        inFlight.Leave();
        Assert.True(inFlight.WaitUntilEmpty(TimeSpan.Zero));
    }

    [Fact]
    public async Task A_sender_and_an_acknowledger_never_wait_for_each_other_for_ever()
    {
        const int records = 200_000;
        const int bound = 16;
        using var inFlight = new InFlight(bound);
        var entered = new SemaphoreSlim(0);
        var highest = 0L;
        var acknowledging = Task.Run(async () =>
        {
            for (var i = 0; i < records; i++)
            {
                Assert.True(await entered.WaitAsync(Timeout), $"The sender stopped after {i} records.");
                highest = Math.Max(highest, inFlight.Count);
                inFlight.Leave();
            }
        });
        await Task.Run(() =>
        {
            for (var i = 0; i < records; i++)
            {
                Assert.True(inFlight.TryEnter(Timeout), $"No room for record {i} within {Timeout}.");
                entered.Release();
            }
            Assert.True(inFlight.WaitUntilEmpty(Timeout), $"Records were still in flight after {Timeout}.");
        });
        await acknowledging;
        Assert.Equal(0, inFlight.Count);
        Assert.InRange(highest, 1, bound);
    }
}
