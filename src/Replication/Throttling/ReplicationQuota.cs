namespace Milena.Replication;

/// <summary>How many bytes went one way within the last seconds, and whether that is more than allowed.</summary>
/// <remarks>
/// As in Kafka: the bytes of the last windows (<c>replication.quota.window.num</c> of <c>replication.quota.window.size.seconds</c>) over the time since the
/// earliest of them began. What is over is not taken back: nothing more goes until time has brought the rate down. Safe for several threads.
/// </remarks>
public sealed class ReplicationQuota(TimeProvider time, int windows, TimeSpan window)
{
    /// <summary>No limit.</summary>
    public const long Unlimited = long.MaxValue;

    private readonly Lock _gate = new();
    private readonly Queue<(long BeganAt, long Bytes)> _past = new();

    // None before it is first asked or told of anything: what nobody sent before counts for nothing.
    private (long BeganAt, long Bytes)? _present;
    private long _bytes;
    private long _bytesPerSecond = Unlimited;

    /// <summary>The limit. May be changed at any time.</summary>
    public long BytesPerSecond
    {
        get => Volatile.Read(ref _bytesPerSecond);
        set => Volatile.Write(ref _bytesPerSecond, value);
    }

    public bool IsExceeded => Pause > TimeSpan.Zero;

    /// <summary>How long nothing may go, if nothing goes meanwhile; zero while the limit is kept. Whole milliseconds, as timers know no less.</summary>
    public TimeSpan Pause
    {
        get
        {
            var limit = BytesPerSecond;
            if (limit == Unlimited)
            {
                return TimeSpan.Zero;
            }

            lock (_gate)
            {
                _present = Turn();
                return TimeSpan.FromMilliseconds(Math.Ceiling(SecondsUntil(limit) * 1000));
            }
        }
    }

    public void Record(long bytes)
    {
        lock (_gate)
        {
            var present = Turn();
            _present = (present.BeganAt, present.Bytes + bytes);
            _bytes += bytes;
        }
    }

    /// <summary>The rate falls as the time grows since the earliest window began, and whenever that one goes.</summary>
    private double SecondsUntil(long limit)
    {
        var (now, bytes, seconds) = (time.GetTimestamp(), _bytes, 0.0);
        foreach (var earliest in _past.Append(_present!.Value))
        {
            var age = time.GetElapsedTime(earliest.BeganAt, now).TotalSeconds;
            if (bytes <= limit * Math.Max(age + seconds, window.TotalSeconds))
            {
                return seconds;
            }

            var (slowAt, goneAt) = ((bytes / (double)limit) - age, (window.TotalSeconds * windows) - age);
            if (slowAt <= goneAt)
            {
                return slowAt;
            }

            (bytes, seconds) = (bytes - earliest.Bytes, goneAt);
        }

        return seconds;
    }

    /// <returns>The present window.</returns>
    private (long BeganAt, long Bytes) Turn()
    {
        var present = _present ?? (time.GetTimestamp(), 0);
        if (time.GetElapsedTime(present.BeganAt) >= window)
        {
            _past.Enqueue(present);
            present = (time.GetTimestamp(), 0);
        }

        while (_past.TryPeek(out var earliest) && time.GetElapsedTime(earliest.BeganAt) >= window * windows)
        {
            _bytes -= _past.Dequeue().Bytes;
        }

        return present;
    }
}
