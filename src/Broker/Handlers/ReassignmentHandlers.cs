using Milena.Metadata.Controller;
using Milena.Model;
using Milena.Network;
using Milena.Protocol;

namespace Milena.Broker.Handlers;

/// <summary>Moves partitions to other brokers, through the controller.</summary>
public sealed class AlterPartitionReassignmentsHandler(BrokerContext broker) : ApiHandler<AlterPartitionReassignmentsRequest>(ApiKey.AlterPartitionReassignments)
{
    protected override async ValueTask<IResponseMessage?> HandleAsync(RequestContext context, AlterPartitionReassignmentsRequest request)
    {
        var (response, error) = await ControllerCalls.AskAsync<AlterPartitionReassignmentsResponse>(broker, request, request.TimeoutMs);
        return response ?? new AlterPartitionReassignmentsResponse { ErrorCode = error };
    }
}

/// <summary>Tells which partitions are on their way to other brokers, from this broker's own image.</summary>
public sealed class ListPartitionReassignmentsHandler(BrokerContext broker) : ApiHandler<ListPartitionReassignmentsRequest>(ApiKey.ListPartitionReassignments)
{
    protected override ValueTask<IResponseMessage?> HandleAsync(RequestContext context, ListPartitionReassignmentsRequest request) =>
        ValueTask.FromResult<IResponseMessage?>(OngoingReassignments.List(broker.Image, request.Topics));
}
