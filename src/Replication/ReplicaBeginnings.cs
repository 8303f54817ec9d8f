namespace Milena.Replication;

/// <summary>Has replicas begin a few at a time: each opens a log and takes up a role on threads that everything else in the node runs on, too.</summary>
/// <remarks>Not thread-safe: it belongs to one actor.</remarks>
/// <param name="most">How many may be on their way at once.</param>
/// <param name="patience">After so long one that does not come holds up the others no more: its log may not open.</param>
public sealed class ReplicaBeginnings(int most, TimeSpan patience, TimeProvider time)
{
    private readonly Queue<ReplicaId> _order = new();
    private readonly Dictionary<ReplicaId, ReplicaSharding.Envelope> _waiting = [];
    private readonly Dictionary<ReplicaId, long> _onTheirWay = [];

    /// <param name="envelope">What a replica that has not begun is to be.</param>
    /// <returns>Whether it is to be told so now; else <see cref="Next"/> hands it out, or what it is told in its place until then.</returns>
    public bool MayBegin(ReplicaSharding.Envelope envelope)
    {
        if (_onTheirWay.ContainsKey(envelope.Id))
        {
            return true;
        }

        if (!_waiting.ContainsKey(envelope.Id))
        {
            if (_onTheirWay.Count < most)
            {
                _onTheirWay.Add(envelope.Id, time.GetTimestamp());
                return true;
            }

            _order.Enqueue(envelope.Id);
        }

        _waiting[envelope.Id] = envelope;
        return false;
    }

    /// <summary>It has a role now.</summary>
    public void Begun(ReplicaId id) => _onTheirWay.Remove(id);

    /// <summary>It is not to begin any more.</summary>
    public void Withdraw(ReplicaId id) => _waiting.Remove(id);

    /// <summary>Those that may begin now, and are from now on their way.</summary>
    public IEnumerable<ReplicaSharding.Envelope> Next()
    {
        foreach (var late in _onTheirWay.Where(one => time.GetElapsedTime(one.Value) > patience).Select(one => one.Key).ToList())
        {
            _onTheirWay.Remove(late);
        }

        while (_onTheirWay.Count < most && _order.TryDequeue(out var id))
        {
            if (_waiting.Remove(id, out var envelope))
            {
                _onTheirWay[id] = time.GetTimestamp();
                yield return envelope;
            }
        }
    }
}
