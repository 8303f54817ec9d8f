using Akka.Actor;
using Milena.Model;
using Milena.Protocol;
using Milena.Replication;
using Milena.Storage;

namespace Milena.Broker.Fetching;

/// <summary>Reads the partitions of a fetch from their logs, in order, within its limits. Copies no record bytes.</summary>
public sealed class FetchReader(BrokerContext broker)
{
    private readonly CloserReplicas _closer = new(broker);

    /// <param name="isFirstLook">What a follower's fetch says of the follower's own log counts once, when the fetch comes.</param>
    public FetchReadResult Read(IReadOnlyCollection<FetchPartitionState> partitions, in FetchLimits limits, bool isFirstLook)
    {
        var result = new FetchReadResult();
        var left = (long)limits.MaxBytes;
        foreach (var state in partitions)
        {
            var data = new FetchResponse.PartitionData { PartitionIndex = state.Key.Partition, HighWatermark = -1, Records = Records.Empty };
            var error = TryReadPartition(state, data, limits, (int)Math.Min(left, state.MaxBytes), atLeastOneBatch: result.Bytes == 0, isFirstLook);
            if (error != ErrorCode.None)
            {
                data.ErrorCode = error;
                result.HasErrors = true;
            }

            result.HasErrors |= data.DivergingEpoch.Epoch >= 0;
            result.HasBetter |= data.PreferredReadReplica >= 0;
            result.HasNews |= limits.Follower is not null && !state.KnowsHighWatermark(data.HighWatermark);
            if (state.HeldBackFor > TimeSpan.Zero && state.HeldBackFor < result.LookAgainIn)
            {
                result.LookAgainIn = state.HeldBackFor;
            }

            result.Bytes += data.Records.Length;
            left = Math.Max(0, left - data.Records.Length);
            result.Partitions.Add((state, data));
        }

        return result;
    }

    /// <summary>Those of the partitions that are here; the others cannot be waited on.</summary>
    public List<Replica> ReplicasOf(IEnumerable<FetchPartitionState> partitions, in FetchLimits limits)
    {
        var replicas = new List<Replica>();
        foreach (var state in partitions)
        {
            if (Locate(state, limits, out _) == ErrorCode.None && broker.Replicas.Directory.Find(PartitionOf(state)) is { } replica)
            {
                replicas.Add(replica);
            }
        }

        return replicas;
    }

    /// <summary>An answer goes to a follower: what it has of throttled partitions counts.</summary>
    public void CountSent(FetchReadResult result)
    {
        foreach (var (state, data) in result.Partitions.Where(one => !one.Data.Records.IsEmpty))
        {
            broker.Replicas.LeaderThrottle.Record(PartitionOf(state), data.Records.Length);
        }
    }

    private ErrorCode TryReadPartition(
        FetchPartitionState state, FetchResponse.PartitionData data, in FetchLimits limits, int maxBytes, bool atLeastOneBatch, bool isFirstLook)
    {
        try
        {
            return ReadPartition(state, data, limits, maxBytes, atLeastOneBatch, isFirstLook);
        }
        catch (LogIOException)
        {
            // The disk's failure was told where it happened; the other partitions may lie on another one.
            return ErrorCode.KafkaStorageError;
        }
    }

    private ErrorCode ReadPartition(
        FetchPartitionState state, FetchResponse.PartitionData data, in FetchLimits limits, int maxBytes, bool atLeastOneBatch, bool isFirstLook)
    {
        (state.IsSettled, state.IsServed, state.IsOutrun, state.HeldBackFor) = (false, false, false, TimeSpan.Zero);
        if (Locate(state, limits, out var replica) is var error and not ErrorCode.None)
        {
            if (error is not (ErrorCode.UnknownTopicOrPartition or ErrorCode.UnknownTopicId))
            {
                data.AbortedTransactions = null;
            }

            if (error is ErrorCode.NotLeaderOrFollower or ErrorCode.FencedLeaderEpoch)
            {
                NameLeader(state, data);
            }

            return error;
        }

        var isInSync = false;
        if (limits.Follower is { } asking && CheckFollower(asking, state, out isInSync) is var refused and not ErrorCode.None)
        {
            return refused;
        }

        // Before anything is looked at: what changes meanwhile makes it ready again.
        limits.Ready?.Watch(state, replica!);
        var log = replica!.Log;
        var highWatermark = replica.HighWatermark;
        var lastStable = Math.Min(highWatermark, replica.LastStableOffset);
        data.HighWatermark = highWatermark;
        data.LastStableOffset = lastStable;
        data.LogStartOffset = log.LogStartOffset;
        if (state.LastFetchedEpoch >= 0 && Diverges(replica, state, data))
        {
            return ErrorCode.None;
        }

        if (state.FetchOffset < log.LogStartOffset || state.FetchOffset > log.LogEndOffset)
        {
            (data.HighWatermark, data.LastStableOffset, data.LogStartOffset, data.AbortedTransactions) = (-1, -1, -1, null);
            return limits.Follower is null && state.FetchOffset > log.LogEndOffset ? Beyond(state, replica, data) : ErrorCode.OffsetOutOfRange;
        }

        if (limits.Follower is { } follower && isFirstLook && HoldsAllBelow(state, log))
        {
            // In the epoch that it was checked against: what was found in the log counts for nothing if the replica has left it meanwhile.
            replica.Actor.Tell(new ReplicaActor.FollowerFetched(follower.BrokerId, follower.BrokerEpoch, state.CurrentLeaderEpoch, state.FetchOffset), ActorRefs.NoSender);
        }

        data.AbortedTransactions = limits.Committed ? [] : null;
        if (limits.Rack is { } rack && _closer.Find(replica, state.FetchOffset, rack) is { } closer)
        {
            data.PreferredReadReplica = closer;
            return ErrorCode.None;
        }

        // Whoever has all that is committed may be in sync before the metadata says so, and the high watermark waits for it.
        if (limits.Follower is not null && !isInSync && state.FetchOffset < highWatermark)
        {
            state.HeldBackFor = broker.Replicas.LeaderThrottle.PauseOf(replica.TopicPartition);
            if (state.HeldBackFor > TimeSpan.Zero)
            {
                return ErrorCode.None;
            }
        }

        var end = limits.Follower is not null ? log.LogEndOffset : limits.Committed ? lastStable : highWatermark;
        if (state.FetchOffset < end && (maxBytes > 0 || atLeastOneBatch))
        {
            var slice = log.Read(state.FetchOffset, end, maxBytes, atLeastOneBatch, out var info);
            if (info.Error == ErrorCode.NotLeaderOrFollower && !ReferenceEquals(log, replica.Log))
            {
                // It has just moved to another log directory.
                slice = replica.Log.Read(state.FetchOffset, end, maxBytes, atLeastOneBatch, out info);
            }

            if (info.Error != ErrorCode.None)
            {
                return info.Error;
            }

            if (slice is not null)
            {
                data.Records = new Records(slice);
            }

            if (limits.Committed)
            {
                data.AbortedTransactions = [.. log.AbortedTransactions(state.FetchOffset, end)
                    .Select(aborted => new FetchResponse.AbortedTransaction { ProducerId = aborted.ProducerId, FirstOffset = aborted.FirstOffset })];
            }
        }

        // One that is out of sync may be let in by what nobody tells this partition of: its broker is unfenced, a refusal is over.
        state.IsServed = !data.Records.IsEmpty;
        state.IsSettled = isInSync && (state.IsServed || state.FetchOffset >= end);
        return ErrorCode.None;
    }

