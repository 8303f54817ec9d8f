using Akka.Actor;
using Milena.Metadata.Image;
using Milena.Model;
using Milena.Storage;

namespace Milena.Replication;

/// <summary>
/// A partition replica as the rest of the broker sees it. Its actor alone writes the log and what is here; readers take what they need
/// without a lock and without entering the mailbox.
/// </summary>
public sealed class Replica(ReplicaId id, TopicPartition topicPartition, Log log, IActorRef actor)
{
    private Log _log = log;
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Leadership _leadership = Leadership.None;
    private long _highWatermark;
    private KeyValuePair<int, FollowerProgress>[] _followers = [];

    public ReplicaId Id { get; } = id;
    public TopicPartition TopicPartition { get; } = topicPartition;

    /// <summary>Another one with the same records once the replica has moved to another directory; the one before is closed then.</summary>
    public Log Log
    {
        get => Volatile.Read(ref _log);
        internal set => Volatile.Write(ref _log, value);
    }

    /// <summary>Takes <see cref="ReplicaActor"/>'s commands; <c>Tell</c> without a sender.</summary>
    public IActorRef Actor { get; } = actor;

    /// <summary>Fetches that wait for the high watermark to move.</summary>
    public FetchWaiters Waiters { get; } = new();

    /// <summary>Followers' fetches, which wait for the log's end to move.</summary>
    public FetchWaiters AppendWaiters { get; } = new();

    /// <summary>Completes when the actor is gone: what it was told last may then stay unanswered.</summary>
    public Task Ended => _ended.Task;

    public Leadership Leadership
    {
        get => Volatile.Read(ref _leadership);
        internal set => Volatile.Write(ref _leadership, value);
    }

    /// <summary>Consumers may read below it. Exclusive; never moves back while this broker leads. A follower's is its leader's, as far as it holds the records.</summary>
    public long HighWatermark
    {
        get => Volatile.Read(ref _highWatermark);
        internal set => Volatile.Write(ref _highWatermark, value);
    }

    /// <summary>Consumers of committed data may read below it: the high watermark, or the first record of the earliest open transaction.</summary>
    public long LastStableOffset => Log.LastStableOffset(HighWatermark);

    /// <summary>While this broker leads: what is known of each follower.</summary>
    internal void LedWith(KeyValuePair<int, FollowerProgress>[] followers) => Volatile.Write(ref _followers, followers);

    internal void End() => _ended.TrySetResult();

    /// <summary>Up to where a follower is known to hold the log, -1 where nothing is known or this is not the leader.</summary>
    public long FollowerEnd(int brokerId)
    {
        foreach (var (id, progress) in Volatile.Read(ref _followers))
        {
            if (id == brokerId)
            {
                return progress.LogEndOffset;
            }
        }

        return FollowerProgress.Unknown;
    }

    /// <summary>Completes when everything below an offset is committed; with false when this broker leads no longer in that epoch.</summary>
    public async Task<bool> WhenCommittedAsync(long offset, int leaderEpoch)
    {
        var wait = new FetchWait();
        Waiters.Add(wait);
        try
        {
            while (true)
            {
                wait.Rearm();
                if (Leadership is not { IsLeader: true } leadership || leadership.Epoch != leaderEpoch)
                {
                    return false;
                }

                if (HighWatermark >= offset)
                {
                    return true;
                }

                await wait.Woken.ConfigureAwait(false);
            }
        }
        finally
        {
            Waiters.Remove(wait);
        }
    }

    /// <summary>As <see cref="CheckLeader"/>, for a request that any replica may serve: a follower does, whose leader is known (KIP-392).</summary>
    public ErrorCode CheckReplica(int currentLeaderEpoch) =>
        CheckLeader(currentLeaderEpoch) is var error and not ErrorCode.NotLeaderOrFollower ? error
        : Leadership.Leader == PartitionRegistration.NoLeader ? ErrorCode.NotLeaderOrFollower
        : ErrorCode.None;

    /// <summary>Whether a request that knows <paramref name="currentLeaderEpoch"/> (-1: none) may be served here (KIP-320).</summary>
    public ErrorCode CheckLeader(int currentLeaderEpoch)
    {
        var leadership = Leadership;
        if (leadership.IsOffline)
        {
            return ErrorCode.KafkaStorageError;
        }

        if (currentLeaderEpoch >= 0 && currentLeaderEpoch != leadership.Epoch)
        {
            return currentLeaderEpoch < leadership.Epoch ? ErrorCode.FencedLeaderEpoch : ErrorCode.UnknownLeaderEpoch;
        }

        return leadership.IsLeader ? ErrorCode.None : ErrorCode.NotLeaderOrFollower;
    }
}

/// <summary>Who leads a partition, as the replica has taken it up.</summary>
public sealed record Leadership(int Leader, int Epoch, bool IsLeader, bool IsOffline)
{
    public static Leadership None { get; } = new(PartitionRegistration.NoLeader, -1, false, false);
}
