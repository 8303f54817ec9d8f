namespace Milena.Faults.Checking;

/// <summary>Holds what clients saw of a partition against what lies on each replica at the end, and against itself.</summary>
/// <remarks>
/// The logs are not compacted and nothing is old enough to be deleted, so the end knows of everything. In the manner of Jepsen's Kafka workload:
/// all observations of an offset, by acknowledgement, by any reader at any time and on any replica at the end, must be of one value.
/// </remarks>
public sealed class Checker
{
    private readonly PartitionHistory _history;
    private readonly IReadOnlyList<ReplicaLog> _replicas;
    private readonly bool _ordered;
    private readonly Dictionary<Value, TimeSpan> _firstSeen = [];
    private readonly List<Violation> _violations = [];

    private Checker(PartitionHistory history, IReadOnlyList<ReplicaLog> replicas, bool ordered)
    {
        (_history, _replicas, _ordered) = (history, replicas, ordered);
        foreach (var placed in history.Acknowledged.Concat(history.Reads.Values.SelectMany(reads => reads)))
        {
            _firstSeen.TryAdd(placed.Value, placed.At);
        }
    }

    /// <param name="ordered">The writers were idempotent: no value may come twice or out of its order.</param>
    public static IReadOnlyList<Violation> Check(PartitionHistory history, IReadOnlyList<ReplicaLog> replicas, bool ordered)
    {
        var checker = new Checker(history, replicas, ordered);
        checker.FindLost();
        checker.FindReusedOffsets();
        checker.FindMissed();
        checker.FindDifferences();
        foreach (var replica in replicas)
        {
            checker.FindDisorder($"on node {replica.Node}", replica.Records);
        }

        foreach (var (reader, reads) in history.Reads)
        {
            // A reader that goes back sees all of it again; what it saw at each offset counts once.
            checker.FindDisorder($"for {reader}", [.. reads.DistinctBy(read => read.Offset).OrderBy(read => read.Offset)]);
        }

        foreach (var (reader, at, error) in history.Refusals)
        {
            checker.Add(ViolationKind.ThrownBack, at, $"{reader}: {error}");
        }

        return checker._violations;
    }

    /// <summary>A record counts once, however many replicas lack it and whoever saw it.</summary>
    private void FindLost()
    {
        var replicas = _replicas.Select(replica => (replica.Node, Offsets: OffsetsOf(replica), Values: new Lazy<HashSet<Value>>(() => [.. replica.Records.Select(record => record.Value)]))).ToList();
        var acknowledged = _history.Acknowledged.Select(placed => (Placed: placed, How: "acknowledged"));
        var read = _history.Reads.Select(reads => (How: $"read by {reads.Key}", reads.Value)).SelectMany(reads => reads.Value.Select(placed => (Placed: placed, reads.How)));
        var told = new HashSet<Value>();
        foreach (var (placed, how) in acknowledged.Concat(read))
        {
            var lacking = replicas.Where(replica => !Holds(placed, replica.Offsets, replica.Values)).ToList();
            if (lacking.Count > 0 && told.Add(placed.Value))
            {
                var instead = lacking.Select(replica => $"node {replica.Node} holds {(replica.Offsets.TryGetValue(placed.Offset, out var other) ? other : "nothing")} there");
                Add(ViolationKind.Lost, placed.At, $"{placed.Value} was {how} at offset {placed.Offset}; {string.Join(", ", instead)}");
            }
        }
    }

    private static Dictionary<long, Value> OffsetsOf(ReplicaLog replica)
    {
        var offsets = new Dictionary<long, Value>();
        foreach (var record in replica.Records)
        {
            offsets[record.Offset] = record.Value;
        }

        return offsets;
    }

    private static bool Holds(Placed placed, Dictionary<long, Value> offsets, Lazy<HashSet<Value>> values) =>
        placed.Offset == Placed.Unknown ? values.Value.Contains(placed.Value) : offsets.TryGetValue(placed.Offset, out var there) && there == placed.Value;

    private void FindReusedOffsets()
    {
        var values = new Dictionary<long, Value>();
        var observations = _history.Acknowledged.Concat(_history.Reads.Values.SelectMany(reads => reads)).Concat(_replicas.SelectMany(replica => replica.Records));
        var told = new HashSet<long>();
        foreach (var (offset, value, at) in observations.Where(placed => placed.Offset != Placed.Unknown))
        {
            if (!values.TryAdd(offset, value) && values[offset] != value && told.Add(offset))
            {
                Add(ViolationKind.OffsetReused, _firstSeen.GetValueOrDefault(value, at), $"offset {offset} showed {values[offset]} and {value}");
            }
        }
    }

    /// <summary>Each reader sees all there is between the first and the last offset that it came to.</summary>
    private void FindMissed()
    {
        foreach (var (reader, reads) in _history.Reads)
        {
            var seen = reads.Select(read => read.Offset).ToHashSet();
            var (first, last) = (seen.Min(), seen.Max());
            foreach (var record in _replicas.SelectMany(replica => replica.Records).DistinctBy(record => record.Offset))
            {
                if (record.Offset > first && record.Offset < last && !seen.Contains(record.Offset))
                {
                    Add(ViolationKind.Missed, _firstSeen.GetValueOrDefault(record.Value, TimeSpan.MaxValue), $"{reader} never saw {record.Value} at offset {record.Offset}");
                }
            }
        }
    }

    private void FindDisorder(string where, IReadOnlyList<Placed> records)
    {
        if (!_ordered)
        {
            return;
        }

        var offsets = new Dictionary<Value, long>();
        var last = new Dictionary<int, long>();
        foreach (var (offset, value, at) in records)
        {
            var seen = _firstSeen.GetValueOrDefault(value, at);
            if (!offsets.TryAdd(value, offset))
            {
                Add(ViolationKind.Duplicated, seen, $"{value} lies at offsets {offsets[value]} and {offset} {where}");
            }
            else if (last.TryGetValue(value.Writer, out var number) && value.Number < number)
            {
                Add(ViolationKind.Reordered, seen, $"{value} at offset {offset} comes after {new Value(value.Writer, number)} {where}");
            }

            last[value.Writer] = value.Number;
        }
    }

    private void FindDifferences()
    {
        foreach (var replica in _replicas.Skip(1).Where(replica => replica.Digest != _replicas[0].Digest))
        {
            Add(
                ViolationKind.ReplicasDiffer,
                TimeSpan.MaxValue,
                $"nodes {_replicas[0].Node} and {replica.Node}: {_replicas[0].Records.Count} and {replica.Records.Count} records, digests {_replicas[0].Digest} and {replica.Digest}");
        }
    }

    private void Add(ViolationKind kind, TimeSpan at, string text) => _violations.Add(new(kind, _history.Partition, at, text));
}
