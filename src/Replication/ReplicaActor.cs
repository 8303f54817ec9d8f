using Akka.Actor;
using Akka.Event;
using Akka.Persistence;
using Milena.Metadata.Image;
using Milena.Model;
using Milena.Storage;

namespace Milena.Replication;

/// <summary>
/// One partition replica. While it leads, it orders the appends and answers each once it is as safe as its acks ask for; while it follows,
/// it appends what a fetcher brings from its leader.
/// </summary>
/// <remarks>
/// Sole writer of its log. It appends in its handler: record bytes are never persisted through Akka, only the facts of
/// <see cref="ReplicaFact"/> are. A disk error takes the replica offline: it answers KAFKA_STORAGE_ERROR until the node restarts, and
/// the log directory's other replicas follow.
/// </remarks>
public sealed partial class ReplicaActor : ReceivePersistentActor, IWithTimers
{
    /// <summary>Be what the committed metadata says: leader in this epoch, or not.</summary>
    public sealed record Assign(PartitionRegistration Registration, LogSettings Settings, int MinInSyncReplicas) : INoSerializationVerificationNeeded;

    /// <summary>Append one validated batch; <paramref name="Reply"/> is completed exactly once.</summary>
    /// <param name="Batch">Base offset and leader epoch are stamped into it. Must stay untouched until the reply.</param>
    /// <param name="Acks">1: when it is in the log; -1: when it is below the high watermark; 0: as 1, nobody looks.</param>
    /// <param name="TimeoutMs">How long an append with acks=-1 may wait to be committed.</param>
    /// <param name="LeaderEpoch">The only epoch in which it is to be appended: what it rests on may not hold in a later one. Any for clients.</param>
    public sealed record Append(
        Memory<byte> Batch, short Acks, AppendCompletion Reply, int TimeoutMs = Append.DefaultTimeoutMs, int LeaderEpoch = Append.AnyEpoch) : INoSerializationVerificationNeeded, IAwaited
    {
        public const int DefaultTimeoutMs = 30_000;
        public const int AnyEpoch = -1;

        public void Undelivered() => Reply.Complete(AppendOutcome.Failed(ErrorCode.NotLeaderOrFollower));
    }

    /// <summary>Answers with the log end offset when every append told before it is in the log.</summary>
    public sealed record Barrier(TaskCompletionSource<long> Reply) : INoSerializationVerificationNeeded, IAwaited
    {
        public void Undelivered() => Reply.TrySetException(new InvalidOperationException("The replica has ended."));
    }

    /// <summary>Delete the records below an offset, -1 for all below the high watermark (DeleteRecords).</summary>
    public sealed record MoveLogStart(long Offset, TaskCompletionSource<(ErrorCode Error, long LogStartOffset)> Reply) : INoSerializationVerificationNeeded, IAwaited
    {
        public void Undelivered() => Reply.TrySetResult((ErrorCode.NotLeaderOrFollower, -1));
    }

    /// <summary>Drop the segments that retention no longer keeps.</summary>
    public sealed record ApplyRetention : INoSerializationVerificationNeeded
    {
        public static ApplyRetention Instance { get; } = new();
    }

    /// <summary>Delete the files of segments whose <c>file.delete.delay.ms</c> is over.</summary>
    private sealed record DeleteFilesDue : INoSerializationVerificationNeeded;

    /// <summary>A log directory failed: serve nothing from there.</summary>
    public sealed record GoOffline(string Path) : INoSerializationVerificationNeeded;

    /// <summary>The replica's copy in another directory has caught up, and the controller knows of it: let it take the replica's place.</summary>
    internal sealed record Move(ReplicaMove Copy) : INoSerializationVerificationNeeded;

    /// <summary>The topic is deleted, or the replica assigned elsewhere: give up the log, which the sender then deletes.</summary>
    public sealed record Retire(TaskCompletionSource Reply) : INoSerializationVerificationNeeded;

    private const long MaxTimerMs = int.MaxValue - 1;

    private readonly ReplicaHost _host;
    private readonly ReplicaId _id;
    private readonly Replica _replica;
    private readonly PendingAppends _pending = new();
    private readonly ILoggingAdapter _logger = Context.GetLogger();
    private readonly InterruptedLead? _interrupted;
    private PartitionLeader? _leader;
    private int _minInSyncReplicas = 1;

