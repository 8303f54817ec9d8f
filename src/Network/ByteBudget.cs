namespace Milena.Network;

/// <summary>A number of bytes that many may hold parts of; who wants more than is left waits, first come first served.</summary>
/// <remarks>A single request larger than the whole budget is let through when nothing else is held, so that it cannot wait for ever.</remarks>
public sealed class ByteBudget(long capacity)
{
    private readonly Lock _gate = new();
    private readonly Queue<(long Bytes, TaskCompletionSource Granted)> _waiting = new();
    private long _held;

    public long Held => Interlocked.Read(ref _held);

    /// <summary>Completes once the bytes are granted; whoever has them gives them back with <see cref="Release"/>.</summary>
    public ValueTask AcquireAsync(long bytes)
    {
        lock (_gate)
        {
            if (_waiting.Count == 0 && Fits(bytes))
            {
                _held += bytes;
                return ValueTask.CompletedTask;
            }

            var granted = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _waiting.Enqueue((bytes, granted));
            return new ValueTask(granted.Task);
        }
    }

    public void Release(long bytes)
    {
        lock (_gate)
        {
            _held -= bytes;
            while (_waiting.TryPeek(out var next) && Fits(next.Bytes))
            {
                _waiting.Dequeue();
                _held += next.Bytes;
                next.Granted.SetResult();
            }
        }
    }

    private bool Fits(long bytes) => _held == 0 || _held + bytes <= capacity;
}
