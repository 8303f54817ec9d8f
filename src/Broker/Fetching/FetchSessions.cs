using Milena.Model;
using Milena.Protocol;

namespace Milena.Broker.Fetching;

/// <summary>How one fetch is to be served.</summary>
/// <param name="Partitions">As they were when the fetch began: a second fetch of the same session must not change them under the first.</param>
/// <param name="Incremental">The answer names only partitions that have something new.</param>
public readonly record struct FetchPlan(ErrorCode Error, int SessionId, IReadOnlyList<FetchPartitionState> Partitions, bool Incremental)
{
    public static FetchPlan Refuse(ErrorCode error) => new(error, 0, [], Incremental: true);
}

/// <summary>The fetch sessions of this broker: a bounded number, the longest unused one giving way when it has been idle long enough.</summary>
public sealed class FetchSessions(int slots, TimeProvider time, Random random)
{
    /// <summary>Kafka's <c>min.incremental.fetch.session.eviction.ms</c>: a session used more recently keeps its place.</summary>
    private static readonly TimeSpan MinIdleToEvict = TimeSpan.FromMinutes(2);

    private const int FinalEpoch = -1;
    private const int InitialEpoch = 0;

    private readonly Lock _gate = new();
    private readonly Dictionary<int, (FetchSession Session, LinkedListNode<(int Id, long LastUsed)> Use)> _sessions = [];
    private readonly LinkedList<(int Id, long LastUsed)> _byUse = new();

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

    public FetchPlan Plan(FetchRequest request, bool usesTopicIds)
    {
        lock (_gate)
        {
            if (request.SessionEpoch is FinalEpoch or InitialEpoch)
            {
                Remove(request.SessionId);
                var wantsSession = request.SessionEpoch == InitialEpoch && request.Topics.Count > 0;
                var session = new FetchSession(wantsSession && HasRoom() ? NewId() : 0, usesTopicIds);
                session.Update(request);
                if (session.Id != 0)
                {
                    _sessions.Add(session.Id, (session, _byUse.AddLast((session.Id, time.GetTimestamp()))));
                }

                return new FetchPlan(ErrorCode.None, session.Id, [.. session.Partitions], Incremental: false);
            }

            return Continue(request, usesTopicIds);
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
        session.Update(request);
        _byUse.Remove(entry.Use);
        _sessions[session.Id] = (session, _byUse.AddLast((session.Id, time.GetTimestamp())));
        return new FetchPlan(ErrorCode.None, session.Id, [.. session.Partitions], Incremental: true);
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
        if (_sessions.Remove(id, out var entry))
        {
            _byUse.Remove(entry.Use);
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
