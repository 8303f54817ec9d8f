using System.Diagnostics;
using Akka.Actor;
using Akka.Event;
using Milena.Metadata.Controller.Balancing;
using Milena.Metadata.Image;
using Milena.Metadata.Log;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Metadata.Controller;

/// <summary>
/// The one writer of the cluster's metadata. It lives exactly while its node leads the quorum, decides one request at a time on what it
/// has itself decided so far, and answers when the decision is committed and applied.
/// </summary>
/// <remarks>
/// It looks at its own latest image, which may be ahead of the committed one. When an append fails, that image is worth nothing: the
/// actor fails all that wait and stops; a new one starts from the committed image when the node leads again. It is never restarted, as
/// that would be on the image it once began with. A decision that throws is a bug of that decision: its request fails, and nothing else.
/// </remarks>
public sealed class ControllerActor : ReceiveActor, IWithTimers
{
    /// <summary>Decide on a request in Kafka's own form: CreateTopics, AllocateProducerIds, BrokerRegistration and so on.</summary>
    /// <param name="Reply">Completed once. Fails with <see cref="NotControllerException"/> where this node may not decide any more.</param>
    public sealed record Decide(IRequestMessage Request, TaskCompletionSource<IResponseMessage> Reply) : INoSerializationVerificationNeeded;

    /// <summary>The metadata is committed up to the image's offset, and applied on this node.</summary>
    public sealed record Applied(MetadataImage Image) : INoSerializationVerificationNeeded;

    /// <summary>Look whether something is due that nobody asks for.</summary>
    public sealed record TendInternalTopics : INoSerializationVerificationNeeded
    {
        public static TendInternalTopics Instance { get; } = new();
    }

    /// <summary>Give leaders back to the preferred replicas.</summary>
    public sealed record BalanceLeaders : INoSerializationVerificationNeeded
    {
        public static BalanceLeaders Instance { get; } = new();
    }

    /// <summary>Go on with giving brokers that came back their leaders, and with emptying and evening out brokers.</summary>
    public sealed record BalanceReplicas : INoSerializationVerificationNeeded
    {
        public static BalanceReplicas Instance { get; } = new();
    }

    private static readonly TimeSpan TendInterval = TimeSpan.FromSeconds(1);

    private readonly IMetadataLog _log;
    private readonly ControllerContext _context;
    private readonly string _clusterId;
    private readonly int _epoch;
    private readonly Queue<(long Offset, IResponseMessage Response, TaskCompletionSource<IResponseMessage> Reply)> _uncommitted = new();
    private readonly ILoggingAdapter _logger = Context.GetLogger();
    private MetadataImage _latest;
    private long _applied;

    public ControllerActor(IMetadataLog log, MetadataImage image, ControllerContext context, string clusterId, int epoch)
    {
        (_log, _latest, _context, _clusterId, _epoch) = (log, image, context, clusterId, epoch);
        _applied = image.Offset;
        Receive<Decide>(OnDecide);
        Receive<Applied>(OnApplied);
        Receive<TendInternalTopics>(_ => Do(InternalTopics.Tend));
        Receive<BalanceLeaders>(_ => Do(ElectLeadersDecision.Balance));
        var began = Stopwatch.GetTimestamp();
        var balancer = new Balancer(() => Stopwatch.GetElapsedTime(began), what => BalancerEvents.Told(context.Logger, what, epoch));
        var returns = new LeaderReturns(() => Stopwatch.GetElapsedTime(began));
        Receive<BalanceReplicas>(_ =>
        {
            Do(returns.Tend);
            Do(balancer.Tend);
        });
    }

    public ITimerScheduler? Timers { get; set; }

    /// <param name="epoch">The epoch in which this node leads the quorum.</param>
    public static Props Props(IMetadataLog log, MetadataImage image, ControllerContext context, string clusterId, int epoch) =>
        Akka.Actor.Props.Create(() => new ControllerActor(log, image, context, clusterId, epoch));

    protected override void PreStart()
    {
        Timers!.StartPeriodicTimer(TendInternalTopics.Instance, TendInternalTopics.Instance, TendInterval);
        Timers.StartPeriodicTimer(BalanceReplicas.Instance, BalanceReplicas.Instance, TendInterval);
        if (_context.Settings.GetBool("auto.leader.rebalance.enable"))
        {
            Timers.StartPeriodicTimer(
                BalanceLeaders.Instance, BalanceLeaders.Instance, TimeSpan.FromSeconds(_context.Settings.GetLong("leader.imbalance.check.interval.seconds")));
        }

        base.PreStart();
    }

    protected override void PostStop()
    {
        FailAll(new NotControllerException("The controller stopped."));
        base.PostStop();
    }

