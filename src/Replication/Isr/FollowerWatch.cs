using System.Collections.Concurrent;
using Milena.Metadata.Image;

namespace Milena.Replication;

/// <summary>Which followers this broker hears nothing of at all, for any partition: those that are gone, or to which the way is cut.</summary>
/// <remarks>
/// A follower asks again within <c>replica.fetch.wait.max.ms</c>, whether there is something to fetch or not. One that is slow goes on asking
/// and has until <c>replica.lag.time.max.ms</c> is over; one that does not ask would hold up everybody who writes for that long, where it is
/// only this broker that does not reach it, so that the controller sees nothing amiss. Safe for several threads.
/// </remarks>
internal sealed class FollowerWatch(TimeProvider time, TimeSpan silentAfter)
{
    private readonly ConcurrentDictionary<int, long> _heard = new();
    private long _lastLook = time.GetTimestamp();

    /// <param name="settings">So long that a few lost packets, or a pause of the follower's, are no silence.</param>
    public static FollowerWatch Of(ReplicationSettings settings, TimeProvider time)
    {
        const int missedFetches = 6;
        var silentAfter = TimeSpan.FromSeconds(3);
        var many = settings.MaxWait * missedFetches;
        silentAfter = many > silentAfter ? many : silentAfter;
        return new FollowerWatch(time, silentAfter < settings.MaxLag ? silentAfter : settings.MaxLag);
    }

    /// <summary>A fetch of the follower was taken.</summary>
    public void Heard(int brokerId) => _heard[brokerId] = time.GetTimestamp();

    /// <summary>The follower is to fetch from now on: from a new leader of a partition, perhaps the first that it has here.</summary>
    public void Expect(int brokerId)
    {
        if (!_heard.ContainsKey(brokerId) || IsSilent(brokerId))
        {
            Heard(brokerId);
        }
    }

    public bool IsSilent(int brokerId) => _heard.TryGetValue(brokerId, out var heard) && time.GetElapsedTime(heard) > silentAfter;

    /// <summary>Looks who is silent; to be called again and again.</summary>
    /// <param name="isExpected">Whether a follower is in the cluster at all, as far as is known here.</param>
    public bool AnySilent(Func<int, bool> isExpected)
    {
        var now = time.GetTimestamp();
        var wasAway = time.GetElapsedTime(_lastLook, now) > silentAfter / 2;
        _lastLook = now;
        if (wasAway)
        {
            // It was this process that stood still. What it has not heard meanwhile says nothing of the others.
            foreach (var brokerId in _heard.Keys)
            {
                Heard(brokerId);
            }
        }

        return _heard.Keys.Any(brokerId => IsSilent(brokerId) && isExpected(brokerId));
    }
}

/// <summary>What a leader may ask of its followers' brokers.</summary>
/// <param name="Registration">The committed registration of a broker, null for one that is not registered.</param>
/// <param name="IsSilent">Whether nothing at all is heard of it here.</param>
public sealed record FollowerBrokers(Func<int, BrokerRegistration?> Registration, Func<int, bool> IsSilent);
