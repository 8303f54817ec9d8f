using Milena.Broker;
using Milena.Broker.Fetching;
using Milena.Broker.Groups;
using Milena.Broker.Handlers;
using Milena.Broker.Producing;
using Milena.Coordinators.Runtime;
using Milena.Metadata.Quorum;
using Milena.Node.Configuration;

namespace Milena.Node;

/// <summary>All APIs that a node serves to clients: what has no handler here is not advertised.</summary>
internal static class BrokerHandlers
{
    public static RequestDispatcher All(BrokerContext context, CoordinatorDirectory coordinators, ReplicatedMetadataLog quorum, NodeConfiguration configuration)
    {
        var autoCreation = new TopicAutoCreation(context);
        var groups = new GroupRouting(context, coordinators);
        RequestDispatcher? dispatcher = null;
        dispatcher = new RequestDispatcher(
        [
            new ApiVersionsHandler(context, () => dispatcher!.Served),
            new MetadataHandler(context, autoCreation),
            new ProduceHandler(context),
            new FetchHandler(context, FetchSessions.Of(context, configuration.Gather)),
            new ListOffsetsHandler(context),
            new OffsetForLeaderEpochHandler(context),
            new CreateTopicsHandler(context),
            new DeleteTopicsHandler(context),
            new CreatePartitionsHandler(context),
            new DeleteRecordsHandler(context),
            new InitProducerIdHandler(context),
            new DescribeConfigsHandler(context),
            new AlterConfigsHandler(context),
            new IncrementalAlterConfigsHandler(context),
            new DescribeClusterHandler(context),
            new DescribeTopicPartitionsHandler(context),
            new DescribeLogDirsHandler(context),
            new AlterReplicaLogDirsHandler(context),
            new ElectLeadersHandler(context),
            new UnregisterBrokerHandler(context),
            new AlterPartitionReassignmentsHandler(context),
            new ListPartitionReassignmentsHandler(context),
            new ListConfigResourcesHandler(context),
            new UpdateFeaturesHandler(context),
            new DescribeQuorumHandler(context, quorum),
            new AddRaftVoterHandler(quorum),
            new RemoveRaftVoterHandler(quorum),
            new FindCoordinatorHandler(context, groups, autoCreation),
            .. MembershipHandlers.All(groups),
            new OffsetCommitHandler(context, groups),
            new OffsetFetchHandler(context, groups),
            new OffsetDeleteHandler(context, groups),
            new DescribeGroupsHandler(groups),
            new ListGroupsHandler(groups),
            new DeleteGroupsHandler(groups),
        ]);
        return dispatcher;
    }
}
