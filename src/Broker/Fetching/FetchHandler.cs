using Milena.Model;
using Milena.Network;
using Milena.Protocol;
using Milena.Replication;

namespace Milena.Broker.Fetching;

/// <summary>Serves records from the local logs. A fetch that finds too little waits on its partitions and is woken by what moves them.</summary>
public sealed class FetchHandler(BrokerContext broker, FetchSessions sessions) : ApiHandler<FetchRequest>(ApiKey.Fetch)
{
    /// <summary>From this version a fetch names topics by id.</summary>
    private const short TopicIdVersion = 13;

    private const short LeaderHintVersion = 12;

    /// <summary>From this version a consumer may be sent to another replica, and be served by it (KIP-392).</summary>
    private const short AnyReplicaVersion = 11;

    private readonly bool _selectsByRack = !string.IsNullOrEmpty(broker.Settings.Find("replica.selector.class"));

    private readonly FetchReader _reader = new(broker);

    protected override ValueTask<IResponseMessage?> HandleAsync(RequestContext context, FetchRequest request)
    {
        var follower = FetchingFollower.Of(request, context.ApiVersion);
        // Anybody may say that he is a follower: only its registered incarnation ends the session that it had, and is heard of.
        var isRegistered = follower is not null && broker.Image.Brokers.TryGetValue(follower.BrokerId, out var registration) && registration.Epoch == follower.BrokerEpoch;
        var plan = sessions.Plan(request, context.ApiVersion >= TopicIdVersion, follower?.BrokerId, mayHaveSession: follower is null || isRegistered);
        if (plan.Error != ErrorCode.None)
        {
            return Answer(new FetchResponse { ErrorCode = plan.Error });
        }

        if (isRegistered)
        {
            broker.Replicas.HeardOf(follower!.BrokerId);
        }

        var limits = new FetchLimits(
            Math.Min(request.MaxBytes, broker.Settings.GetInt("fetch.max.bytes")),
            request.IsolationLevel == 1,
            context.ApiVersion >= TopicIdVersion,
            follower)
        {
            Ready = plan.Ready,
            // Who does not know that a follower may serve him is sent to the leader.
            AnyReplica = context.ApiVersion >= AnyReplicaVersion,
            Rack = context.ApiVersion >= AnyReplicaVersion && request.RackId.Length > 0 && _selectsByRack ? request.RackId : null,
        };
        IFetchScope scope = plan.Ready is { } ready
            ? new PartitionsWithNews(ready)
            : new NamedPartitions(plan.Partitions, () => _reader.ReplicasOf(plan.Partitions, limits), follower is not null);
        scope.Look();
        var result = _reader.Read(scope.Partitions, limits, isFirstLook: true);
        var mayWait = request.MaxWaitMs > 0 && (plan.Ready is not null || plan.Partitions.Count > 0);
        if (!mayWait || (IsEnough(request, plan, result) && (plan.Ready is null || plan.Ready.Gathering.Left(result, out _) <= TimeSpan.Zero)))
        {
            using (scope)
            {
                return Answer(Respond(plan, result, context, limits));
            }
        }

        result.Dispose();
        return WaitAsync(context, request, plan, limits, scope);
    }

    private async ValueTask<IResponseMessage?> WaitAsync(RequestContext context, FetchRequest request, FetchPlan plan, FetchLimits limits, IFetchScope scope)
    {
        var started = broker.Time.GetTimestamp();
        var maxWait = TimeSpan.FromMilliseconds(request.MaxWaitMs);
        using var end = scope;
        scope.Listen();
        while (true)
        {
            scope.Look();
            var result = _reader.Read(scope.Partitions, limits, isFirstLook: false);
            var left = maxWait - broker.Time.GetElapsedTime(started);
            var wakes = true;
            var more = IsEnough(request, plan, result) ? plan.Ready?.Gathering.Left(result, out wakes) ?? TimeSpan.Zero : left;
            if (more <= TimeSpan.Zero || left <= TimeSpan.Zero || context.Connection.Closed.IsCancellationRequested)
            {
                return Respond(plan, result, context, limits);
            }

            result.Dispose();
            // What a throttle holds back is looked at when it may go, and not in a pause that is about to end in an answer.
            var pause = wakes && result.LookAgainIn < more ? result.LookAgainIn : more;
            pause = pause < left ? pause : left;
            await (wakes ? WokenOrLateAsync(scope.News, pause, context.Connection.Closed) : LateAsync(pause, context.Connection.Closed));
        }
    }

    private static bool IsEnough(FetchRequest request, in FetchPlan plan, FetchReadResult result) =>
        result.Bytes >= request.MinBytes || result.HasErrors || result.HasBetter || (result.HasNews && plan.SessionId != 0);

    private async Task WokenOrLateAsync(FetchWait wait, TimeSpan left, CancellationToken closed)
    {
        try
        {
            await wait.Woken.WaitAsync(left, broker.Time, closed);
        }
        catch (Exception e) when (e is TimeoutException or OperationCanceledException)
        {
            // Both end the wait, and the caller looks once more.
            return;
        }
    }