    public ReplicaActor(ReplicaHost host, ReplicaId id)
    {
        (_host, _id) = (host, id);
        PersistenceId = id.ToString();
        var log = host.OpenLog(id);
        _interrupted = host.InterruptedLead(id);
        var highWatermark = Math.Max(host.CheckpointedHighWatermark(log), Math.Min(_interrupted?.HighWatermark ?? 0, log.LogEndOffset));
        _replica = new Replica(id, log.TopicPartition, log, Self) { HighWatermark = highWatermark };
        // The journal's durable form is the log's own files, which the log has read: there is nothing left to rebuild from the facts.
        Recover<ReplicaFact>(_ => { });
        Command<Append>(OnAppend);
        Command<Barrier>(barrier => barrier.Reply.TrySetResult(_replica.Log.LogEndOffset));
        Command<Assign>(OnAssign);
        Command<MoveLogStart>(OnMoveLogStart);
        Command<ApplyRetention>(_ => OnApplyRetention());
        Command<DeleteFilesDue>(_ => OnDeleteFilesDue());
        Command<GoOffline>(OnGoOffline);
        CommandAsync<Move>(OnMoveAsync);
        Command<Retire>(OnRetire);
        Command<FollowerFetched>(OnFollowerFetched);
        Command<CheckIsr>(_ => OnCheckIsr());
        Command<IsrAnswered>(OnIsrAnswered);
        Command<PendingDue>(_ => OnPendingDue());
        Command<AppendFetched>(OnAppendFetched);
        CommandAsync<Truncate>(OnTruncateAsync);
        CommandAsync<StartOver>(OnStartOverAsync);
    }

    public override string PersistenceId { get; }

    public ITimerScheduler? Timers { get; set; }

    /// <summary>There are no snapshots: the facts are few.</summary>
    public override Recovery Recovery => new(SnapshotSelectionCriteria.None);

    public static Props Props(ReplicaHost host, ReplicaId id) => Akka.Actor.Props.Create(() => new ReplicaActor(host, id)).WithDispatcher(host.Dispatcher);

    protected override void PostStop()
    {
        if (_leader is { } leader)
        {
            _host.NoteInterrupted(_id, new InterruptedLead(leader.LeaderEpoch, leader.ProposedUpTo, leader.HighWatermark));
        }

        StopLeadingAndFollowing();
        _replica.Leadership = Leadership.None;
        _host.Directory.Remove(_replica);
        _pending.FailAll(ErrorCode.NotLeaderOrFollower);
        WakeAll();
        _replica.End();
        base.PostStop();
    }

    private void OnAssign(Assign assign)
    {
        var registration = assign.Registration;
        var current = _replica.Leadership;
        if (current.IsOffline || registration.LeaderEpoch < current.Epoch)
        {
            return;
        }

        _host.TellDirectory(_replica);
        _host.Moves.Resume(_replica);
        _minInSyncReplicas = assign.MinInSyncReplicas;
        _replica.Log.UpdateSettings(assign.Settings);
        if (registration.Leader != _id.BrokerId)
        {
            Follow(registration);
        }
        else if (registration.LeaderEpoch > current.Epoch || !current.IsLeader)
        {
            // The epoch's start is durable before its first record: a follower truncates by it.
            Persist(new ReplicaFact.EpochStarted(registration.LeaderEpoch, _replica.Log.LogEndOffset), _ => Lead(registration));
        }
        else
        {
            AdoptWhileLeading(registration);
        }
    }

    private void OnAppend(Append append)
    {
        if (Refusal(append) is var refusal and not ErrorCode.None)
        {
            MayLackFromNowOn();
            append.Reply.Complete(AppendOutcome.Failed(refusal));
            return;
        }

        AppendResult result;
        try
        {
            result = _replica.Log.Append(append.Batch.Span, _replica.Leadership.Epoch);
        }
        catch (LogIOException e)
        {
            _logger.Error(e, "{0} cannot be written in epoch {1}", _replica.TopicPartition, _replica.Leadership.Epoch);
            append.Reply.Complete(AppendOutcome.Failed(ErrorCode.KafkaStorageError));
            GiveUpDisk();
            return;
        }
        catch (Exception)
        {
            // A bug. Akka starts the actor anew, without this message: its sender would wait for ever.
            append.Reply.Complete(AppendOutcome.Failed(ErrorCode.UnknownServerError));
            throw;
        }

        if (result.Error != ErrorCode.None)
        {
            append.Reply.Complete(MayHaveLeftOneOut(result.Error) ? AppendOutcome.Failed(ErrorCode.NotLeaderOrFollower) : AppendOutcome.Failed(result.Error, result.Message));
            return;
        }

        var outcome = new AppendOutcome(ErrorCode.None, result.BaseOffset, result.LogStartOffset, result.LogAppendTimeMs);
        if (append.Acks == -1)
        {
            _pending.Add(result.LastOffset + 1, outcome, append.Reply, _host.NowMs + append.TimeoutMs);
        }
        else
        {
            append.Reply.Complete(outcome);
        }

        _leader!.Appended(_replica.Log.LogEndOffset);
        MoveHighWatermark();
        _replica.AppendWaiters.Wake();
        WatchPending();
        _host.FlushIfDue(_replica.Log);
    }

    private ErrorCode Refusal(Append append) => _replica.Leadership switch
    {
        { IsOffline: true } => ErrorCode.KafkaStorageError,
        { IsLeader: false } => ErrorCode.NotLeaderOrFollower,
        _ when _host.Contact.IsLost => ErrorCode.NotLeaderOrFollower,
        { Epoch: var epoch } when append.LeaderEpoch != Append.AnyEpoch && append.LeaderEpoch != epoch => ErrorCode.NotLeaderOrFollower,
        _ when append.Acks == -1 && _leader!.IsUnderMinIsr => ErrorCode.NotEnoughReplicas,
        _ => ErrorCode.None,
    };

