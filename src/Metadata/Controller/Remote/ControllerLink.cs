using Akka.Actor;
using Milena.Metadata.Image;
using Milena.Metadata.Log;
using Milena.Protocol;

namespace Milena.Metadata.Controller.Remote;

/// <summary>Puts this node's questions to the controller on another node, and hands the answers back once this node has applied what they speak of.</summary>
/// <remarks>
/// A question whose answer is lost may have been decided. It is not asked again here: the caller knows whether twice does harm. When the
/// controller changes, all that wait are told so at once.
/// </remarks>
public sealed class ControllerLink : ReceiveActor, IWithTimers
{
    /// <summary>A question for whoever is controller now.</summary>
    public sealed record Ask(IRequestMessage Request, TaskCompletionSource<IResponseMessage> Reply) : INoSerializationVerificationNeeded;

    /// <summary>The controller is at this address now; null where it is not known.</summary>
    public sealed record ControllerAt(Address? Address) : INoSerializationVerificationNeeded;

    private sealed record ForgetLate : INoSerializationVerificationNeeded;

    private sealed record Waiting(short ApiKey, short ApiVersion, TaskCompletionSource<IResponseMessage> Reply, long AskedAt);

    /// <summary>Larger ones do not fit a frame of the remoting; clients that need more split it.</summary>
    public const int MaxBodyBytes = 3 << 20;

    private const int MaxWaiting = 10_000;
    private static readonly TimeSpan Longest = TimeSpan.FromMinutes(1);

    private readonly Dictionary<long, Waiting> _waiting = [];
    private readonly MetadataStore _metadata;
    private readonly TimeProvider _time;
    private ActorSelection? _gateway;
    private Address? _address;
    private long _lastId;

    public ControllerLink(MetadataStore metadata, TimeProvider time)
    {
        (_metadata, _time) = (metadata, time);
        Receive<Ask>(OnAsk);
        Receive<ControllerAnswer>(OnAnswer);
        Receive<ControllerAt>(at => OnControllerAt(at.Address));
        Receive<ForgetLate>(_ => OnForgetLate());
        Timers!.StartPeriodicTimer("late", new ForgetLate(), Longest / 4);
    }

    public ITimerScheduler? Timers { get; set; }

    public static Props Props(MetadataStore metadata, TimeProvider time) => Akka.Actor.Props.Create(() => new ControllerLink(metadata, time));

    protected override void PostStop()
    {
        FailAll("The node stops.");
        base.PostStop();
    }

    private void OnAsk(Ask ask)
    {
        if (_gateway is null || _waiting.Count >= MaxWaiting)
        {
            ask.Reply.SetException(new NotControllerException(_gateway is null ? "No controller is known." : "Too many questions wait for the controller."));
            return;
        }

        var question = ControllerQuestion.Of(++_lastId, ask.Request);
        if (question.Body.Length > MaxBodyBytes)
        {
            ask.Reply.SetException(new InvalidOperationException($"A request of {question.Body.Length} bytes is too large for the controller."));
            return;
        }

        _waiting.Add(question.Id, new Waiting(question.ApiKey, question.ApiVersion, ask.Reply, _time.GetTimestamp()));
        _gateway.Tell(question, Self);
    }

    private void OnAnswer(ControllerAnswer answer)
    {
        if (!_waiting.Remove(answer.Id, out var waiting))
        {
            return;
        }

        switch (answer.Outcome)
        {
            case ControllerOutcome.Decided when ApiCatalog.TryReadResponse(waiting.ApiKey, waiting.ApiVersion, answer.Body, out var response):
                _ = CompleteAsync(waiting.Reply, response, answer.Offset);
                break;
            case ControllerOutcome.NotController:
                waiting.Reply.SetException(new NotControllerException(answer.Reason));
                break;
            default:
                waiting.Reply.SetException(new InvalidOperationException(
                    answer.Reason.Length > 0 ? answer.Reason : $"The controller's answer to a request of key {waiting.ApiKey} cannot be read."));
                break;
        }
    }

    /// <summary>Who hears of a decision must be able to see it on this node.</summary>
    private async Task CompleteAsync(TaskCompletionSource<IResponseMessage> reply, IResponseMessage response, long offset)
    {
        await _metadata.WhenAppliedAsync(offset);
        reply.TrySetResult(response);
    }

    private void OnControllerAt(Address? address)
    {
        if (address == _address)
        {
            return;
        }

        _address = address;
        _gateway = address is null ? null : Context.ActorSelection(new RootActorPath(address) / "user" / ControllerGateway.Name);
        FailAll("The controller has changed meanwhile.");
    }

    private void OnForgetLate()
    {
        foreach (var (id, _) in _waiting.Where(one => _time.GetElapsedTime(one.Value.AskedAt) > Longest).ToList())
        {
            _waiting.Remove(id);
        }
    }

    private void FailAll(string reason)
    {
        foreach (var waiting in _waiting.Values)
        {
            waiting.Reply.TrySetException(new NotControllerException(reason));
        }

        _waiting.Clear();
    }
}
