using Akka.Actor;
using Milena.Metadata.Log;
using Milena.Protocol;

namespace Milena.Metadata.Controller;

/// <summary>Where a broker asks the controller. Holds the reference to the controller while there is one that this node knows of.</summary>
public sealed class ControllerClient
{
    private volatile IActorRef? _controller;

    /// <summary>Null while nobody leads the quorum.</summary>
    public IActorRef? Controller
    {
        get => _controller;
        set => _controller = value;
    }

    /// <summary>Asks, and waits for the decision to be committed and applied on this node.</summary>
    /// <exception cref="NotControllerException">There is no controller now, or it lost its place before the decision was committed.</exception>
    /// <exception cref="TimeoutException">No decision within the timeout; it may still come.</exception>
    public async Task<TResponse> AskAsync<TResponse>(IRequestMessage request, TimeSpan timeout)
        where TResponse : IResponseMessage
    {
        var controller = _controller ?? throw new NotControllerException("No controller is elected.");
        var reply = new TaskCompletionSource<IResponseMessage>(TaskCreationOptions.RunContinuationsAsynchronously);
        controller.Tell(new ControllerActor.Decide(request, reply), ActorRefs.NoSender);
        return (TResponse)await reply.Task.WaitAsync(timeout);
    }
}
