using Milena.Model;

namespace Milena.Replication;

/// <summary>Appends with acks=all that wait for the high watermark to pass them, in the order of the log.</summary>
internal sealed class PendingAppends
{
    private readonly Queue<(long CommittedAt, AppendOutcome Outcome, AppendCompletion Reply)> _waiting = new();

    public int Count => _waiting.Count;

    /// <param name="committedAt">The high watermark at which the append counts as committed: its last offset + 1.</param>
    public void Add(long committedAt, in AppendOutcome outcome, AppendCompletion reply) => _waiting.Enqueue((committedAt, outcome, reply));

    public void AnswerUpTo(long highWatermark)
    {
        while (_waiting.TryPeek(out var next) && next.CommittedAt <= highWatermark)
        {
            _waiting.Dequeue();
            next.Reply.Complete(next.Outcome);
        }
    }

    /// <summary>The replica no longer leads or its disk failed: nobody can say whether these will survive.</summary>
    public void FailAll(ErrorCode error)
    {
        while (_waiting.TryDequeue(out var next))
        {
            next.Reply.Complete(AppendOutcome.Failed(error));
        }
    }
}
