using System.Collections.Immutable;
using Milena.Metadata.Image;

namespace Milena.Metadata.Controller.Balancing;

/// <summary>Which broker holds what, in numbers, for a planner to change. Brokers are counted from 0 in the order of their ids.</summary>
/// <remarks>A partition that is on its way counts where it will be. It is not among <see cref="Partitions"/>, as it is not to be touched.</remarks>
internal sealed class ReplicaMap
{
    private readonly ImmutableArray<int> _ids;
    private readonly int[] _racks;

    public ReplicaMap(MetadataImage image, BalanceGoal goal)
    {
        _ids = [.. image.Brokers.Keys.Union(Holders(image)).Order()];
        var racks = image.Brokers.Values.Select(broker => broker.Rack ?? "").Distinct().Order(StringComparer.Ordinal).ToList();
        _racks = [.. _ids.Select(id => image.Brokers.TryGetValue(id, out var broker) ? racks.BinarySearch(broker.Rack ?? "", StringComparer.Ordinal) : NoRack)];
        IsLeaving = [.. _ids.Select(id => goal.Leaving.Contains(id) || (goal.Even && !image.Brokers.ContainsKey(id)))];
        Takers = [.. Enumerable.Range(0, _ids.Length).Where(broker => Takes(image, goal, _ids[broker]))];
        IsTaker = [.. Enumerable.Range(0, _ids.Length).Select(Takers.Contains)];
        Held = new int[_ids.Length];
        Preferred = new int[_ids.Length];
        Partitions = Load(image, goal);
    }

    private const int NoRack = -1;

    public int Brokers => _ids.Length;

    /// <summary>Whether a broker is to keep nothing. One that is not registered any more is not down: it was forgotten for good.</summary>
    public ImmutableArray<bool> IsLeaving { get; }

    /// <summary>The brokers that replicas may move to.</summary>
    public ImmutableArray<int> Takers { get; }

    public ImmutableArray<bool> IsTaker { get; }

    /// <summary>How many replicas each broker holds.</summary>
    public int[] Held { get; }

    /// <summary>Of how many partitions each broker is the preferred leader.</summary>
    public int[] Preferred { get; }

    /// <summary>The partitions that may move, mixed so that each stretch of the list has something of each topic, as much as the topic is large.</summary>
    public IReadOnlyList<Place> Partitions { get; }

    /// <summary>A partition and the brokers that it has in the plan, the preferred leader first.</summary>
    public sealed class Place(TopicImage topic, int index, int[] replicas)
    {
        public int[] Replicas { get; } = replicas;

        public ulong Order { get; } = OrderOf(topic, index);

        public bool Has(int broker) => Array.IndexOf(Replicas, broker) >= 0;

        public ImmutableArray<int> Before => topic.Partitions[index].Replicas;

        public PartitionMove To(ImmutableArray<int> target) => new(topic.Id, topic.Name, index, Before, target);

        public (string, int) Name => (topic.Name, index);

        /// <summary>A topic's partitions at equal distances round a circle, each topic's beginning elsewhere.</summary>
        private static ulong OrderOf(TopicImage topic, int index)
        {
            Span<byte> id = stackalloc byte[16];
            topic.Id.TryWriteBytes(id);
            var begin = (BitConverter.ToUInt64(id) ^ BitConverter.ToUInt64(id[8..])) * 0x9E3779B97F4A7C15;
            return begin + (ulong)((UInt128.One << 64) / (ulong)topic.Partitions.Length * (ulong)index);
        }
    }

    /// <summary>On how many racks the replicas lie.</summary>
    public int Spread(ReadOnlySpan<int> replicas)
    {
        var spread = 0;
        for (var at = 0; at < replicas.Length; at++)
        {
            spread += _racks[replicas[at]] != NoRack && !IsOnRackOf(replicas[..at], replicas[at]) ? 1 : 0;
        }

        return spread;
    }

    public bool IsOnRackOf(ReadOnlySpan<int> replicas, int broker)
    {
        foreach (var replica in replicas)
        {
            if (_racks[replica] == _racks[broker])
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Puts a broker in the place of another.</summary>
    public void Replace(Place place, int at, int broker)
    {
        var before = place.Replicas[at];
        place.Replicas[at] = broker;
        Held[before]--;
        Held[broker]++;
        if (at == 0)
        {
            Preferred[before]--;
            Preferred[broker]++;
        }
    }

    /// <summary>Makes the replica at a position the preferred leader.</summary>
    public void Prefer(Place place, int at)
    {
        var replicas = place.Replicas;
        var (before, next) = (replicas[0], replicas[at]);
        Array.Copy(replicas, 0, replicas, 1, at);
        replicas[0] = next;
        Preferred[before]--;
        Preferred[next]++;
    }

    /// <summary>What has changed, those first that leave a broker that is to be empty, and those last that only change their order.</summary>
    public ImmutableArray<PartitionMove> Moves()
    {
        var changed = Partitions
            .Select(place => place.To([.. place.Replicas.Select(broker => _ids[broker])]))
            .Where(move => !move.To.AsSpan().SequenceEqual(move.From.AsSpan()));
        return [.. changed.OrderBy(move => !move.Copies ? 2 : move.From.Any(id => IsLeaving[_ids.BinarySearch(id)]) ? 0 : 1)];
    }

    private static IEnumerable<int> Holders(MetadataImage image)
    {
        var seen = new HashSet<int>();
        foreach (var topic in image.TopicsById.Values)
        {
            foreach (var partition in topic.Partitions)
            {
                foreach (var replica in partition.Replicas)
                {
                    seen.Add(replica);
                }
            }
        }

        return seen;
    }

    private static bool Takes(MetadataImage image, BalanceGoal goal, int id) =>
        image.Brokers.TryGetValue(id, out var broker) && PartitionAssignment.TakesReplicas(image, broker) && !goal.Leaving.Contains(id) && !goal.Resting.Contains(id);

    private List<Place> Load(MetadataImage image, BalanceGoal goal)
    {
        var places = new List<Place>();
        foreach (var topic in image.TopicsById.Values)
        {
            for (var index = 0; index < topic.Partitions.Length; index++)
            {
                var partition = topic.Partitions[index];
                var target = Reassignment.IsUnderWay(partition) ? partition.Replicas.RemoveRange(partition.RemovingReplicas) : partition.Replicas;
                var replicas = new int[target.Length];
                for (var at = 0; at < replicas.Length; at++)
                {
                    replicas[at] = _ids.BinarySearch(target[at]);
                    Held[replicas[at]]++;
                }

                Preferred[replicas[0]]++;
                // Without a leader there is nobody to copy from.
                if (!Reassignment.IsUnderWay(partition) && partition.Leader != PartitionRegistration.NoLeader && !goal.IsHeld(topic.Id, index))
                {
                    places.Add(new Place(topic, index, replicas));
                }
            }
        }

        places.Sort((one, other) => one.Order.CompareTo(other.Order) is var order and not 0 ? order : one.Name.CompareTo(other.Name));
        return places;
    }
}
