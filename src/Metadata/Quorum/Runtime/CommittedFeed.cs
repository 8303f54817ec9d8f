using Milena.Metadata.Log;
using Milena.Model;

namespace Milena.Metadata.Quorum;

/// <summary>The one thread that the listener hears from: decided batches in order, and, in its place among them, who leads.</summary>
internal sealed class CommittedFeed(QuorumLog log, IMetadataLogListener listener, Action<Exception> failed)
{
    private const int ChunkBytes = 1 << 20;

    private abstract record Event
    {
        public sealed record Decided(long HighWatermark) : Event;

        public sealed record BecameLeader(int Epoch) : Event;

        public sealed record LostLeadership(Exception? Cause) : Event;

        public sealed record Stop : Event;
    }

    private readonly Lock _lock = new();
    private readonly LinkedList<Event> _events = [];
    private readonly SemaphoreSlim _wanted = new(0);
    private long _applied;
    private Task _running = Task.CompletedTask;

    public void Start() => _running = Task.Factory.StartNew(Run, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    public void Decided(long highWatermark) => Add(new Event.Decided(highWatermark));

    public void BecameLeader(int epoch) => Add(new Event.BecameLeader(epoch));

    public void LostLeadership(Exception? cause) => Add(new Event.LostLeadership(cause));

    /// <summary>Ends when all that was added before has been told.</summary>
    public Task StopAsync()
    {
        Add(new Event.Stop());
        return _running;
    }

    private void Add(Event next)
    {
        lock (_lock)
        {
            // A slow listener does not make a long queue: one high watermark stands for those before it.
            if (next is Event.Decided && _events.Last is { Value: Event.Decided } last)
            {
                last.Value = next;
                return;
            }

            _events.AddLast(next);
        }

        _wanted.Release();
    }

    private void Run()
    {
        while (true)
        {
            _wanted.Wait();
            Event next;
            lock (_lock)
            {
                next = _events.First!.Value;
                _events.RemoveFirst();
            }

            if (next is Event.Stop)
            {
                return;
            }

            try
            {
                Tell(next);
            }
            catch (Exception e)
            {
                // The image must not go on without what could not be read, or what the listener could not apply.
                failed(e);
                listener.LostLeadership(e);
                return;
            }
        }
    }

    private void Tell(Event next)
    {
        switch (next)
        {
            case Event.Decided decided:
                Apply(decided.HighWatermark);
                break;
            case Event.BecameLeader became:
                listener.BecameLeader(became.Epoch);
                break;
            case Event.LostLeadership lost:
                listener.LostLeadership(lost.Cause);
                break;
        }
    }

    private void Apply(long highWatermark)
    {
        while (_applied < highWatermark)
        {
            var chunk = log.Read(_applied, highWatermark, ChunkBytes).AsSpan();
            if (chunk.IsEmpty)
            {
                throw new InvalidDataException($"The metadata log lacks the decided records from offset {_applied} to {highWatermark}.");
            }

            while (RecordBatchHeader.TryRead(chunk, out var header) == ErrorCode.None)
            {
                listener.Committed(CommittedRecords.Of(chunk[..header.SizeInBytes], header), header.LastOffset, header.LeaderEpoch, isSnapshot: false);
                _applied = header.NextOffset;
                chunk = chunk[header.SizeInBytes..];
            }
        }
    }
}
