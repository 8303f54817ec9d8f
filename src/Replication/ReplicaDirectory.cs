using System.Collections.Concurrent;
using Milena.Model;

namespace Milena.Replication;

/// <summary>The replicas that run on this broker, found without asking an actor: the produce and fetch paths start here.</summary>
public sealed class ReplicaDirectory
{
    private readonly ConcurrentDictionary<TopicPartition, Replica> _replicas = new();

    /// <summary>A replica took up or gave up leading, or left. Called on its actor's thread: handlers hand on and return.</summary>
    public event Action<Replica>? LeadershipChanged;

    public IEnumerable<Replica> All => _replicas.Values;

    public int Count => _replicas.Count;

    public Replica? Find(TopicPartition topicPartition) => _replicas.GetValueOrDefault(topicPartition);

    /// <returns>Null also when the partition here belongs to another topic of that name.</returns>
    public Replica? Find(TopicPartition topicPartition, Guid topicId) =>
        Find(topicPartition) is { } replica && replica.Id.TopicId == topicId ? replica : null;

    /// <summary>Whether this broker serves the partition as its leader.</summary>
    public bool IsLeading(TopicPartition topicPartition) => Find(topicPartition) is { Leadership.IsLeader: true };

    /// <summary>Completes when this broker leads all of the partitions; false when that took too long.</summary>
    public async Task<bool> WhenLeadingAsync(IReadOnlyCollection<TopicPartition> partitions, TimeSpan timeout, TimeProvider time)
    {
        var leading = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        void Look(Replica? changed)
        {
            if (partitions.All(IsLeading))
            {
                leading.TrySetResult();
            }
        }

        LeadershipChanged += Look;
        try
        {
            Look(null);
            await leading.Task.WaitAsync(timeout, time).ConfigureAwait(false);
            return true;
        }
        catch (TimeoutException)
        {
            return false;
        }
        finally
        {
            LeadershipChanged -= Look;
        }
    }

    internal void Add(Replica replica)
    {
        _replicas[replica.TopicPartition] = replica;
        LeadershipChanged?.Invoke(replica);
    }

    internal void Announce(Replica replica) => LeadershipChanged?.Invoke(replica);

    internal void Remove(Replica replica)
    {
        if (_replicas.TryRemove(new KeyValuePair<TopicPartition, Replica>(replica.TopicPartition, replica)))
        {
            LeadershipChanged?.Invoke(replica);
        }
    }
}
