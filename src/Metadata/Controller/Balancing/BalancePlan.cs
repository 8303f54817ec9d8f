using System.Collections.Immutable;

namespace Milena.Metadata.Controller.Balancing;

/// <summary>What a plan is to reach.</summary>
/// <param name="Leaving">The brokers that are to hold no replica.</param>
/// <param name="Even">Whether the others are to hold, and to lead, equally much, and to replace brokers that are not registered any more.</param>
public sealed record BalanceGoal(ImmutableSortedSet<int> Leaving, bool Even)
{
    /// <summary>Brokers that are to keep what they have and to get nothing.</summary>
    public ImmutableSortedSet<int> Resting { get; init; } = [];

    /// <summary>Whether a partition, by topic id and index, is to stay as it is.</summary>
    public Func<Guid, int, bool> IsHeld { get; init; } = (_, _) => false;
}

/// <summary>One partition to be given other replicas, or the same ones in another order.</summary>
/// <param name="From">What it had when this was planned.</param>
/// <param name="To">As many as before, the preferred leader first.</param>
public sealed record PartitionMove(Guid TopicId, string Topic, int Partition, ImmutableArray<int> From, ImmutableArray<int> To)
{
    /// <summary>Whether records have to be copied.</summary>
    public bool Copies => To.Any(id => !From.Contains(id));
}
