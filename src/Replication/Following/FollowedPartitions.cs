namespace Milena.Replication;

/// <summary>What a fetcher fetches: all its partitions, those of them that the leader has to be told of, those that pause, and those that a throttle holds back.</summary>
/// <remarks>Safe for several threads: replicas enter and leave while the fetcher works. What one round costs depends on what changed, not on how many there are.</remarks>
internal sealed class FollowedPartitions(TimeProvider time, ReplicationThrottle throttle)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<FollowedKey, FollowedPartition> _all = [];
    private readonly HashSet<FollowedKey> _changed = [];
    private readonly HashSet<FollowedKey> _gone = [];
    private readonly HashSet<FollowedKey> _paused = [];
    private readonly HashSet<FollowedKey> _behind = [];

    // Those of the ones behind that are not fetched now. None of them pauses.
    private readonly HashSet<FollowedKey> _heldBack = [];
    private TaskCompletionSource _added = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public void Add(FollowedPartition followed)
    {
        lock (_gate)
        {
            _all[followed.Key] = followed;
            Forget(followed.Key);
            if (followed.IsBehind)
            {
                _behind.Add(followed.Key);
            }

            Change(followed.Key);
            _added.TrySetResult();
        }
    }

    /// <returns>True when no partition is left.</returns>
    public bool Remove(Replica replica)
    {
        var key = FollowedKey.Of(replica);
        lock (_gate)
        {
            if (_all.TryGetValue(key, out var followed) && ReferenceEquals(followed.Replica, replica))
            {
                _all.Remove(key);
                Forget(key);
                Go(key);
            }

            return _all.Count == 0;
        }
    }

    /// <summary>The leader is to be told where to go on; nothing happens where the partition is in other hands by now.</summary>
    public void GoOn(FollowedPartition followed)
    {
        lock (_gate)
        {
            if (IsHere(followed))
            {
                Change(followed.Key);
            }
        }
    }

    /// <summary>The leader has committed so much.</summary>
    public void Told(FollowedPartition followed, long highWatermark)
    {
        var isBehind = followed.Position.Offset < highWatermark;
        if (followed.IsBehind == isBehind)
        {
            return;
        }

        lock (_gate)
        {
            followed.IsBehind = isBehind;
            if (IsHere(followed))
            {
                _ = isBehind ? _behind.Add(followed.Key) : _behind.Remove(followed.Key);
            }
        }
    }

    /// <summary>Whatever the throttle holds back may be fetched again, unless the next round finds otherwise.</summary>
    public void Release()
    {
        lock (_gate)
        {
            LetGo();
            _added.TrySetResult();
        }
    }

    /// <summary>It is left out until it is due.</summary>
    public void Pause(FollowedPartition followed)
    {
        lock (_gate)
        {
            if (IsHere(followed))
            {
                _paused.Add(followed.Key);
                Go(followed.Key);
            }
        }
    }

    /// <summary>What the next request has to say.</summary>
    /// <param name="all">Whether it has to name everything.</param>
    public FetcherRound Next(bool all)
    {
        lock (_gate)
        {
            if (_added.Task.IsCompleted)
            {
                _added = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            }

            var (untilDue, untilAllowed) = (Resume(), Throttle());
            var untilNext = untilDue < untilAllowed ? untilDue : untilAllowed;
            if (_all.Count == _paused.Count + _heldBack.Count)
            {
                // Nothing is asked, so nothing is told.
                return new FetcherRound([], [], IsIdle: true, _added.Task, untilNext);
            }

            var named = all ? _all.Keys.Where(key => !_paused.Contains(key) && !_heldBack.Contains(key)) : _changed;
            var round = new FetcherRound([.. named.Select(key => _all[key])], [.. _gone], IsIdle: false, _added.Task, untilNext);
            _changed.Clear();
            _gone.Clear();
            return round;
        }
    }

    /// <returns>How long until the next one that pauses is due; the largest value where none pauses.</returns>
    private TimeSpan Resume()
    {
        var untilNext = TimeSpan.MaxValue;
        if (_paused.Count == 0)
        {
            return untilNext;
        }

        var now = time.GetTimestamp();
        foreach (var key in _paused.ToList())
        {
            if (_all[key].DueAt <= now)
            {
                _paused.Remove(key);
                Change(key);
            }
            else if (time.GetElapsedTime(now, _all[key].DueAt) is var left && left < untilNext)
            {
                untilNext = left;
            }
        }

        return untilNext;
    }

    /// <summary>Lets all go that is held back, or holds all back that has to wait.</summary>
    /// <returns>How long until it may go; the largest value where nothing is held back.</returns>
    private TimeSpan Throttle()
    {
        if (_behind.Count + _heldBack.Count == 0)
        {
            return TimeSpan.MaxValue;
        }

        var pause = throttle.Quota.Pause;
        if (pause == TimeSpan.Zero)
        {
            LetGo();
            return TimeSpan.MaxValue;
        }

        foreach (var key in _behind.Where(key => !_paused.Contains(key) && throttle.Counts(_all[key].Replica.TopicPartition)).ToList())
        {
            _behind.Remove(key);
            _heldBack.Add(key);
            Go(key);
        }

        return _heldBack.Count > 0 ? pause : TimeSpan.MaxValue;
    }

    private void LetGo()
    {
        // The leader serves them in the order in which it is told of them, and may not get through before the limit is reached again.
        foreach (var key in _heldBack.OrderBy(key => _all[key].ServedAt))
        {
            _behind.Add(key);
            Change(key);
        }

        _heldBack.Clear();
    }

    private void Forget(FollowedKey key)
    {
        _paused.Remove(key);
        _behind.Remove(key);
        _heldBack.Remove(key);
    }

    private bool IsHere(FollowedPartition followed) => _all.TryGetValue(followed.Key, out var here) && ReferenceEquals(here, followed);

    private void Change(FollowedKey key)
    {
        _changed.Add(key);
        _gone.Remove(key);
    }

    private void Go(FollowedKey key)
    {
        _changed.Remove(key);
        _gone.Add(key);
    }
}

/// <summary>One round of a fetcher.</summary>
/// <param name="Changed">What the leader has to be told of.</param>
/// <param name="Gone">What it has to forget.</param>
/// <param name="IsIdle">There is nothing to fetch: all that there is pauses or is held back.</param>
/// <param name="Added">Completes when a partition comes, or the throttle is another one.</param>
/// <param name="UntilNext">How long until one that is left out is due; the largest value where none is.</param>
internal readonly record struct FetcherRound(
    IReadOnlyList<FollowedPartition> Changed, IReadOnlyList<FollowedKey> Gone, bool IsIdle, Task Added, TimeSpan UntilNext);
