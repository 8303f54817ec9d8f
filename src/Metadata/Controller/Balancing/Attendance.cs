using System.Collections.Immutable;
using Milena.Metadata.Image;

namespace Milena.Metadata.Controller.Balancing;

/// <summary>Since when each broker has been in the cluster without a break, as far as this controller has seen.</summary>
/// <remarks>A new controller has seen nobody yet. So it waits as if all had just come, rather than begin while brokers come and go.</remarks>
internal sealed class Attendance
{
    private readonly Dictionary<int, (long Epoch, TimeSpan Since)> _present = [];

    /// <param name="now">Of a clock that never goes back; where it begins does not matter.</param>
    public void Look(MetadataImage image, TimeSpan now)
    {
        foreach (var id in _present.Keys.Where(id => !image.Brokers.TryGetValue(id, out var broker) || !IsPresent(broker) || broker.Epoch != _present[id].Epoch).ToList())
        {
            _present.Remove(id);
        }

        foreach (var broker in image.Brokers.Values.Where(IsPresent))
        {
            _present.TryAdd(broker.Id, (broker.Epoch, now));
        }
    }

    /// <summary>Those who have been there for some time, each with the epoch of its registration.</summary>
    public ImmutableSortedDictionary<int, long> Since(TimeSpan time) =>
        _present.Where(one => one.Value.Since <= time).ToImmutableSortedDictionary(one => one.Key, one => one.Value.Epoch);

    public static bool IsPresent(BrokerRegistration broker) => !broker.Fenced && !broker.InControlledShutdown;
}
