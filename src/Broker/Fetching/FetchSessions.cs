using Milena.Model;
using Milena.Protocol;

namespace Milena.Broker.Fetching;

/// <summary>How one fetch is to be served.</summary>
/// <param name="Partitions">As they were when the fetch began: a second fetch of the same session must not change them under the first.</param>
/// <param name="Incremental">The answer names only partitions that have something new.</param>
/// <param name="Ready">In a follower's session: the partitions to look at, instead of all.</param>
public readonly record struct FetchPlan(ErrorCode Error, int SessionId, IReadOnlyList<FetchPartitionState> Partitions, bool Incremental, ReadyPartitions? Ready = null)
{
    public static FetchPlan Refuse(ErrorCode error) => new(error, 0, [], Incremental: true);
}

/// <summary>The fetch sessions of this broker: a bounded number, the longest unused one giving way when it has been idle long enough.</summary>
/// <param name="lookAtAll">How often all partitions of a follower's session are looked at, whether anything was heard of them or not.</param>
/// <param name="gather">The least time between two answers to a follower that carry little, see <see cref="FetchGathering"/>.</param>
public sealed class FetchSessions(int slots, TimeSpan lookAtAll, TimeSpan gather, TimeProvider time, Random random)
{
    /// <summary>Kafka's <c>min.incremental.fetch.session.eviction.ms</c>: a session used more recently keeps its place.</summary>
    private static readonly TimeSpan MinIdleToEvict = TimeSpan.FromMinutes(2);

    /// <summary>Far shorter than any follower's lag may be; and what it costs then is no matter.</summary>
    private static readonly TimeSpan LookAtAllAtMost = TimeSpan.FromSeconds(1);

    private const int LooksPerLag = 4;
    private const int FinalEpoch = -1;
    private const int InitialEpoch = 0;

    private readonly Lock _gate = new();
    private readonly Dictionary<int, (FetchSession Session, LinkedListNode<(int Id, long LastUsed)> Use)> _sessions = [];
    private readonly LinkedList<(int Id, long LastUsed)> _byUse = new();
    private readonly Dictionary<int, int> _byFollower = [];
    private readonly long _started = time.GetTimestamp();

    public static FetchSessions Of(BrokerContext broker, TimeSpan gather)
    {
        var lag = broker.Replicas.Settings.MaxLag / LooksPerLag;
        return new FetchSessions(
            broker.Settings.GetInt("max.incremental.fetch.session.cache.slots"), lag < LookAtAllAtMost ? lag : LookAtAllAtMost, gather, broker.Time, Random.Shared);
    }

    public int Count
    {
        get
        {
            lock (_gate)
            {
                return _sessions.Count;
            }
        }
    }

    private long NowMs => (long)time.GetElapsedTime(_started).TotalMilliseconds;

    /// <param name="follower">The broker that fetches; null for a consumer.</param>
    /// <param name="mayHaveSession">Whether one may be begun for it.</param>
    public FetchPlan Plan(FetchRequest request, bool usesTopicIds, int? follower = null, bool mayHaveSession = true)
    {
        lock (_gate)
        {
            if (request.SessionEpoch is FinalEpoch or InitialEpoch)
            {
                Remove(request.SessionId);
                var wantsSession = mayHaveSession && request.SessionEpoch == InitialEpoch && request.Topics.Count > 0;
                if (wantsSession && follower is { } broker && _byFollower.TryGetValue(broker, out var before))
                {
                    // It has one connection, and has lost the one before.
                    Remove(before);
                }

                var id = wantsSession && HasRoom() ? NewId() : 0;
                var ofFollower = id != 0 ? follower : null;
                var session = new FetchSession(id, usesTopicIds, ofFollower, NowMs, ofFollower is null ? null : new ReadyPartitions(new FetchGathering(gather, time)));
                session.Update(request);
                Keep(session);
                return new FetchPlan(ErrorCode.None, session.Id, [.. session.Partitions], Incremental: false, session.Ready);
            }

            return Continue(request, usesTopicIds);
        }
    }

    private void Keep(FetchSession session)
    {
        if (session.Id == 0)
        {
            return;
        }

        _sessions.Add(session.Id, (session, _byUse.AddLast((session.Id, time.GetTimestamp()))));
        if (session.Follower is { } follower)
        {
            _byFollower[follower] = session.Id;
        }
    }

    private FetchPlan Continue(FetchRequest request, bool usesTopicIds)
    {
        if (!_sessions.TryGetValue(request.SessionId, out var entry))
        {
            return FetchPlan.Refuse(ErrorCode.FetchSessionIdNotFound);
        }

        var session = entry.Session;
        if (session.UsesTopicIds != usesTopicIds)
        {
            return FetchPlan.Refuse(ErrorCode.FetchSessionTopicIdError);
        }

        if (request.SessionEpoch != session.NextEpoch)
        {
            return FetchPlan.Refuse(ErrorCode.InvalidFetchSessionEpoch);
        }

        session.Advance();
        session.LookAtAll(NowMs, (long)lookAtAll.TotalMilliseconds);
        session.Update(request);
        _byUse.Remove(entry.Use);
        _sessions[session.Id] = (session, _byUse.AddLast((session.Id, time.GetTimestamp())));
        return new FetchPlan(ErrorCode.None, session.Id, session.Ready is null ? [.. session.Partitions] : [], Incremental: true, session.Ready);
    }

    /// <summary>The partitions that just had records go to the end of their session's order.</summary>
    public void ServedRecords(int sessionId, IEnumerable<FetchPartitionState> partitions)
    {
        lock (_gate)
        {
            if (_sessions.TryGetValue(sessionId, out var entry))
            {
                foreach (var partition in partitions)
                {
                    entry.Session.ServedRecords(partition);
                }
            }
        }
    }

    private bool HasRoom()
    {
        if (_sessions.Count < slots)
        {
            return true;
        }

        if (_byUse.First is { } oldest && time.GetElapsedTime(oldest.Value.LastUsed) > MinIdleToEvict)
        {
            Remove(oldest.Value.Id);
            return true;
        }

        return false;
    }

    private void Remove(int id)
    {
        if (!_sessions.Remove(id, out var entry))
        {
            return;
        }

        _byUse.Remove(entry.Use);
        entry.Session.End();
        if (entry.Session.Follower is { } follower && _byFollower.GetValueOrDefault(follower) == id)
        {
            _byFollower.Remove(follower);
        }
    }

    private int NewId()
    {
        while (true)
        {
            var id = random.Next(1, int.MaxValue);
            if (!_sessions.ContainsKey(id))
            {
                return id;
            }
        }
    }
}
