namespace Milena.Bench.Tests;

public sealed class PacerTests
{
    private readonly Ticker _clock = new();

    [Fact]
    public void Records_are_due_at_even_distances()
    {
        var pacer = new Pacer(_clock, rate: 1000, _clock.Sleep);
        Assert.Equal([0, 1, 2, 3], Enumerable.Range(0, 4).Select(_ => Milliseconds(pacer.Next())));
        Assert.Equal(3, Milliseconds(_clock.GetTimestamp()));
    }

    [Fact]
    public void A_stall_does_not_move_when_the_records_after_it_were_due()
    {
        var pacer = new Pacer(_clock, rate: 1000, _clock.Sleep);
        var waited = new LatencyHistogram(_clock);
        for (var i = 0; i < 200; i++)
        {
            var due = pacer.Next();
            if (i == 50) _clock.Sleep(TimeSpan.FromMilliseconds(100));
            waited.Record(due, _clock.GetTimestamp());
        }

        // Record 50 waited 100 ms, the one after it 99, and so on: half of all records felt the stall, not one in two hundred.
        var summary = waited.Summary()!;
        Assert.Equal(100, summary.Max, tolerance: 0.2);
        Assert.InRange(summary.P95, 88, 92);
        Assert.Equal(0, summary.P50, tolerance: 2);
    }

    [Fact]
    public void A_sleep_that_comes_back_early_is_taken_up_again()
    {
        var pacer = new Pacer(_clock, rate: 10, time => _clock.Sleep(time / 2 + TimeSpan.FromTicks(1)));
        pacer.Next();
        var due = pacer.Next();
        Assert.True(_clock.GetTimestamp() >= due);
        Assert.Equal(100, Milliseconds(due));
    }

    [Fact]
    public void Without_a_rate_a_record_is_due_when_it_is_asked_for()
    {
        var pacer = new Pacer(_clock, rate: null, _ => throw new InvalidOperationException("There is nothing to wait for."));
        _clock.Sleep(TimeSpan.FromMilliseconds(5));
        Assert.Equal(5, Milliseconds(pacer.Next()));
    }

    private static long Milliseconds(long timestamp) => timestamp / TimeSpan.TicksPerMillisecond;

    /// <summary>A timestamp that only sleeping moves.</summary>
    private sealed class Ticker : TimeProvider
    {
        private long _ticks;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => _ticks;

        public void Sleep(TimeSpan time) => _ticks += time.Ticks;
    }
}
