using Akka.Actor;
using Akka.Event;

namespace Milena.Replication;

/// <summary>A message whose sender waits for an answer by other means than a message.</summary>
public interface IAwaited
{
    /// <summary>Its actor had ended before it came, or ended with it in its mailbox: nobody will handle it. Called once, and only then.</summary>
    void Undelivered();
}

/// <summary>Answers what was told to actors that have ended.</summary>
/// <remarks>
/// Who asks looks up an actor first, which may end before the message comes: a coordinator when its broker leads no longer, a replica when its topic is deleted. Akka
/// drops the message then. A client's connection, which answers in order, would wait for ever, and the node could not even stop.
/// </remarks>
public sealed class DeadLetterAnswers : ReceiveActor
{
    public DeadLetterAnswers() => Receive<DeadLetter>(letter => (letter.Message as IAwaited)?.Undelivered());

    public static Props Props() => Akka.Actor.Props.Create(() => new DeadLetterAnswers());

    protected override void PreStart() => Context.System.EventStream.Subscribe(Self, typeof(DeadLetter));

    protected override void PostStop() => Context.System.EventStream.Unsubscribe(Self);
}
