using Milena.Model;
using Milena.Network;
using Milena.Protocol;

namespace Milena.Broker.Groups;

/// <summary>Tells which broker coordinates a group; makes the offsets topic at its first use.</summary>
public sealed class FindCoordinatorHandler(BrokerContext broker, GroupRouting routing, TopicAutoCreation autoCreation)
    : ApiHandler<FindCoordinatorRequest>(ApiKey.FindCoordinator)
{
    private const sbyte Group = 0;
    private const sbyte Transaction = 1;

    /// <summary>From this version on a request asks for several keys (KIP-699).</summary>
    private const short BatchVersion = 4;

    protected override async ValueTask<IResponseMessage?> HandleAsync(RequestContext context, FindCoordinatorRequest request)
    {
        var keys = context.ApiVersion >= BatchVersion ? request.CoordinatorKeys : [request.Key];
        var creation = request.KeyType == Group ? await CreateTopicAsync() : ErrorCode.None;
        var found = keys.ConvertAll(key => Find(context, request.KeyType, key, creation));
        if (context.ApiVersion >= BatchVersion)
        {
            return new FindCoordinatorResponse { Coordinators = found };
        }

        return new FindCoordinatorResponse
        {
            ErrorCode = found[0].ErrorCode,
            ErrorMessage = found[0].ErrorMessage,
            NodeId = found[0].NodeId,
            Host = found[0].Host,
            Port = found[0].Port,
        };
    }

    private async Task<ErrorCode> CreateTopicAsync()
    {
        if (broker.Image.FindTopic(TopicNames.ConsumerOffsets) is not null)
        {
            return ErrorCode.None;
        }

        var created = await autoCreation.CreateAsync([TopicNames.ConsumerOffsets]);
        return created[TopicNames.ConsumerOffsets];
    }

    private FindCoordinatorResponse.Coordinator Find(RequestContext context, sbyte keyType, string key, ErrorCode creation)
    {
        if (keyType != Group)
        {
            // No client may wait for a coordinator that this version does not have, so the code is one upon which it gives up.
            return keyType == Transaction
                ? Refuse(key, ErrorCode.TransactionalIdAuthorizationFailed, "This version has no transactions yet.")
                : Refuse(key, ErrorCode.InvalidRequest, $"There are no coordinators of type {keyType}.");
        }

        if (creation != ErrorCode.None || routing.PartitionOf(key) is not { } partition)
        {
            return Refuse(key, ErrorCode.CoordinatorNotAvailable, "The offsets topic cannot be made yet.");
        }

        var leader = broker.Image.FindTopic(partition.Topic)?.Find(partition.Partition)?.Leader ?? -1;
        return broker.EndPointOf(leader, context.Connection.ListenerName) is { } endPoint
            ? new() { Key = key, NodeId = leader, Host = endPoint.Host, Port = endPoint.Port }
            : Refuse(key, ErrorCode.CoordinatorNotAvailable, "The group's partition of the offsets topic has no leader.");
    }

    private static FindCoordinatorResponse.Coordinator Refuse(string key, ErrorCode error, string message) =>
        new() { Key = key, NodeId = -1, Host = "", Port = -1, ErrorCode = error, ErrorMessage = message };
}
