using Akka.Actor;
using Akka.Event;
using Milena.Metadata.Image;
using Milena.Model;
using Milena.Storage;

namespace Milena.Replication;

public sealed partial class ReplicaActor
{
    /// <summary>Append what the leader answered to a fetch.</summary>
    /// <param name="At">Where the fetch began.</param>
    /// <param name="Batches">As they lie in the leader's log, perhaps none. Must stay untouched until the reply.</param>
    /// <param name="HighWatermark">The leader's.</param>
    /// <param name="LogStartOffset">The leader's.</param>
    /// <param name="Reply">Not completed when the actor ends first.</param>
    public sealed record AppendFetched(
        FetchPosition At, ReadOnlyMemory<byte> Batches, long HighWatermark, long LogStartOffset, TaskCompletionSource<FollowResult> Reply) : INoSerializationVerificationNeeded;

    /// <summary>The leader's log parts from this one: drop what it does not have (KIP-279, KIP-595).</summary>
    /// <param name="Epoch">The largest epoch that the leader has and that is not above this log's last one.</param>
    /// <param name="EndOffset">Where that epoch ends in the leader's log.</param>
    public sealed record Truncate(FetchPosition At, int Epoch, long EndOffset, TaskCompletionSource<FollowResult> Reply) : INoSerializationVerificationNeeded;

    /// <summary>The leader does not hold the offset that was asked for; its log starts at <paramref name="LeaderLogStartOffset"/>.</summary>
    public sealed record StartOver(FetchPosition At, long LeaderLogStartOffset, TaskCompletionSource<FollowResult> Reply) : INoSerializationVerificationNeeded;

    private FetchPosition Position => new(
        _replica.Leadership.Epoch, _replica.Log.LogEndOffset, _replica.Log.LeaderEpochs.Latest ?? -1, _replica.Log.LogStartOffset);

    private void Follow(PartitionRegistration registration)
    {
        var current = _replica.Leadership;
        if (!current.IsLeader && current.Epoch == registration.LeaderEpoch)
        {
            // Only the in-sync replicas or the settings changed, which are the leader's affair.
            return;
        }

        StopLeadingAndFollowing();
        _replica.Leadership = new Leadership(registration.Leader, registration.LeaderEpoch, IsLeader: false, IsOffline: false);
        _host.Directory.Add(_replica);
        _pending.FailAll(ErrorCode.NotLeaderOrFollower);
        WakeAll();
        if (registration.Leader != PartitionRegistration.NoLeader)
        {
            _host.Fetchers.Follow(_replica, registration.Leader, Position, registration.Isr.Contains(_id.BrokerId));
        }
    }

    private void OnAppendFetched(AppendFetched fetched) => Brought(fetched.At, fetched.Reply, () =>
    {
        var log = _replica.Log;
        if (!fetched.Batches.IsEmpty)
        {
            BeginWithin(fetched.Batches.Span);
            var result = log.AppendAsFollower(fetched.Batches.Span, fetched.At.LeaderEpoch);
            if (result.Error != ErrorCode.None)
            {
                _logger.Warning("{0} in epoch {1}: what its leader sent for offset {2} is refused: {3}",
                    _replica.TopicPartition, fetched.At.LeaderEpoch, fetched.At.Offset, result.Message);
                return new FollowResult(result.Error, null, result.Message);
            }
        }

        FollowHighWatermark(Math.Min(fetched.HighWatermark, log.LogEndOffset));
        FollowLogStart(Math.Min(fetched.LogStartOffset, _replica.HighWatermark));
        _host.FlushIfDue(log);
        return default;
    });

    private Task OnTruncateAsync(Truncate truncate) => BroughtAsync(truncate.At, truncate.Reply, async () =>
    {
        var log = _replica.Log;
        // Where this log has not the leader's epoch, what it has of later ones goes first, and the next fetch asks for an earlier one.
        var own = log.EndOffsetForEpoch(truncate.Epoch);
        var offset = own == EpochEnd.Unknown ? truncate.EndOffset
            : own.Epoch == truncate.Epoch ? Math.Min(own.EndOffset, truncate.EndOffset)
            : own.EndOffset;
        await TruncateToAsync(Math.Clamp(offset, 0, log.LogEndOffset), truncate.At.LeaderEpoch);
        return default;
    });

