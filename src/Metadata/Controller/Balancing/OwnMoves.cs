using System.Collections.Immutable;
using Milena.Metadata.Image;
using Milena.Protocol;

namespace Milena.Metadata.Controller.Balancing;

/// <summary>The moves that this controller began of its own accord, and what becomes of them. All others belong to somebody else and are left alone.</summary>
/// <remarks>
/// One that somebody called off, or sent elsewhere, is forgotten, and its partition is let be for <see cref="Respect"/>. One whose new broker is gone for good, is to be
/// emptied itself, or has been away for <see cref="Patience"/> is called off here. A controller that comes after this one takes these moves for somebody else's.
/// </remarks>
internal sealed class OwnMoves
{
    /// <summary>For how long a partition stays as somebody else wanted it.</summary>
    public static readonly TimeSpan Respect = TimeSpan.FromMinutes(15);

    /// <summary>For how long a move waits for a broker that is away. A restart takes less.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    private readonly Dictionary<(Guid TopicId, int Partition), Own> _moves = [];
    private readonly Dictionary<(Guid TopicId, int Partition), TimeSpan> _heldUntil = [];

    private sealed record Own(PartitionMove Move, ImmutableArray<int> Adding, TimeSpan? AwaySince);

    /// <param name="begun">The partition on its way.</param>
    public void Add(PartitionMove move, PartitionRegistration begun) => _moves[(move.TopicId, move.Partition)] = new Own(move, begun.AddingReplicas, null);

    public bool Has(Guid topicId, int partition) => _moves.ContainsKey((topicId, partition));

    /// <summary>Whether somebody wanted the partition to be otherwise, a short time ago.</summary>
    public bool IsHeld(Guid topicId, int partition) => _heldUntil.ContainsKey((topicId, partition));

    /// <summary>Looks what has become of each.</summary>
    /// <returns>What calls off those that cannot end, and a sentence for each that is not going on.</returns>
    public (List<IMessage> Records, List<string> Notes) Look(MetadataImage image, PartitionChanges changes, TimeSpan now)
    {
        var (records, notes) = (new List<IMessage>(), new List<string>());
        foreach (var key in _heldUntil.Where(one => one.Value <= now).Select(one => one.Key).ToList())
        {
            _heldUntil.Remove(key);
        }

        foreach (var (key, own) in _moves.ToList())
        {
            var topic = image.FindTopic(key.TopicId);
            var partition = topic?.Find(key.Partition);
            if (partition is null || HasEnded(partition, own))
            {
                _moves.Remove(key);
            }
            else if (!IsGoingOn(partition, own))
            {
                _moves.Remove(key);
                _heldUntil[key] = now + Respect;
                notes.Add($"{own.Move.Topic}-{own.Move.Partition}: somebody else called the move off, or sent it elsewhere; it stays so for {Respect.TotalMinutes} minutes");
            }
            else if (IsHopeless(image, key, own, now) && Reassignment.Cancel(partition) is { } before && changes.Move(topic!, key.Partition, partition, before) is { } record)
            {
                _moves.Remove(key);
                records.Add(record);
                notes.Add($"{own.Move.Topic}-{own.Move.Partition}: called off, since one of the brokers {string.Join(',', own.Adding)} is gone, or has been away for too long");
            }
        }

        return (records, notes);
    }

    private bool IsHopeless(MetadataImage image, (Guid, int) key, Own own, TimeSpan now)
    {
        if (own.Adding.Any(id => !image.Brokers.ContainsKey(id) || BalancerSettings.IsLeaving(image, id)))
        {
            return true;
        }

        var since = own.Adding.Any(id => image.Brokers[id].Fenced) ? own.AwaySince ?? now : (TimeSpan?)null;
        _moves[key] = own with { AwaySince = since };
        return now - since >= Patience;
    }

    private static bool IsGoingOn(PartitionRegistration partition, Own own) => SameBrokers(partition.AddingReplicas, own.Adding) && Goes(partition, own);

    private static bool HasEnded(PartitionRegistration partition, Own own) => !Reassignment.IsUnderWay(partition) && SameBrokers(partition.Replicas, own.Move.To);

    private static bool Goes(PartitionRegistration partition, Own own) => SameBrokers([.. partition.Replicas.Except(partition.RemovingReplicas)], own.Move.To);

    private static bool SameBrokers(ImmutableArray<int> one, ImmutableArray<int> other) => one.Length == other.Length && one.All(other.Contains);
}
