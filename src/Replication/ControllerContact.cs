namespace Milena.Replication;

/// <summary>Whether this broker hears from the metadata quorum. One that does not may have been replaced as a leader, and be the last to know.</summary>
/// <remarks>
/// It then takes no records, and answers those that wait: their clients go and ask who leads, instead of waiting for a broker that can commit
/// nothing until their patience is over. What is committed it serves on. Safe for several threads.
/// </remarks>
public sealed class ControllerContact(TimeProvider time)
{
    /// <summary>Most elections take less, and are nobody's business.</summary>
    private static readonly TimeSpan LostAfter = TimeSpan.FromSeconds(1);

    private const long InTouch = long.MinValue, Never = long.MinValue;

    private long _missingSince = InTouch;
    private long _toldAt = Never;
    private long _heardSince = Never;
    private long _heardAt = Never;

    /// <summary>To be told again and again, several times a second.</summary>
    /// <param name="hearsLeader">Whether this node hears from the quorum's leader itself, or is it: others may know a leader that does not reach it.</param>
    public void Saw(bool hearsLeader)
    {
        var now = time.GetTimestamp();
        var toldBefore = Interlocked.Exchange(ref _toldAt, now);
        if (!hearsLeader)
        {
            Interlocked.CompareExchange(ref _missingSince, now, InTouch);
            Volatile.Write(ref _heardSince, Never);
            return;
        }

        Volatile.Write(ref _missingSince, InTouch);
        var stoodStill = toldBefore != Never && time.GetElapsedTime(toldBefore, now) > LostAfter;
        if (stoodStill || Volatile.Read(ref _heardSince) == Never)
        {
            // A process that has just started leads nothing that it has not heard of.
            var isFirst = Volatile.Read(ref _heardAt) == Never;
            Volatile.Write(ref _heardSince, isFirst ? now - (long)(LostAfter.TotalSeconds * time.TimestampFrequency) : now);
        }

        Volatile.Write(ref _heardAt, now);
    }

    /// <summary>Whether it has heard from the quorum's leader for a second, and last within the last one: nobody leads in its place for longer than that without its knowledge.</summary>
    /// <remarks>
    /// False also when the process stood still, and for a second after that and after a time without word, but for the first: what it says first is what it knew before, and it takes a moment
    /// until all replicas have taken up what is heard.
    /// </remarks>
    public bool IsRecent
    {
        get
        {
            if (Volatile.Read(ref _toldAt) == Never)
            {
                return true;
            }

            var (since, at) = (Volatile.Read(ref _heardSince), Volatile.Read(ref _heardAt));
            return since != Never && time.GetElapsedTime(at) <= LostAfter && time.GetElapsedTime(since, at) >= LostAfter;
        }
    }

    public bool IsLost => Volatile.Read(ref _missingSince) is var since and not InTouch && time.GetElapsedTime(since) > LostAfter;
}
