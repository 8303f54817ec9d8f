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
    private long _heardAt = Never;

    /// <summary>To be told again and again, several times a second.</summary>
    /// <param name="hearsLeader">Whether this node hears from the quorum's leader itself, or is it: others may know a leader that does not reach it.</param>
    public void Saw(bool hearsLeader)
    {
        var now = time.GetTimestamp();
        var toldBefore = Interlocked.Exchange(ref _toldAt, now);
        if (hearsLeader)
        {
            Volatile.Write(ref _missingSince, InTouch);
            // After a process stood still, what it says first is what it knew before.
            if (toldBefore == Never || time.GetElapsedTime(toldBefore, now) <= LostAfter)
            {
                Volatile.Write(ref _heardAt, now);
            }
        }
        else
        {
            Interlocked.CompareExchange(ref _missingSince, now, InTouch);
        }
    }

    /// <summary>Whether it heard from the quorum's leader within less time than it takes to put another leader in this broker's place.</summary>
    /// <remarks>Where this is false a broker that <see cref="IsLost"/> does not tell of may still be a former leader: its process stood still and goes on.</remarks>
    public bool IsRecent => Volatile.Read(ref _heardAt) is var at && (at == Never || time.GetElapsedTime(at) <= LostAfter);

    public bool IsLost => Volatile.Read(ref _missingSince) is var since and not InTouch && time.GetElapsedTime(since) > LostAfter;
}
