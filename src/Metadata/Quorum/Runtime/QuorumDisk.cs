using Milena.Storage;

namespace Milena.Metadata.Quorum;

/// <summary>The one thread that waits for the disk: it writes the election state and flushes the log, and says when that is done.</summary>
/// <remarks>Several requests that come while it waits become one. A disk that fails ends it.</remarks>
internal sealed class QuorumDisk(QuorumLog log, Action<long> electionWritten, Action<int, long> flushed, Action<Exception> failed)
{
    private readonly Lock _lock = new();
    private readonly SemaphoreSlim _wanted = new(0);
    private (long Version, ElectionState State)? _election;
    private (int Generation, long EndOffset)? _flush;
    private (int Generation, long EndOffset)? _flushing;
    private bool _stopping;
    private Task _running = Task.CompletedTask;

    public void Start() => _running = Task.Factory.StartNew(Run, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    public void Write(long version, ElectionState state)
    {
        lock (_lock)
        {
            _election = (version, state);
        }

        _wanted.Release();
    }

    /// <param name="endOffset">What was appended by now, in that generation of the log.</param>
    public void Flush(int generation, long endOffset)
    {
        lock (_lock)
        {
            if (_flush == (generation, endOffset) || (_flush is null && _flushing == (generation, endOffset)))
            {
                return;
            }

            _flush = (generation, endOffset);
        }

        _wanted.Release();
    }

    /// <summary>Ends after what it is doing, and does nothing more.</summary>
    public Task StopAsync()
    {
        lock (_lock)
        {
            _stopping = true;
        }

        _wanted.Release();
        return _running;
    }

    private void Run()
    {
        try
        {
            while (true)
            {
                _wanted.Wait();
                (long Version, ElectionState State)? election;
                lock (_lock)
                {
                    if (_stopping)
                    {
                        return;
                    }

                    (election, _election, _flushing, _flush) = (_election, null, _flush, null);
                }

                WriteAndFlush(election);
            }
        }
        catch (Exception e) when (e.IsDiskError())
        {
            failed(e);
        }
    }

    private void WriteAndFlush((long Version, ElectionState State)? election)
    {
        // Votes first: an election waits for them.
        if (election is { } state)
        {
            log.WriteElectionState(state.State);
            electionWritten(state.Version);
        }

        if (_flushing is { } target)
        {
            log.Flush();
            lock (_lock)
            {
                _flushing = null;
            }

            flushed(target.Generation, target.EndOffset);
        }
    }
}
