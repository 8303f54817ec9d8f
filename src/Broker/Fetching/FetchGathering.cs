namespace Milena.Broker.Fetching;

/// <summary>Whether a follower's fetch that has found little is answered at once, or a little later with more.</summary>
/// <remarks>
/// An answer costs both nodes about the same, whether it carries one small batch or ten: where batches come from all sides, answers go out no more
/// often than once in a pause. As long as that pays: of a producer that waits for each acknowledgement a pause brings nothing more, and after a few
/// such pauses the next answers go at once, twice as many each time. A high watermark alone waits twice as long, since most often the next batch
/// takes it along; it does not hold that one up. One fetch of a session is under way at a time; a second one could only spoil the timing.
/// </remarks>
/// <param name="pause">The least time between two answers that carry little; zero for none.</param>
public sealed class FetchGathering(TimeSpan pause, TimeProvider time)
{
    /// <summary>In bytes: so much is worth an answer of its own.</summary>
    private const long Much = 64 << 10;

    /// <summary>Timers are no more exact than that.</summary>
    private static readonly TimeSpan Shortest = TimeSpan.FromMilliseconds(0.3);

    /// <summary>Of batches that come at random, some pauses catch none.</summary>
    private const int PausesInVain = 3;

    /// <summary>Less than one answer in a hundred is late in vain.</summary>
    private const int MostAtOnce = 128;

    private long _answered = time.GetTimestamp();
    private long _bytesBefore;
    private int _inVain;
    private int _atOnce;

    /// <param name="found">What the fetch would be answered with.</param>
    /// <param name="wakes">Whether news ends the wait.</param>
    /// <returns>How long it is to wait for more; zero if it is to be answered now.</returns>
    public TimeSpan Left(FetchReadResult found, out bool wakes)
    {
        wakes = found.Bytes == 0;
        if (pause == TimeSpan.Zero || found.HasErrors || found.Bytes >= Much || (found.Bytes > 0 && _atOnce > 0))
        {
            return TimeSpan.Zero;
        }

        var left = (wakes ? 2 * pause : pause) - time.GetElapsedTime(_answered);
        if (left < Shortest)
        {
            return TimeSpan.Zero;
        }

        _bytesBefore = found.Bytes;
        return left;
    }

    /// <summary>The fetch is answered with so much.</summary>
    public void Answered(long bytes)
    {
        _answered = time.GetTimestamp();
        if (_bytesBefore > 0)
        {
            Learn(paid: bytes > _bytesBefore);
            _bytesBefore = 0;
        }
        else if (bytes > 0 && _atOnce > 0)
        {
            _atOnce--;
        }
    }

    private void Learn(bool paid)
    {
        _inVain = paid ? 0 : _inVain + 1;
        var beyond = _inVain - PausesInVain;
        _atOnce = beyond < 0 ? 0 : Math.Min(1 << Math.Min(beyond, 30), MostAtOnce);
    }
}
