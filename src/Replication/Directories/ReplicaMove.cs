using Milena.Storage;

namespace Milena.Replication;

/// <summary>A replica on its way from the log directory that it lies in to another one of its broker.</summary>
/// <param name="thread">Does everything about the move that touches the disk, so that no two things happen to it at once.</param>
internal sealed class ReplicaMove(Replica replica, LogDirectory target, MoveThread thread)
{
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile bool _isPromised;
    private volatile bool _isCancelled;

    public Replica Replica => replica;

    public LogDirectory Target => target;

    public MoveThread Thread => thread;

    /// <summary>The controller is told that the replica lies in the new directory: first there, then here.</summary>
    public bool IsPromised
    {
        get => _isPromised;
        set => _isPromised = value;
    }

    public bool IsCancelled => _isCancelled;

    /// <summary>Completes when the replica has moved, or when nothing is left of the attempt.</summary>
    public Task Ended => _ended.Task;

    public void Cancel() => _isCancelled = true;

    public void End()
    {
        if (_ended.TrySetResult())
        {
            thread.Ended();
        }
    }
}