    private void OnMoveLogStart(MoveLogStart move)
    {
        if (!_replica.Leadership.IsLeader)
        {
            move.Reply.SetResult((_replica.CheckLeader(-1), -1));
            return;
        }

        var offset = move.Offset == -1 ? _replica.HighWatermark : move.Offset;
        if (offset < 0 || offset > _replica.HighWatermark)
        {
            move.Reply.SetResult((ErrorCode.OffsetOutOfRange, -1));
            return;
        }

        if (offset <= _replica.Log.LogStartOffset)
        {
            move.Reply.SetResult((ErrorCode.None, _replica.Log.LogStartOffset));
            return;
        }

        Persist(new ReplicaFact.LogStartMoved(offset), _ =>
        {
            ScheduleFileDeletion();
            WakeAll();
            move.Reply.SetResult((ErrorCode.None, _replica.Log.LogStartOffset));
        });
    }

    private void OnApplyRetention()
    {
        if (_replica.Leadership.IsOffline)
        {
            return;
        }

        try
        {
            var deleted = _replica.Log.DeleteExpiredSegments(_replica.HighWatermark);
            _replica.Log.ExpireProducers();
            if (deleted > 0)
            {
                ScheduleFileDeletion();
                WakeAll();
                _logger.Info("{0}: retention deleted {1} segments, the log starts at {2}", _replica.TopicPartition, deleted, _replica.Log.LogStartOffset);
            }
        }
        catch (LogIOException e)
        {
            _logger.Error(e, "{0}: retention failed", _replica.TopicPartition);
            GiveUpDisk();
        }
    }

    private void OnDeleteFilesDue()
    {
        try
        {
            if (!_replica.Leadership.IsOffline)
            {
                _replica.Log.DeleteFilesDue();
            }
        }
        catch (LogIOException e)
        {
            _logger.Error(e, "{0}: old segments cannot be deleted", _replica.TopicPartition);
            GiveUpDisk();
        }
    }

    /// <summary>Readers may still come for a segment that left the log, so its file goes later.</summary>
    private void ScheduleFileDeletion()
    {
        var delayMs = Math.Min(_replica.Log.Settings.FileDeleteDelayMs, MaxTimerMs);
        // A key of its own for each: a later deletion must not put off an earlier one.
        Timers!.StartSingleTimer(new object(), new DeleteFilesDue(), TimeSpan.FromMilliseconds(delayMs + 1));
    }

    /// <summary>The replica may have moved away from there meanwhile.</summary>
    private void OnGoOffline(GoOffline failed)
    {
        if (Path.GetDirectoryName(_replica.Log.Folder) == failed.Path)
        {
            GiveUpDisk();
        }
    }

    /// <summary>Nothing is written meanwhile: the mailbox waits, and no thread does.</summary>
    private async Task OnMoveAsync(Move move)
    {
        if (move.Copy.Replica != _replica)
        {
            // This actor was restarted meanwhile, and began with the log that it found.
            _host.Moves.Begin(_replica, move.Copy.Target);
        }
        else if (!_replica.Leadership.IsOffline)
        {
            await _host.Moves.SwapAsync(move.Copy);
            WakeAll();
        }
    }

    private void GiveUpDisk()
    {
        StopLeadingAndFollowing();
        _replica.Leadership = _replica.Leadership with { IsLeader = false, IsOffline = true };
        _host.Directory.Announce(_replica);
        // The controller can only let another one lead if it knows that this one lies in the directory that failed.
        _host.TellDirectory(_replica);
        _pending.FailAll(ErrorCode.KafkaStorageError);
        WakeAll();
    }

    private void OnRetire(Retire retire)
    {
        StopLeadingAndFollowing();
        _host.ForgetInterrupted(_id);
        _host.Assignments.Withdraw(_id);
        _replica.Leadership = Leadership.None;
        _host.Directory.Remove(_replica);
        _pending.FailAll(ErrorCode.UnknownTopicOrPartition);
        WakeAll();
        retire.Reply.SetResult();
        Context.Stop(Self);
    }

    private void StopLeadingAndFollowing()
    {
        _leader = null;
        _replica.LedWith([]);
        _host.Proposals.Withdraw(_id);
        _host.Fetchers.Unfollow(_replica);
    }

    /// <summary>Role or log start are others now: whoever waits has to look again, and followers hear of it with their next answer.</summary>
    private void WakeAll()
    {
        _replica.Waiters.Wake();
        _replica.AppendWaiters.Wake();
    }

    protected override void OnPersistFailure(Exception cause, object @event, long sequenceNr)
    {
        // Akka stops the actor after this: what it leads is no longer served here.
        _logger.Error(cause, "{0} cannot record {1}", _replica.TopicPartition, @event);
        GiveUpDisk();
    }
}
