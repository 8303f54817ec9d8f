using System.Diagnostics;
using Akka.Actor;
using Akka.Event;
using Milena.Model;
using Milena.Replication;
using Milena.Storage;

namespace Milena.Coordinators.Runtime;

/// <summary>Runs one coordinator while this broker leads its partition: replays the log, then feeds it requests and timers, and appends its records.</summary>
/// <remarks>
/// Answers leave when the records they rest on are committed. An append that fails drops the state machine, tells everybody who waits, and
/// replays the log into a new one.
/// </remarks>
public sealed class CoordinatorActor : ReceiveActor, IWithTimers
{
    /// <summary>One request; answered exactly once through its <see cref="CoordinatorReply"/>.</summary>
    public sealed record Serve(CoordinatorRequest Request) : INoSerializationVerificationNeeded, IAwaited
    {
        public void Undelivered() => ((CoordinatorReply)Request.ReplyTo).Fail(ErrorCode.NotCoordinator);
    }

    /// <summary>Something that happens to the state and asks for no answer, such as the deletion of topics.</summary>
    public sealed record Apply(Action<ICoordinator, DateTimeOffset, CoordinatorEffects> Change) : INoSerializationVerificationNeeded;

    private sealed record Load : INoSerializationVerificationNeeded;

    private sealed record Loaded(ICoordinator Coordinator, long Records) : INoSerializationVerificationNeeded;

    /// <summary>This broker leads the partition no longer, or in another epoch: whoever runs this actor ends it.</summary>
    private sealed record Deposed : INoSerializationVerificationNeeded;

    private sealed record LoadFailed(Exception Cause) : INoSerializationVerificationNeeded;

    private sealed record TimerDue(TimerName Name) : INoSerializationVerificationNeeded;

    private sealed record Appended(long Step, AppendOutcome Outcome, int Life) : INoSerializationVerificationNeeded;

    /// <summary>What every coordinator of a kind is run with.</summary>
    /// <param name="Create">A new, empty state machine.</param>
    /// <param name="Codec">Of the batches that it writes.</param>
    public sealed record Kind(string Topic, Func<ICoordinator> Create, CompressionCodec Codec, TimeProvider Time);

    private static readonly TimeSpan RetryLoadAfter = TimeSpan.FromSeconds(5);

    private readonly Kind _kind;
    private readonly Replica _replica;
    private readonly int _leaderEpoch;
    private readonly CoordinatorDirectory _directory;
    private readonly CoordinatorEffects _effects = new();
    private readonly PendingSteps _pending = new();
    private readonly ILoggingAdapter _logger = Context.GetLogger();
    private ICoordinator? _coordinator;

    /// <summary>Counts the state machines, so that what was appended for an earlier one is not taken for a step of this one.</summary>
    private int _life;

    public CoordinatorActor(Kind kind, Replica replica, int leaderEpoch, CoordinatorDirectory directory)
    {
        (_kind, _replica, _leaderEpoch, _directory) = (kind, replica, leaderEpoch, directory);
        Receive<Serve>(serve => OnServe(serve.Request));
        Receive<TimerDue>(timer => Run((coordinator, now, effects) => coordinator.TimerFired(timer.Name, now, effects)));
        Receive<Apply>(apply => Run(apply.Change));
        Receive<Appended>(OnAppended);
        Receive<Load>(_ => StartLoading());
        Receive<Loaded>(OnLoaded);
        Receive<Deposed>(_ => { });
        Receive<LoadFailed>(OnLoadFailed);
    }

    public ITimerScheduler? Timers { get; set; }

    private DateTimeOffset Now => _kind.Time.GetUtcNow();

    /// <param name="leaderEpoch">In which this broker leads the partition: what the state rests on may be gone in a later one.</param>
    public static Props Props(Kind kind, Replica replica, int leaderEpoch, CoordinatorDirectory directory) =>
        Akka.Actor.Props.Create(() => new CoordinatorActor(kind, replica, leaderEpoch, directory));

    protected override void PreStart()
    {
        _directory.Add(_replica.TopicPartition, Self);
        StartLoading();
    }

    protected override void PostStop()
    {
        _directory.Remove(_replica.TopicPartition, Self);
        Drop(ErrorCode.NotCoordinator);
    }

    private void OnServe(in CoordinatorRequest request)
    {
        if (_coordinator is null)
        {
            ((CoordinatorReply)request.ReplyTo).Fail(ErrorCode.CoordinatorLoadInProgress);
            return;
        }

        var asked = request;
        Run((coordinator, now, effects) => coordinator.Handle(asked, now, effects));
    }

    private void Run(Action<ICoordinator, DateTimeOffset, CoordinatorEffects> step)
    {
        if (_coordinator is null)
        {
            return;
        }

        _effects.Clear();
        step(_coordinator, Now, _effects);
        SetTimers();
        if (_effects.Records.Count > 0)
        {
            Append();
        }
        else if (_pending.IsEmpty)
        {
            PendingSteps.Answer(_effects.Replies);
        }
        else
        {
            _pending.Add(appends: false, _effects.Replies);
        }
    }

