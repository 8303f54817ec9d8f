using System.Collections.Concurrent;
using Milena.Model;

namespace Milena.Replication;

/// <summary>The replicas that run on this broker, found without asking an actor: the produce and fetch paths start here.</summary>
public sealed class ReplicaDirectory
{
    private readonly ConcurrentDictionary<TopicPartition, Replica> _replicas = new();

    public IEnumerable<Replica> All => _replicas.Values;

    public int Count => _replicas.Count;

    public Replica? Find(TopicPartition topicPartition) => _replicas.GetValueOrDefault(topicPartition);

    /// <returns>Null also when the partition here belongs to another topic of that name.</returns>
    public Replica? Find(TopicPartition topicPartition, Guid topicId) =>
        Find(topicPartition) is { } replica && replica.Id.TopicId == topicId ? replica : null;

    internal void Add(Replica replica) => _replicas[replica.TopicPartition] = replica;

    internal void Remove(Replica replica) =>
        _replicas.TryRemove(new KeyValuePair<TopicPartition, Replica>(replica.TopicPartition, replica));
}
