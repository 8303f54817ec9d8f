using Microsoft.Extensions.Time.Testing;
using Milena.Broker.Fetching;

namespace Milena.Replication.Tests;

/// <summary>When a follower's fetch that has found little is answered.</summary>
public sealed class Gathering
{
    private const int Batch = 100;
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(8);
    private readonly FakeTimeProvider _time = new();
    private readonly FetchGathering _gathering;

    public Gathering()
    {
        _gathering = new FetchGathering(Pause, _time);
        _gathering.Answered(0);
    }

    [Fact]
    public void What_comes_long_after_the_last_answer_goes_at_once()
    {
        _time.Advance(Pause);
        Assert.Equal(TimeSpan.Zero, _gathering.Left(Found(Batch), out _));
    }

    [Fact]
    public void What_comes_soon_after_it_waits_for_the_rest_of_the_pause_whatever_else_comes()
    {
        _time.Advance(Pause / 4);
        Assert.Equal(Pause * 3 / 4, _gathering.Left(Found(Batch), out var wakes));
        Assert.False(wakes);
    }

    [Fact]
    public void A_high_watermark_alone_waits_twice_as_long_and_no_longer_than_until_records_come()
    {
        Assert.Equal(2 * Pause, _gathering.Left(Found(0), out var wakes));
        Assert.True(wakes);
    }

    [Fact]
    public void Much_and_errors_never_wait()
    {
        Assert.Equal(TimeSpan.Zero, _gathering.Left(Found(1 << 20), out _));
        var error = Found(Batch);
        error.HasErrors = true;
        Assert.Equal(TimeSpan.Zero, _gathering.Left(error, out _));
    }

    [Fact]
    public void Without_a_pause_nothing_waits()
    {
        var none = new FetchGathering(TimeSpan.Zero, _time);
        none.Answered(Batch);
        Assert.Equal((TimeSpan.Zero, TimeSpan.Zero), (none.Left(Found(Batch), out _), none.Left(Found(0), out _)));
    }

    [Fact]
    public void A_producer_that_waits_for_each_acknowledgement_is_hardly_ever_held_up()
    {
        // Its next batch comes when this one is acknowledged, so nothing more ever comes in a pause.
        var late = Enumerable.Range(0, 10_000).Count(_ => IsLate(comesMeanwhile: 0));
        Assert.InRange(late, 1, 100);
    }

    [Fact]
    public void Pauses_go_on_where_batches_come_from_all_sides()
    {
        // One pause in four brings nothing, by chance.
        Assert.All(Enumerable.Range(0, 10_000), round => Assert.True(IsLate(comesMeanwhile: round % 4 == 0 ? 0 : Batch)));
    }

    [Fact]
    public void A_pause_that_pays_is_followed_by_others_however_many_were_in_vain_before()
    {
        for (var round = 0; round < 10_000; round++)
        {
            IsLate(comesMeanwhile: 0);
        }

        var answersUntilNext = Enumerable.Range(0, 1000).TakeWhile(_ => !IsLate(comesMeanwhile: Batch)).Count();
        Assert.InRange(answersUntilNext, 0, 128);
        Assert.True(IsLate(comesMeanwhile: Batch));
    }

    /// <summary>A batch comes a moment after the last answer.</summary>
    private bool IsLate(int comesMeanwhile)
    {
        _time.Advance(Pause / 8);
        var left = _gathering.Left(Found(Batch), out _);
        _time.Advance(left);
        _gathering.Answered(Batch + (left > TimeSpan.Zero ? comesMeanwhile : 0));
        return left > TimeSpan.Zero;
    }

    private static FetchReadResult Found(long bytes) => new() { Bytes = bytes };
}
