namespace Milena.Testing;

/// <summary>A clock that stands still until a test moves it.</summary>
public sealed class ManualTime(long nowMs = ManualTime.DefaultNowMs) : TimeProvider
{
    public const long DefaultNowMs = 1_700_000_000_000;

    private long _nowMs = nowMs;

    public long NowMs => Volatile.Read(ref _nowMs);

    public void Advance(TimeSpan time) => Interlocked.Add(ref _nowMs, (long)time.TotalMilliseconds);

    public void AdvanceMs(long milliseconds) => Interlocked.Add(ref _nowMs, milliseconds);

    public override DateTimeOffset GetUtcNow() => DateTimeOffset.FromUnixTimeMilliseconds(NowMs);
}
