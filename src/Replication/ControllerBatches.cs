namespace Milena.Replication;

/// <summary>Carries what replicas have to say to the controller: that of many in one request, one request at a time, again until it is answered.</summary>
/// <param name="maxBatch">How many replicas one request speaks of.</param>
/// <param name="longestPause">Between two attempts: the first pause is 100 ms, each doubles up to this.</param>
/// <remarks>Safe for several threads. A request whose fate is unknown is sent again, so deciding on it twice must do no harm.</remarks>
internal abstract class ControllerBatches<T>(Func<long?> brokerEpoch, int maxBatch, TimeSpan longestPause, TimeProvider time) : IDisposable
    where T : class
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(100);

    private readonly Lock _gate = new();
    private readonly CancellationTokenSource _stopped = new();
    private readonly Dictionary<ReplicaId, T> _open = [];
    private bool _sending;

    public void Dispose() => _stopped.Cancel();

    /// <summary>Asks once.</summary>
    /// <returns>False when something of the request is still open, as all of it is where it was refused as a whole.</returns>
    protected abstract Task<bool> AskAsync(IReadOnlyDictionary<ReplicaId, T> batch, long brokerEpoch, TimeSpan timeout);

    /// <summary>For the log: so many wait on.</summary>
    protected abstract void Unanswered(int count, string reason);

    /// <returns>What it takes the place of.</returns>
    protected T? Put(ReplicaId id, T item)
    {
        T? before;
        lock (_gate)
        {
            before = _open.GetValueOrDefault(id);
            _open[id] = item;
            if (_sending || _stopped.IsCancellationRequested)
            {
                return before;
            }

            _sending = true;
        }

        _ = Task.Run(SendAllAsync);
        return before;
    }

    protected T? Find(ReplicaId id)
    {
        lock (_gate)
        {
            return _open.GetValueOrDefault(id);
        }
    }

    protected T? Remove(ReplicaId id)
    {
        lock (_gate)
        {
            return _open.Remove(id, out var item) ? item : null;
        }
    }

    /// <summary>It is answered; what has taken its place meanwhile is not.</summary>
    protected void Close(ReplicaId id, T item)
    {
        lock (_gate)
        {
            if (_open.TryGetValue(id, out var open) && ReferenceEquals(open, item))
            {
                _open.Remove(id);
            }
        }
    }

    private async Task SendAllAsync()
    {
        var pause = FirstPause;
        while (TakeOpen() is { } batch)
        {
            var answered = false;
            try
            {
                answered = brokerEpoch() is { } epoch && await AskAsync(batch, epoch, Timeout).ConfigureAwait(false);
            }
            catch (Exception e)
            {
                // Whatever it was (no controller, no answer in time, a lost connection), all of it is as open as before.
                Unanswered(batch.Count, e.Message);
            }

            if (answered)
            {
                pause = FirstPause;
                continue;
            }

            await Task.Delay(pause, time, _stopped.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            pause = pause * 2 < longestPause ? pause * 2 : longestPause;
        }
    }

    private Dictionary<ReplicaId, T>? TakeOpen()
    {
        lock (_gate)
        {
            if (_open.Count == 0 || _stopped.IsCancellationRequested)
            {
                _sending = false;
                return null;
            }

            return new(_open.Take(maxBatch));
        }
    }
}
