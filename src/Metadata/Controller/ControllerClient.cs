using Akka.Actor;
using Milena.Metadata.Controller.Remote;
using Milena.Metadata.Log;
using Milena.Protocol;

namespace Milena.Metadata.Controller;

/// <summary>Where a broker asks the controller: directly while it runs on this node, else over the link to the node where it does.</summary>
public sealed class ControllerClient
{
    private volatile IActorRef? _controller;
    private volatile IActorRef? _link;

    /// <summary>The controller, while it runs on this node.</summary>
    public IActorRef? Controller
    {
        get => _controller;
        set => _controller = value;
    }

    /// <summary>This node's <see cref="ControllerLink"/>; null where there are no other nodes.</summary>
    public IActorRef? Link
    {
        get => _link;
        set => _link = value;
    }

    /// <summary>Whether an exception is one of those that <see cref="AskAsync"/> tells of: there was no answer, and the asker decides what follows.</summary>
    public static bool IsNoAnswer(Exception exception) =>
        exception is NotControllerException or TimeoutException or InvalidOperationException or Storage.LogIOException;

    /// <summary>Asks, and waits for the decision to be committed and applied on this node.</summary>
    /// <exception cref="NotControllerException">There is no controller now, or it lost its place before the decision was committed.</exception>
    /// <exception cref="TimeoutException">No decision within the timeout; it may still come.</exception>
    /// <exception cref="Storage.LogIOException">The controller's disk failed while it decided.</exception>
    /// <exception cref="InvalidOperationException">The controller could not decide, which is a bug or a question of a later version.</exception>
    public async Task<TResponse> AskAsync<TResponse>(IRequestMessage request, TimeSpan timeout)
        where TResponse : IResponseMessage
    {
        var reply = new TaskCompletionSource<IResponseMessage>(TaskCreationOptions.RunContinuationsAsynchronously);
        if (_controller is { } controller)
        {
            controller.Tell(new ControllerActor.Decide(request, reply), ActorRefs.NoSender);
        }
        else if (_link is { } link)
        {
            link.Tell(new ControllerLink.Ask(request, reply), ActorRefs.NoSender);
        }
        else
        {
            throw new NotControllerException("No controller is elected.");
        }

        return (TResponse)await reply.Task.WaitAsync(timeout);
    }
}