    private void OnDecide(Decide decide)
    {
        if (TryDecide(decide) is not { } decision)
        {
            return;
        }

        if (decision.Records.Count == 0)
        {
            Answer(_log.EndOffset - 1, decision.Response, decide.Reply);
            return;
        }

        if (Write(decision.Records) is var (offset, failure) && failure is null)
        {
            Answer(offset, decision.Response, decide.Reply);
        }
        else
        {
            decide.Reply.SetException(failure);
        }
    }

    /// <summary>What the controller does of its own accord.</summary>
    private void Do(Func<MetadataImage, ControllerContext, IReadOnlyList<IMessage>> what)
    {
        IReadOnlyList<IMessage> records;
        try
        {
            records = what(_latest, _context);
        }
        catch (Exception e)
        {
            _logger.Error(e, "Epoch {0}: {1} cannot decide", _epoch, what.Method.DeclaringType?.Name);
            return;
        }

        if (records.Count > 0)
        {
            _logger.Info("Epoch {0}: {1} records by {2}", _epoch, records.Count, what.Method.DeclaringType?.Name);
            Write(records);
        }
    }

    /// <returns>The offset of the last record; with a failure all that wait have failed, and this controller is at its end.</returns>
    private (long Offset, Exception? Failure) Write(IReadOnlyList<IMessage> records)
    {
        try
        {
            var offset = _log.Append(_epoch, records);
            var delta = new MetadataDelta(_latest);
            foreach (var record in records)
            {
                delta.Replay(record);
            }

            _latest = delta.Apply(offset, _epoch);
            return (offset, null);
        }
        catch (Exception e)
        {
            _logger.Error(e, "Epoch {0}: cannot write a decision of {1} records", _epoch, records.Count);
            FailAll(e);
            Context.Stop(Self);
            return (-1, e);
        }
    }

    private Decision? TryDecide(Decide decide)
    {
        try
        {
            return DecisionOn(decide.Request);
        }
        catch (Exception e)
        {
            _logger.Error(e, "Epoch {0}: cannot decide on {1}", _epoch, decide.Request.GetType().Name);
            decide.Reply.SetException(e);
            return null;
        }
    }

    private Decision DecisionOn(IRequestMessage request) => request switch
    {
        CreateTopicsRequest create => CreateTopicsDecision.Decide(_latest, create, _context),
        DeleteTopicsRequest delete => DeleteTopicsDecision.Decide(_latest, delete),
        CreatePartitionsRequest create => CreatePartitionsDecision.Decide(_latest, create, _context),
        IncrementalAlterConfigsRequest alter => AlterConfigsDecision.Decide(_latest, alter, _context),
        AlterConfigsRequest alter => AlterConfigsDecision.Decide(_latest, alter, _context),
        AllocateProducerIdsRequest allocate => AllocateProducerIdsDecision.Decide(_latest, allocate),
        BrokerRegistrationRequest register => RegisterBrokerDecision.Decide(_latest, register, _context, _log.EndOffset, _clusterId),
        BrokerHeartbeatRequest beat => BrokerHeartbeatDecision.Decide(_latest, beat, _context),
        AlterPartitionRequest alter => AlterPartitionDecision.Decide(_latest, alter, _context),
        AssignReplicasToDirsRequest assign => AssignReplicasToDirsDecision.Decide(_latest, assign, _context),
        ElectLeadersRequest elect => ElectLeadersDecision.Decide(_latest, elect, _context),
        AlterPartitionReassignmentsRequest alter => AlterPartitionReassignmentsDecision.Decide(_latest, alter, _context),
        UpdateFeaturesRequest update => UpdateFeaturesDecision.Decide(_latest, update, _context),
        UnregisterBrokerRequest unregister => UnregisterBrokerDecision.Decide(_latest, unregister, _context),
        _ => throw new ArgumentException($"The controller does not decide on {request.GetType().Name}."),
    };

    private void Answer(long offset, IResponseMessage response, TaskCompletionSource<IResponseMessage> reply)
    {
        if (offset <= _applied)
        {
            reply.SetResult(response);
        }
        else
        {
            _uncommitted.Enqueue((offset, response, reply));
        }
    }

    private void OnApplied(Applied applied)
    {
        _applied = Math.Max(_applied, applied.Image.Offset);
        if (applied.Image.Offset == _latest.Offset)
        {
            // The same content: keeping the store's objects rather than equal ones of its own halves the memory.
            _latest = applied.Image;
        }

        while (_uncommitted.TryPeek(out var next) && next.Offset <= _applied)
        {
            _uncommitted.Dequeue();
            next.Reply.SetResult(next.Response);
        }
    }

    private void FailAll(Exception cause)
    {
        while (_uncommitted.TryDequeue(out var next))
        {
            next.Reply.SetException(cause);
        }
    }
}
