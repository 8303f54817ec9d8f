using Milena.Model;

namespace Milena.Replication;

/// <summary>Appends with acks=all that wait for the high watermark to pass them, in the order of the log.</summary>
internal sealed class PendingAppends
{
    private readonly Queue<(long CommittedAt, AppendOutcome Outcome, AppendCompletion Reply, long DeadlineMs)> _waiting = new();

    public int Count => _waiting.Count;

    /// <param name="committedAt">The high watermark at which the append counts as committed: its last offset + 1.</param>
    /// <param name="deadlineMs">When its sender gives up.</param>
    public void Add(long committedAt, in AppendOutcome outcome, AppendCompletion reply, long deadlineMs) =>
        _waiting.Enqueue((committedAt, outcome, reply, deadlineMs));

    public void AnswerUpTo(long highWatermark)
    {
        while (_waiting.TryPeek(out var next) && next.CommittedAt <= highWatermark)
        {
            _waiting.Dequeue();
            next.Reply.Complete(next.Outcome);
        }
    }

    /// <summary>The records are in the log, below <paramref name="end"/>, and nobody can say whether they will stay.</summary>
    public void FailUpTo(long end, ErrorCode error)
    {
        while (_waiting.TryPeek(out var next) && next.CommittedAt <= end)
        {
            _waiting.Dequeue();
            next.Reply.Complete(AppendOutcome.Failed(error));
        }
    }

    /// <summary>Answers those whose senders have given up: they may still be committed.</summary>
    /// <returns>The earliest deadline of those that are left; null when none is.</returns>
    public long? Expire(long nowMs)
    {
        long? earliest = null;
        for (var left = _waiting.Count; left > 0; left--)
        {
            var next = _waiting.Dequeue();
            if (next.DeadlineMs <= nowMs)
            {
                next.Reply.Complete(AppendOutcome.Failed(ErrorCode.RequestTimedOut));
                continue;
            }

            earliest = Math.Min(earliest ?? long.MaxValue, next.DeadlineMs);
            _waiting.Enqueue(next);
        }

        return earliest;
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
