namespace Milena.Metadata.Snapshots;

/// <summary>When a snapshot is due: the log has grown enough since the last one, or long enough ago was the last one of a log that has grown at all.</summary>
/// <param name="maxBytes">The setting <c>metadata.log.max.record.bytes.between.snapshots</c>.</param>
/// <param name="maxInterval">The setting <c>metadata.log.max.snapshot.interval.ms</c>; zero is never.</param>
/// <remarks>Pure; times come from the caller. After a failed attempt it waits before it asks again, or a full disk would be tried on every commit.</remarks>
public sealed class SnapshotSchedule(long maxBytes, TimeSpan maxInterval, DateTimeOffset start)
{
    public static readonly TimeSpan RetryAfter = TimeSpan.FromMinutes(1);

    private DateTimeOffset _last = start;
    private DateTimeOffset _notBefore = start;

    /// <param name="bytesSinceSnapshot">Bytes of committed records that the newest snapshot does not contain.</param>
    public bool IsDue(DateTimeOffset now, long bytesSinceSnapshot) =>
        now >= _notBefore && bytesSinceSnapshot > 0 && (bytesSinceSnapshot >= maxBytes || (maxInterval > TimeSpan.Zero && now - _last >= maxInterval));

    public void Written(DateTimeOffset now) => _last = _notBefore = now;

    public void Failed(DateTimeOffset now) => _notBefore = now + RetryAfter;
}