    /// <summary>
    /// Told that its offset does not exist, a consumer begins anew, from the first record or behind the last: only who surely leads may say so. A follower may have less than
    /// was committed, and so may a former leader that is cut off, or was until a moment ago.
    /// </summary>
    private ErrorCode Beyond(FetchPartitionState state, Replica replica, FetchResponse.PartitionData data)
    {
        if (!broker.Replicas.Contact.IsRecent)
        {
            state.IsOutrun = true;
            return ErrorCode.NotLeaderOrFollower;
        }

        var leadership = replica.Leadership;
        if (leadership.IsLeader && broker.Image.FindTopic(replica.TopicPartition.Topic)?.Find(replica.TopicPartition.Partition)?.LeaderEpoch == leadership.Epoch)
        {
            return ErrorCode.OffsetOutOfRange;
        }

        NameLeader(state, data);
        return ErrorCode.NotLeaderOrFollower;
    }

    private ErrorCode Locate(FetchPartitionState state, in FetchLimits limits, out Replica? replica)
    {
        replica = null;
        var topic = state.Key.Topic;
        if (broker.ResolveTopic(ref topic, state.Key.TopicId) is var unknown and not ErrorCode.None)
        {
            return unknown;
        }

        return broker.FindLeader(new TopicPartition(topic, state.Key.Partition), state.CurrentLeaderEpoch, out replica, limits.AnyReplica);
    }

    private TopicPartition PartitionOf(FetchPartitionState state)
    {
        var topic = state.Key.Topic;
        broker.ResolveTopic(ref topic, state.Key.TopicId);
        return new TopicPartition(topic, state.Key.Partition);
    }

    /// <summary>Only a replica's present incarnation sees what is not committed, and only what it says of its log counts.</summary>
    private ErrorCode CheckFollower(FetchingFollower follower, FetchPartitionState state, out bool isInSync)
    {
        var partition = PartitionOf(state);
        var assigned = broker.Image.FindTopic(partition.Topic)?.Find(partition.Partition);
        isInSync = assigned?.Isr.Contains(follower.BrokerId) is true;
        if (assigned?.Replicas.Contains(follower.BrokerId) is not true)
        {
            // It may know of an assignment that this broker has yet to hear of, and asks again; one without an epoch has no such excuse.
            return state.CurrentLeaderEpoch >= 0 ? ErrorCode.UnknownLeaderEpoch : ErrorCode.NotLeaderOrFollower;
        }

        return broker.Image.Brokers.TryGetValue(follower.BrokerId, out var registration) && registration.Epoch == follower.BrokerEpoch
            ? ErrorCode.None
            : ErrorCode.NotLeaderOrFollower;
    }

    /// <summary>Whether the follower's log is a part of ours: it showed so by the epoch of its last batch, or has none that we do not start after.</summary>
    private static bool HoldsAllBelow(FetchPartitionState state, Log log) =>
        state.CurrentLeaderEpoch >= 0 && (state.LastFetchedEpoch >= 0 || state.FetchOffset <= log.LogStartOffset);

    /// <summary>The client's log and ours part ways below its fetch offset: it must truncate first (KIP-595).</summary>
    private static bool Diverges(Replica replica, FetchPartitionState state, FetchResponse.PartitionData data)
    {
        var (epoch, endOffset) = replica.Log.EndOffsetForEpoch(state.LastFetchedEpoch);
        if (epoch == state.LastFetchedEpoch && endOffset >= state.FetchOffset)
        {
            return false;
        }

        data.DivergingEpoch = new() { Epoch = epoch, EndOffset = endOffset };
        return true;
    }

    private void NameLeader(FetchPartitionState state, FetchResponse.PartitionData data)
    {
        var partition = PartitionOf(state);
        if (broker.Image.FindTopic(partition.Topic)?.Find(partition.Partition) is { } registration)
        {
            data.CurrentLeader = new() { LeaderId = registration.Leader, LeaderEpoch = registration.LeaderEpoch };
        }
    }
}
