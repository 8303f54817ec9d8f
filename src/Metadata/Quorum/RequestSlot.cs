namespace Milena.Metadata.Quorum;

/// <summary>One kind of request to one peer: at most one is under way, and a failed one is repeated after a while.</summary>
internal sealed class RequestSlot
{
    private const long Idle = 0;

    private long _token;
    private long _notBeforeMs;

    /// <summary>Null while a request is under way.</summary>
    public long? DueMs => _token == Idle ? _notBeforeMs : null;

    public bool IsDue(long nowMs) => _token == Idle && nowMs >= _notBeforeMs;

    public void Sent(long token) => _token = token;

    /// <summary>True when the answer belongs to the request that is under way, which then is over.</summary>
    public bool TryEnd(long token, long nextNotBeforeMs)
    {
        if (token != _token)
        {
            return false;
        }

        (_token, _notBeforeMs) = (Idle, nextNotBeforeMs);
        return true;
    }

    public void NotBefore(long timeMs) => _notBeforeMs = timeMs;
}
