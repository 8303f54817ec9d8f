using Akka.Actor;
using Akka.Event;
using Milena.Metadata.Image;
using Milena.Metadata.Log;
using Milena.Protocol;

namespace Milena.Metadata.Controller.Remote;

/// <summary>Takes other nodes' questions to the controller, while it runs on this node.</summary>
/// <remarks>A question's bytes come from a node, and nodes are of different versions: one that cannot be read is answered, not thrown over.</remarks>
public sealed class ControllerGateway : ReceiveActor
{
    /// <summary>Its name below <c>/user</c>, the same on every node.</summary>
    public const string Name = "controller-gateway";

    private readonly ControllerClient _controller;
    private readonly MetadataStore _metadata;
    private readonly ILoggingAdapter _logger = Context.GetLogger();

    public ControllerGateway(ControllerClient controller, MetadataStore metadata)
    {
        (_controller, _metadata) = (controller, metadata);
        Receive<ControllerQuestion>(OnQuestion);
    }

    public static Props Props(ControllerClient controller, MetadataStore metadata) =>
        Akka.Actor.Props.Create(() => new ControllerGateway(controller, metadata));

    private void OnQuestion(ControllerQuestion question)
    {
        if (_controller.Controller is not { } controller)
        {
            Sender.Tell(Refusal(question, ControllerOutcome.NotController, "This node does not lead the metadata quorum."));
            return;
        }

        if (ApiCatalog.Find(question.ApiKey) is not { } api
            || question.ApiVersion < api.MinVersion
            || question.ApiVersion > api.MaxVersion
            || !ApiCatalog.TryReadRequest(question.ApiKey, question.ApiVersion, question.Body, out var request))
        {
            _logger.Warning("{0} sent a request of key {1} in version {2} that cannot be read here", Sender, question.ApiKey, question.ApiVersion);
            Sender.Tell(Refusal(question, ControllerOutcome.Failed, $"The controller cannot read a request of key {question.ApiKey} in version {question.ApiVersion}."));
            return;
        }

        var reply = new TaskCompletionSource<IResponseMessage>(TaskCreationOptions.RunContinuationsAsynchronously);
        controller.Tell(new ControllerActor.Decide(request, reply), ActorRefs.NoSender);
        AnswerAsync(question, reply.Task).PipeTo(Sender);
    }

    private async Task<ControllerAnswer> AnswerAsync(ControllerQuestion question, Task<IResponseMessage> decision)
    {
        try
        {
            var response = await decision;
            return new ControllerAnswer(
                question.Id, ControllerOutcome.Decided, _metadata.Current.Offset, ControllerQuestion.Encoded(response, question.ApiVersion), "");
        }
        catch (Exception e) when (e is NotControllerException or Storage.LogIOException)
        {
            return Refusal(question, ControllerOutcome.NotController, e.Message);
        }
        catch (Exception e)
        {
            // The controller has logged it; the asker is told, for it waits.
            return Refusal(question, ControllerOutcome.Failed, e.Message);
        }
    }

    private static ControllerAnswer Refusal(ControllerQuestion question, ControllerOutcome outcome, string reason) => new(question.Id, outcome, -1, default, reason);
}
