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

    private const long InTouch = long.MinValue;

    private long _missingSince = InTouch;

    /// <summary>To be told again and again.</summary>
    /// <param name="hearsLeader">Whether this node hears from the quorum's leader itself, or is it: others may know a leader that does not reach it.</param>
    public void Saw(bool hearsLeader)
    {
        if (hearsLeader)
        {
            Volatile.Write(ref _missingSince, InTouch);
        }
        else
        {
            Interlocked.CompareExchange(ref _missingSince, time.GetTimestamp(), InTouch);
        }
    }

    public bool IsLost => Volatile.Read(ref _missingSince) is var since and not InTouch && time.GetElapsedTime(since) > LostAfter;
}
