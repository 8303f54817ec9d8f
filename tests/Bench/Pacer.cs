namespace Milena.Bench;

/// <summary>Says when each record is due: at even distances from the start, however late the records before it were.</summary>
/// <remarks>
/// A sender that waited for a slow answer and then measured from when it got round to sending would leave out just those records that the
/// answer held up ("coordinated omission"). Here they keep the time at which they should have gone, and their wait counts.
/// </remarks>
/// <param name="rate">Records a second; null: each is due when it is asked for.</param>
/// <param name="sleep">Waits about so long; it may come back late.</param>
public sealed class Pacer(TimeProvider clock, double? rate, Action<TimeSpan> sleep)
{
    private readonly long _start = clock.GetTimestamp();
    private long _asked;

    /// <summary>Waits until the next record is due.</summary>
    /// <returns>The timestamp at which it is, or was.</returns>
    public long Next()
    {
        if (rate is not { } perSecond) return clock.GetTimestamp();
        var due = _start + (long)(_asked++ / perSecond * clock.TimestampFrequency);
        for (var now = clock.GetTimestamp(); now < due; now = clock.GetTimestamp()) sleep(clock.GetElapsedTime(now, due));
        return due;
    }
}
