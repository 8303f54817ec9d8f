using Milena.Model;
using Milena.Protocol;

namespace Milena.Coordinators.Runtime;

/// <summary>Steps whose answers wait for records, their own or earlier ones', to be committed; in the order in which they were taken.</summary>
internal sealed class PendingSteps
{
    private readonly Queue<Step> _waiting = new();
    private long _lastNumber;

    private sealed class Step(long number, bool isCommitted, (object ReplyTo, IResponseMessage Response)[] replies)
    {
        public long Number => number;
        public bool IsCommitted { get; set; } = isCommitted;
        public (object ReplyTo, IResponseMessage Response)[] Replies => replies;
    }

    public bool IsEmpty => _waiting.Count == 0;

    /// <param name="appends">The step's records are on their way; else it waits only for those before it.</param>
    /// <returns>The step's number, for <see cref="Committed"/>.</returns>
    public long Add(bool appends, IReadOnlyList<(object ReplyTo, IResponseMessage Response)> replies)
    {
        _waiting.Enqueue(new Step(++_lastNumber, !appends, [.. replies]));
        return _lastNumber;
    }

    public void Committed(long number)
    {
        foreach (var step in _waiting)
        {
            if (step.Number == number)
            {
                step.IsCommitted = true;
            }
        }

        while (_waiting.TryPeek(out var next) && next.IsCommitted)
        {
            Answer(_waiting.Dequeue().Replies);
        }
    }

    public void FailAll(ErrorCode error)
    {
        while (_waiting.TryDequeue(out var step))
        {
            foreach (var (replyTo, _) in step.Replies)
            {
                ((CoordinatorReply)replyTo).Fail(error);
            }
        }
    }

    public static void Answer(IReadOnlyList<(object ReplyTo, IResponseMessage Response)> replies)
    {
        foreach (var (replyTo, response) in replies)
        {
            ((CoordinatorReply)replyTo).Complete(response);
        }
    }
}