    private async Task LateAsync(TimeSpan pause, CancellationToken closed) =>
        // A connection that closes ends the pause, and the caller looks whether it has.
        await Task.Delay(pause, broker.Time, closed).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

    private FetchResponse Respond(FetchPlan plan, FetchReadResult result, RequestContext context, in FetchLimits limits)
    {
        if (limits.Follower is not null)
        {
            _reader.CountSent(result);
        }

        var response = new FetchResponse { SessionId = plan.SessionId };
        FetchResponse.FetchableTopicResponse? topic = null;
        foreach (var (state, data) in result.Partitions)
        {
            var mustTell = state.MustTell(data);
            if (plan.Incremental && !mustTell)
            {
                data.Records.Dispose();
                continue;
            }

            if (topic is null || topic.TopicId != state.Key.TopicId || topic.Topic != state.Key.Topic)
            {
                topic = new() { TopicId = state.Key.TopicId, Topic = state.Key.Topic };
                response.Responses.Add(topic);
            }

            if (context.ApiVersion < LeaderHintVersion)
            {
                data.CurrentLeader = new();
            }

            topic.Partitions.Add(data);
            if (state.IsOutrun)
            {
                // All that this broker could tell of leaders is old, and the client might go on asking it.
                context.ClosesBecause = "a consumer is to look for another leader: it has come further than the log here, and this broker hears nothing of the metadata quorum";
            }

            if (data.ErrorCode is ErrorCode.NotLeaderOrFollower or ErrorCode.FencedLeaderEpoch && data.CurrentLeader.LeaderId >= 0)
            {
                AddEndPoint(response, data.CurrentLeader.LeaderId, context);
            }
        }

        plan.Ready?.Gathering.Answered(result.Bytes);
        if (plan is { SessionId: not 0, Ready: null } && result.Bytes > 0)
        {
            sessions.ServedRecords(plan.SessionId, result.Partitions.Where(one => !one.Data.Records.IsEmpty).Select(one => one.State));
        }

        return response;
    }

    private void AddEndPoint(FetchResponse response, int leader, RequestContext context)
    {
        if (context.ApiVersion >= 16
            && response.NodeEndpoints.All(node => node.NodeId != leader)
            && broker.EndPointOf(leader, context.Connection.ListenerName) is { } endPoint)
        {
            response.NodeEndpoints.Add(new() { NodeId = leader, Host = endPoint.Host, Port = endPoint.Port, Rack = broker.Image.Brokers[leader].Rack });
        }
    }
}

/// <param name="MaxBytes">Of all partitions together; the first batch is returned even when it is larger (KIP-74).</param>
/// <param name="Committed">Only what is below the last stable offset.</param>
/// <param name="Follower">Who asks, when it is a follower: it sees all that is in the log.</param>
public readonly record struct FetchLimits(int MaxBytes, bool Committed, bool ByTopicId, FetchingFollower? Follower = null)
{
    private readonly bool _anyReplica;

    /// <summary>A follower may serve it. Never a follower's own fetch.</summary>
    public bool AnyReplica
    {
        get => _anyReplica && Follower is null;
        init => _anyReplica = value;
    }

    /// <summary>Where a follower's session hears of news; null outside of one.</summary>
    public ReadyPartitions? Ready { get; init; }

    /// <summary>Where a consumer is that wants to be sent to a replica there; null for one that does not.</summary>
    public string? Rack { get; init; }
}

/// <summary>A broker that fetches as a follower.</summary>
/// <param name="BrokerEpoch">Its incarnation; -1 before version 15, which no follower speaks.</param>
public sealed record FetchingFollower(int BrokerId, long BrokerEpoch)
{
    private const short EpochVersion = 15;

    /// <returns>Null for a consumer, and for a debugging one, which sees no more than others.</returns>
    public static FetchingFollower? Of(FetchRequest request, short version)
    {
        var id = version >= EpochVersion ? request.ReplicaState.ReplicaId : request.ReplicaId;
        return id >= 0 ? new FetchingFollower(id, version >= EpochVersion ? request.ReplicaState.ReplicaEpoch : -1) : null;
    }
}

/// <summary>What one look at the partitions found. Whoever does not answer with it disposes it.</summary>
public sealed class FetchReadResult : IDisposable
{
    public List<(FetchPartitionState State, FetchResponse.PartitionData Data)> Partitions { get; } = [];

    public long Bytes { get; set; }

    public bool HasErrors { get; set; }

    /// <summary>A consumer is to hear at once of a replica that is closer to it.</summary>
    public bool HasBetter { get; set; }

    /// <summary>A follower is to hear soon of a high watermark that moved: it may have to lead from there.</summary>
    public bool HasNews { get; set; }

    /// <summary>When a throttle that holds something back may let it go; the largest value where none does.</summary>
    public TimeSpan LookAgainIn { get; set; } = TimeSpan.MaxValue;

    public void Dispose()
    {
        foreach (var (_, data) in Partitions)
        {
            data.Records.Dispose();
        }
    }
}
