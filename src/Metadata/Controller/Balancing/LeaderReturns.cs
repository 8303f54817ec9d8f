using Milena.Metadata.Image;
using Milena.Protocol;

namespace Milena.Metadata.Controller.Balancing;

/// <summary>
/// Gives a broker that has come back the leaders again that it is the preferred replica of, as soon as it is in sync everywhere. Until then others lead in its
/// place, and where one of them leads everything, its next fault stops every client at once.
/// </summary>
/// <remarks>
/// Under <c>auto.leader.rebalance.enable</c>, beside the round of every <c>leader.imbalance.check.interval.seconds</c>, which is left what does not get in sync in that
/// time. A broker that does not stay for long waits twice as long the next time, since each of its ends costs what it leads. It lives as long as one controller. No clock of its own.
/// </remarks>
/// <param name="clock">It never goes back; where it begins does not matter.</param>
public sealed class LeaderReturns(Func<TimeSpan> clock)
{
    /// <summary>Leaders that change in one round.</summary>
    private const int MaxReturned = 500;

    /// <summary>Who stays longer has not come to go again.</summary>
    private static readonly TimeSpan ShortStay = TimeSpan.FromMinutes(1);

    private readonly Dictionary<int, Stay> _stays = [];
    private bool _hasLooked;

    /// <summary>Leaders whose time has come, as the records of one decision.</summary>
    public IReadOnlyList<IMessage> Tend(MetadataImage image, ControllerContext context)
    {
        var now = clock();
        var wait = BalancerSettings.LeaderReturn(image);
        var longest = TimeSpan.FromSeconds(context.Settings.GetLong("leader.imbalance.check.interval.seconds"));
        Look(image, now, wait, longest);
        if (wait < TimeSpan.Zero || !context.Settings.GetBool("auto.leader.rebalance.enable"))
        {
            return [];
        }

        var due = _stays.Values.Where(stay => stay is { IsHere: true, IsSettled: false } && now - stay.Since >= stay.Wait).ToDictionary(stay => stay.BrokerId);
        if (due.Count == 0)
        {
            return [];
        }

        var records = Return(image, context.Changes(image, _ => true), due);
        foreach (var stay in _stays.Values.Where(stay => now - stay.Since >= longest || (records.Count <= MaxReturned && due.ContainsKey(stay.BrokerId))))
        {
            stay.IsSettled = true;
        }

        return [.. records.Take(MaxReturned)];
    }

    /// <summary>Takes those out of <paramref name="due"/> that are not in sync everywhere yet.</summary>
    private static List<IMessage> Return(MetadataImage image, PartitionChanges changes, Dictionary<int, Stay> due)
    {
        var found = new List<(int BrokerId, IMessage Record)>();
        foreach (var topic in image.TopicsById.Values)
        {
            for (var index = 0; index < topic.Partitions.Length; index++)
            {
                var partition = topic.Partitions[index];
                var preferred = partition.Replicas[0];
                if (!due.ContainsKey(preferred))
                {
                    continue;
                }

                if (!partition.Isr.Contains(preferred))
                {
                    due.Remove(preferred);
                }
                else if (changes.Prefer(topic, index, partition) is { } record)
                {
                    found.Add((preferred, record));
                }
            }
        }

        return [.. found.Where(one => due.ContainsKey(one.BrokerId)).Select(one => one.Record)];
    }

    private void Look(MetadataImage image, TimeSpan now, TimeSpan wait, TimeSpan longest)
    {
        foreach (var stay in _stays.Values.Where(stay => stay.IsHere && !IsHere(image, stay)))
        {
            (stay.IsHere, stay.WasShort) = (false, stay.IsSeenToCome && now - stay.Since < ShortStay);
        }

        foreach (var broker in image.Brokers.Values.Where(Attendance.IsPresent))
        {
            var earlier = _stays.GetValueOrDefault(broker.Id);
            if (earlier is not { IsHere: true })
            {
                _stays[broker.Id] = new Stay(broker.Id, broker.Epoch, now, earlier is { WasShort: true } ? Shorter(earlier.Wait * 2, longest) : wait) { IsSeenToCome = _hasLooked };
            }
        }

        foreach (var id in _stays.Keys.Where(id => !image.Brokers.ContainsKey(id)).ToList())
        {
            _stays.Remove(id);
        }

        _hasLooked = true;
    }

    private static TimeSpan Shorter(TimeSpan one, TimeSpan other) => one < other ? one : other;

    private static bool IsHere(MetadataImage image, Stay stay) =>
        image.Brokers.TryGetValue(stay.BrokerId, out var broker) && broker.Epoch == stay.Epoch && Attendance.IsPresent(broker);

    /// <summary>From when a broker came until it went.</summary>
    private sealed class Stay(int brokerId, long epoch, TimeSpan since, TimeSpan wait)
    {
        public int BrokerId { get; } = brokerId;

        public long Epoch { get; } = epoch;

        public TimeSpan Since { get; } = since;

        /// <summary>For how long it leads nothing that others lead.</summary>
        public TimeSpan Wait { get; } = wait;

        public bool IsHere { get; set; } = true;

        /// <summary>Else it was there before this controller, nobody knows for how long.</summary>
        public required bool IsSeenToCome { get; init; }

        public bool WasShort { get; set; }

        /// <summary>It leads again what it could, or is left to the next round of balancing.</summary>
        public bool IsSettled { get; set; }
    }
}
