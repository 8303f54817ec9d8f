namespace Milena.Faults.Checking;

/// <summary>A value at an offset, and when it was acknowledged or read there.</summary>
/// <param name="Offset"><see cref="Unknown"/> where the producer was told that its record is there, but not where.</param>
/// <param name="At">Since the campaign began.</param>
public readonly record struct Placed(long Offset, Value Value, TimeSpan At)
{
    public const long Unknown = -1;
}

/// <summary>What one node's log of a partition holds at the end.</summary>
/// <param name="Node">The node's id.</param>
/// <param name="Digest">Of all its bytes; equal where the bytes are.</param>
public sealed record ReplicaLog(int Node, IReadOnlyList<Placed> Records, string Digest);

/// <summary>What clients saw of one partition. Many threads may add at once; to be read when they have ended.</summary>
public sealed class PartitionHistory(int partition)
{
    private readonly Lock _lock = new();
    private readonly PlacedList _acknowledged = [];
    private readonly Dictionary<string, PlacedList> _reads = [];
    private readonly List<(string Reader, TimeSpan At, string Error)> _refusals = [];

    public int Partition { get; } = partition;

    /// <summary>In the order of their arrival.</summary>
    public PlacedList Acknowledged => _acknowledged;

    /// <summary>What each reader saw, in the order in which it did.</summary>
    public IReadOnlyDictionary<string, PlacedList> Reads => _reads;

    /// <summary>Readers that were told that the offset they had come to does not exist.</summary>
    public IReadOnlyList<(string Reader, TimeSpan At, string Error)> Refusals => _refusals;

    public int AcknowledgedCount
    {
        get
        {
            lock (_lock)
            {
                return _acknowledged.Count;
            }
        }
    }

    public void Acknowledge(Placed placed)
    {
        lock (_lock)
        {
            _acknowledged.Add(placed);
        }
    }

    public void Read(string reader, Placed placed)
    {
        lock (_lock)
        {
            if (!_reads.TryGetValue(reader, out var reads))
            {
                _reads.Add(reader, reads = []);
            }

            reads.Add(placed);
        }
    }

    public void Refuse(string reader, TimeSpan at, string error)
    {
        lock (_lock)
        {
            _refusals.Add((reader, at, error));
        }
    }

    /// <summary>When records of it were acknowledged, up to now.</summary>
    public List<TimeSpan> AcknowledgedAt()
    {
        lock (_lock)
        {
            return [.. _acknowledged.Select(one => one.At)];
        }
    }
}