    private void Append()
    {
        var step = _pending.Add(appends: true, _effects.Replies);
        var batch = CoordinatorRecords.ToBatch(_effects.Records, Now.ToUnixTimeMilliseconds(), _kind.Codec);
        var completion = AppendCompletion.Rent();
        var outcome = completion.Task;
        _replica.Actor.Tell(new ReplicaActor.Append(batch, -1, completion, LeaderEpoch: _leaderEpoch), ActorRefs.NoSender);
        PipeAsync(outcome, step, _life).PipeTo(Self);
    }

    private static async Task<Appended> PipeAsync(ValueTask<AppendOutcome> outcome, long step, int life) => new(step, await outcome.ConfigureAwait(false), life);

    private void OnAppended(Appended appended)
    {
        if (appended.Life != _life)
        {
            return;
        }

        if (appended.Outcome.Error == ErrorCode.None)
        {
            _pending.Committed(appended.Step);
            return;
        }

        _logger.Warning("{0}: records could not be appended ({1}); the coordinator reads its log again", _replica.TopicPartition, appended.Outcome.Error);
        Drop(appended.Outcome.Error is ErrorCode.NotLeaderOrFollower or ErrorCode.KafkaStorageError ? ErrorCode.NotCoordinator : ErrorCode.CoordinatorNotAvailable);
        StartLoading();
    }

    private void SetTimers()
    {
        foreach (var (name, due) in _effects.Timers)
        {
            if (due is { } after)
            {
                Timers!.StartSingleTimer(name, new TimerDue(name), after < TimeSpan.Zero ? TimeSpan.Zero : after);
            }
            else
            {
                Timers!.Cancel(name);
            }
        }
    }

    /// <summary>Ends the state machine. Requests parked in it are answered by itself, those that wait for a commit with the error.</summary>
    private void Drop(ErrorCode error)
    {
        Timers?.CancelAll();
        _life++;
        if (_coordinator is { } coordinator)
        {
            _coordinator = null;
            _effects.Clear();
            coordinator.Unload(Now, _effects);
            PendingSteps.Answer(_effects.Replies);
        }

        _pending.FailAll(error);
    }

    private void StartLoading()
    {
        if (_coordinator is not null || _replica.Leadership is not { IsLeader: true } leadership || leadership.Epoch != _leaderEpoch)
        {
            return;
        }

        // What a former state machine had sent off must be in the log before it is read. A long log takes its time; the mailbox
        // meanwhile answers that the coordinator is loading.
        var written = new TaskCompletionSource<long>(TaskCreationOptions.RunContinuationsAsynchronously);
        _replica.Actor.Tell(new ReplicaActor.Barrier(written), ActorRefs.NoSender);
        ReplayAsync(_kind, _replica, _leaderEpoch, written.Task).PipeTo(Self, failure: cause => new LoadFailed(cause));
    }

    /// <returns><see cref="Loaded"/>, or <see cref="Deposed"/>.</returns>
    private static async Task<object> ReplayAsync(Kind kind, Replica replica, int leaderEpoch, Task<long> written)
    {
        var end = await written.ConfigureAwait(false);
        // A state that rests on what another change of leader could still take back must not be told to anybody.
        if (!await replica.WhenCommittedAsync(end, leaderEpoch).ConfigureAwait(false))
        {
            return new Deposed();
        }

        var log = replica.Log;
        var coordinator = kind.Create();
        var records = 0L;
        LogReplay.Run(log, log.LogStartOffset, end, (in RecordBatchHeader header, in RecordView record) =>
        {
            records++;
            coordinator.Replay(
                record.Key.ToArray(),
                record.HasValue ? record.Value.ToArray() : null,
                DateTimeOffset.FromUnixTimeMilliseconds(Math.Max(0, header.BaseTimestamp + record.TimestampDelta)));
        });
        return new Loaded(coordinator, records);
    }

    private void OnLoaded(Loaded loaded)
    {
        if (_coordinator is not null)
        {
            return;
        }

        _coordinator = loaded.Coordinator;
        if (loaded.Records > 0)
        {
            _logger.Info("{0}: the coordinator has replayed {1} records", _replica.TopicPartition, loaded.Records);
        }

        Run((coordinator, now, effects) => coordinator.Loaded(now, effects));
    }

    private void OnLoadFailed(LoadFailed failed)
    {
        _logger.Error(failed.Cause, "{0}: the coordinator cannot read its log; it tries again in {1} s", _replica.TopicPartition, RetryLoadAfter.TotalSeconds);
        Timers!.StartSingleTimer(typeof(Load), new Load(), RetryLoadAfter);
    }
}
