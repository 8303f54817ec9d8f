using Milena.Metadata.Log;
using Milena.Metadata.Snapshots;
using Milena.Model;

namespace Milena.Metadata.Quorum;

/// <summary>The one thread that the listener hears from: decided batches in order, and, in its place among them, who leads.</summary>
internal sealed class CommittedFeed(QuorumLog log, IMetadataLogListener listener, Action<Exception> failed)
{
    private const int ChunkBytes = 1 << 20;

    private abstract record Event
    {
        public sealed record Decided(long HighWatermark) : Event;

        public sealed record Replaced(Snapshot Snapshot) : Event;

        public sealed record BecameLeader(int Epoch) : Event;

        public sealed record LostLeadership(Exception? Cause) : Event;

        public sealed record Stop : Event;
    }

    private readonly Lock _lock = new();
    private readonly LinkedList<Event> _events = [];
    private readonly SemaphoreSlim _wanted = new(0);
    private long _applied;
    private long _replacedBelow;
    private long _bytesSinceSnapshot;
    private Task _running = Task.CompletedTask;

    public void Start() => _running = Task.Factory.StartNew(Run, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    public void Decided(long highWatermark) => Add(new Event.Decided(highWatermark));

    /// <summary>Bytes of what was told and is in no snapshot of this replica's.</summary>
    public long BytesSinceSnapshot => Interlocked.Read(ref _bytesSinceSnapshot);

    /// <summary>The log will not have what is below the snapshot's end; the snapshot does. To be called before the log loses it.</summary>
    public void Replaced(Snapshot snapshot)
    {
        Add(new Event.Replaced(snapshot));
        Volatile.Write(ref _replacedBelow, snapshot.Id.EndOffset);
    }

    public void SnapshotWritten(long endOffset) =>
        Interlocked.Exchange(ref _bytesSinceSnapshot, log.BytesBetween(endOffset, Volatile.Read(ref _applied)));

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
            case Event.Replaced replaced:
                Apply(replaced.Snapshot);
                break;
            case Event.BecameLeader became:
                listener.BecameLeader(became.Epoch);
                break;
            case Event.LostLeadership lost:
                listener.LostLeadership(lost.Cause);
                break;
        }
    }

    private void Apply(Snapshot snapshot)
    {
        listener.Committed(snapshot.Records, snapshot.Id.EndOffset - 1, snapshot.Id.Epoch, isSnapshot: true);
        Volatile.Write(ref _applied, snapshot.Id.EndOffset);
        Interlocked.Exchange(ref _bytesSinceSnapshot, 0);
    }

    private void Apply(long highWatermark)
    {
        // A snapshot that waits in the queue will tell the rest, which the log may not have any more.
        while (_applied < highWatermark && _applied >= Volatile.Read(ref _replacedBelow))
        {
            byte[] read;
            try
            {
                read = log.Read(_applied, highWatermark, ChunkBytes);
            }
            catch (InvalidDataException) when (_applied < Volatile.Read(ref _replacedBelow))
            {
                return;
            }

            var chunk = read.AsSpan();
            if (chunk.IsEmpty && _applied < Volatile.Read(ref _replacedBelow))
            {
                return;
            }

            if (chunk.IsEmpty)
            {
                throw new InvalidDataException($"The metadata log lacks the decided records from offset {_applied} to {highWatermark}.");
            }

            while (RecordBatchHeader.TryRead(chunk, out var header) == ErrorCode.None)
            {
                listener.Committed(CommittedRecords.Of(chunk[..header.SizeInBytes], header), header.LastOffset, header.LeaderEpoch, isSnapshot: false);
                Volatile.Write(ref _applied, header.NextOffset);
                Interlocked.Add(ref _bytesSinceSnapshot, header.SizeInBytes);
                chunk = chunk[header.SizeInBytes..];
            }
        }
    }
}