    private Task OnStartOverAsync(StartOver start) => BroughtAsync(start.At, start.Reply, async () =>
    {
        if (start.LeaderLogStartOffset > _replica.Log.LogEndOffset)
        {
            _logger.Warning("{0}: the leader of epoch {1} starts at {2}, beyond the end {3} of this log, which starts over there",
                _replica.TopicPartition, start.At.LeaderEpoch, start.LeaderLogStartOffset, _replica.Log.LogEndOffset);
            await _host.TruncateAsync(_replica.Log, log => log.TruncateFullyAndStartAt(start.LeaderLogStartOffset));
            ScheduleFileDeletion();
            _replica.HighWatermark = Math.Max(_replica.HighWatermark, start.LeaderLogStartOffset);
        }

        return default;
    });

    /// <summary>Does what a fetcher asks for, unless the replica has another role or another place by now.</summary>
    private async Task BroughtAsync(FetchPosition at, TaskCompletionSource<FollowResult> reply, Func<Task<FollowResult>> action)
    {
        if (Refuse(at, reply))
        {
            return;
        }

        try
        {
            Answer(reply, await action());
        }
        catch (LogIOException e)
        {
            GiveUpDisk(reply, e);
        }
    }

    private void Brought(FetchPosition at, TaskCompletionSource<FollowResult> reply, Func<FollowResult> action)
    {
        if (Refuse(at, reply))
        {
            return;
        }

        try
        {
            Answer(reply, action());
        }
        catch (LogIOException e)
        {
            GiveUpDisk(reply, e);
        }
    }

    private bool Refuse(FetchPosition at, TaskCompletionSource<FollowResult> reply)
    {
        var leadership = _replica.Leadership;
        if (leadership.IsLeader || leadership.IsOffline || leadership.Epoch != at.LeaderEpoch)
        {
            reply.SetResult(new FollowResult(ErrorCode.None, null));
            return true;
        }

        if (_replica.Log.LogEndOffset != at.Offset)
        {
            reply.SetResult(new FollowResult(ErrorCode.None, Position));
            return true;
        }

        return false;
    }

    private void Answer(TaskCompletionSource<FollowResult> reply, FollowResult result) =>
        reply.SetResult(result.Error == ErrorCode.None ? result with { Next = Position } : result);

    private void GiveUpDisk(TaskCompletionSource<FollowResult> reply, LogIOException error)
    {
        _logger.Error(error, "{0} cannot be written in epoch {1}", _replica.TopicPartition, _replica.Leadership.Epoch);
        reply.SetResult(new FollowResult(ErrorCode.KafkaStorageError, null));
        GiveUpDisk();
    }

    /// <summary>A leader whose log starts within a batch sends the whole batch; an empty log that is to start there starts with it.</summary>
    private void BeginWithin(ReadOnlySpan<byte> batches)
    {
        var log = _replica.Log;
        if (log.LogStartOffset == log.LogEndOffset
            && RecordBatchHeader.TryRead(batches, out var first) == ErrorCode.None
            && first.BaseOffset < log.LogEndOffset
            && first.LastOffset >= log.LogEndOffset)
        {
            log.TruncateFullyAndStartAt(first.BaseOffset);
            ScheduleFileDeletion();
        }
    }

    private async Task TruncateToAsync(long offset, int leaderEpoch)
    {
        var log = _replica.Log;
        var end = log.LogEndOffset;
        if (offset == end)
        {
            // Only epochs go, which wrote nothing.
            log.TruncateTo(offset);
            return;
        }

        await _host.TruncateAsync(log, one => one.TruncateTo(offset));
        if (log.LogEndOffset < end)
        {
            ScheduleFileDeletion();
            _logger.Info("{0}: cut at {1}, where the log of the leader of epoch {2} parts from it", _replica.TopicPartition, log.LogEndOffset, leaderEpoch);
        }

        if (log.LogEndOffset < _replica.HighWatermark)
        {
            // Only after an unclean election, or where too many of the in-sync replicas lost what they had not flushed. The controller has
            // decided who leads, and a replica that held on to what the leader lost would be of no use to anybody.
            _logger.Error("{0}: the leader of epoch {1} has lost committed records: this log went back to {2}, below the high watermark {3}",
                _replica.TopicPartition, leaderEpoch, log.LogEndOffset, _replica.HighWatermark);
            _replica.HighWatermark = log.LogEndOffset;
        }
    }

    private void FollowHighWatermark(long highWatermark)
    {
        if (highWatermark > _replica.HighWatermark)
        {
            _replica.Log.OnHighWatermark(highWatermark);
            _replica.HighWatermark = highWatermark;
            // Consumers may wait here as they do at the leader.
            _replica.Waiters.Wake();
        }
    }

    private void FollowLogStart(long logStartOffset)
    {
        if (logStartOffset > _replica.Log.LogStartOffset && _replica.Log.AdvanceLogStartOffset(logStartOffset) == ErrorCode.None)
        {
            ScheduleFileDeletion();
        }
    }
}
