using Milena.Coordinators.Groups;
using Milena.Coordinators.Runtime;
using Milena.Model;
using Milena.Network;
using Milena.Protocol;

namespace Milena.Broker.Groups;

/// <summary>Which partition of the offsets topic a group belongs to, and the way to the coordinator that runs there.</summary>
public sealed class GroupRouting(BrokerContext broker, CoordinatorDirectory coordinators)
{
    /// <summary>Null while the offsets topic does not exist.</summary>
    public TopicPartition? PartitionOf(string groupId) => broker.Image.FindTopic(TopicNames.ConsumerOffsets) is { } topic
        ? new TopicPartition(topic.Name, GroupCoordinator.PartitionFor(groupId, topic.Partitions.Length))
        : null;

    /// <summary>The partitions whose coordinators run on this broker.</summary>
    public IReadOnlyList<TopicPartition> Local => coordinators.All;

    public Task<CoordinatorAnswer> AskAsync(RequestContext context, string groupId, IRequestMessage request) => PartitionOf(groupId) is { } partition
        ? AskAsync(context, partition, request)
        : Task.FromResult(CoordinatorAnswer.Failed(ErrorCode.NotCoordinator));

    public Task<CoordinatorAnswer> AskAsync(RequestContext context, TopicPartition partition, IRequestMessage request) =>
        coordinators.AskAsync(partition, request, context.ApiVersion, context.ClientId ?? "", $"/{context.Connection.RemoteAddress}");

    /// <summary>Splits what is asked about several groups by their partitions, asks all at once, and puts each group's part of the answers together.</summary>
    /// <param name="ask">The request for some of the groups.</param>
    /// <param name="taken">The parts of an answer.</param>
    /// <param name="failed">The part of a group whose coordinator cannot answer.</param>
    public async Task<List<TPart>> ScatterAsync<TKey, TResponse, TPart>(
        RequestContext context,
        IEnumerable<TKey> keys,
        Func<TKey, string> groupOf,
        Func<List<TKey>, IRequestMessage> ask,
        Func<TResponse, IEnumerable<TPart>> taken,
        Func<TKey, ErrorCode, TPart> failed)
    {
        var asked = keys.GroupBy(key => PartitionOf(groupOf(key)))
            .Select(part => (Keys: part.ToList(), part.Key))
            .Select(part => (part.Keys, Answer: part.Key is { } partition
                ? AskAsync(context, partition, ask(part.Keys))
                : Task.FromResult(CoordinatorAnswer.Failed(ErrorCode.NotCoordinator))))
            .ToList();
        var parts = new List<TPart>();
        foreach (var (group, pending) in asked)
        {
            var answer = await pending;
            parts.AddRange(answer.Response is TResponse response ? taken(response) : group.Select(key => failed(key, answer.Error)));
        }

        return parts;
    }
}

/// <summary>A request about one group that its coordinator answers as a whole.</summary>
/// <param name="failed">The answer when the coordinator cannot give one.</param>
/// <param name="check">What is wrong with a request, before anybody looks for its group.</param>
public sealed class OneGroupHandler<TRequest>(
    ApiKey key,
    GroupRouting routing,
    Func<TRequest, string> groupOf,
    Func<TRequest, short, ErrorCode, IResponseMessage> failed,
    Func<TRequest, short, ErrorCode>? check = null) : ApiHandler<TRequest>(key)
    where TRequest : class, IRequestMessage
{
    protected override async ValueTask<IResponseMessage?> HandleAsync(RequestContext context, TRequest request)
    {
        // A group without a name has no coordinator, whatever partition the hash of nothing points at.
        var error = check?.Invoke(request, context.ApiVersion) is { } wrong and not ErrorCode.None ? wrong
            : groupOf(request).Length == 0 ? ErrorCode.InvalidGroupId
            : ErrorCode.None;
        var answer = error != ErrorCode.None
            ? CoordinatorAnswer.Failed(error)
            : await routing.AskAsync(context, groupOf(request), request);
        return answer.Response ?? failed(request, context.ApiVersion, answer.Error);
    }
}

/// <summary>The handlers of membership requests, which differ only in their messages.</summary>
public static class MembershipHandlers
{
    private const short JoinProtocolNameIsNullable = 7;
    private const short SyncNamesProtocol = 5;

    public static IEnumerable<IApiHandler> All(GroupRouting routing) =>
    [
        new OneGroupHandler<JoinGroupRequest>(ApiKey.JoinGroup, routing, request => request.GroupId, (request, version, error) => new JoinGroupResponse
        {
            ErrorCode = error,
            MemberId = request.MemberId,
            ProtocolName = version >= JoinProtocolNameIsNullable ? null : "",
        }),
        new OneGroupHandler<SyncGroupRequest>(ApiKey.SyncGroup, routing, request => request.GroupId, (_, _, error) => new SyncGroupResponse { ErrorCode = error }, CheckSync),
        new OneGroupHandler<HeartbeatRequest>(ApiKey.Heartbeat, routing, request => request.GroupId, (_, _, error) => new HeartbeatResponse { ErrorCode = error }),
        new OneGroupHandler<LeaveGroupRequest>(ApiKey.LeaveGroup, routing, request => request.GroupId, (_, _, error) => new LeaveGroupResponse { ErrorCode = error }),
    ];

    private static ErrorCode CheckSync(SyncGroupRequest request, short version) =>
        version >= SyncNamesProtocol && (request.ProtocolType is null || request.ProtocolName is null) ? ErrorCode.InconsistentGroupProtocol : ErrorCode.None;
}
