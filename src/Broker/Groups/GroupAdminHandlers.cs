using Milena.Model;
using Milena.Network;
using Milena.Protocol;

namespace Milena.Broker.Groups;

/// <summary>Describes groups, each by its own coordinator.</summary>
public sealed class DescribeGroupsHandler(GroupRouting routing) : ApiHandler<DescribeGroupsRequest>(ApiKey.DescribeGroups)
{
    protected override async ValueTask<IResponseMessage?> HandleAsync(RequestContext context, DescribeGroupsRequest request)
    {
        var groups = await routing.ScatterAsync<string, DescribeGroupsResponse, DescribeGroupsResponse.DescribedGroup>(
            context,
            request.Groups,
            group => group,
            some => new DescribeGroupsRequest { Groups = some },
            answer => answer.Groups,
            (group, error) => new() { GroupId = group, ErrorCode = error });
        if (request.IncludeAuthorizedOperations)
        {
            foreach (var group in groups.Where(group => group.ErrorCode == ErrorCode.None))
            {
                group.AuthorizedOperations = AuthorizedOperations.Group;
            }
        }

        return new DescribeGroupsResponse { Groups = groups };
    }
}

/// <summary>Lists the groups that this broker coordinates.</summary>
public sealed class ListGroupsHandler(GroupRouting routing) : ApiHandler<ListGroupsRequest>(ApiKey.ListGroups)
{
    protected override async ValueTask<IResponseMessage?> HandleAsync(RequestContext context, ListGroupsRequest request)
    {
        var asked = routing.Local.Select(partition => routing.AskAsync(context, partition, request)).ToList();
        var response = new ListGroupsResponse();
        foreach (var pending in asked)
        {
            var answer = await pending;
            if (answer.Response is ListGroupsResponse listed)
            {
                response.Groups.AddRange(listed.Groups);
            }
            else if (answer.Error != ErrorCode.NotCoordinator)
            {
                // A list with holes would be taken for the whole truth.
                return new ListGroupsResponse { ErrorCode = answer.Error };
            }
        }

        return response;
    }
}

/// <summary>Deletes groups without members, each by its own coordinator.</summary>
public sealed class DeleteGroupsHandler(GroupRouting routing) : ApiHandler<DeleteGroupsRequest>(ApiKey.DeleteGroups)
{
    protected override async ValueTask<IResponseMessage?> HandleAsync(RequestContext context, DeleteGroupsRequest request) => new DeleteGroupsResponse
    {
        Results = await routing.ScatterAsync<string, DeleteGroupsResponse, DeleteGroupsResponse.DeletableGroupResult>(
            context,
            request.GroupsNames.Distinct(),
            group => group,
            some => new DeleteGroupsRequest { GroupsNames = some },
            answer => answer.Results,
            (group, error) => new() { GroupId = group, ErrorCode = error }),
    };
}

/// <summary>Deletes committed offsets of topics that exist; the others are answered here.</summary>
public sealed class OffsetDeleteHandler(BrokerContext broker, GroupRouting routing) : ApiHandler<OffsetDeleteRequest>(ApiKey.OffsetDelete)
{
    protected override async ValueTask<IResponseMessage?> HandleAsync(RequestContext context, OffsetDeleteRequest request)
    {
        var unknown = new List<OffsetDeleteResponse.OffsetDeleteResponseTopic>();
        foreach (var topic in request.Topics)
        {
            var missing = topic.Partitions.FindAll(partition => broker.Image.FindTopic(topic.Name)?.Find(partition.PartitionIndex) is null);
            topic.Partitions.RemoveAll(missing.Contains);
            if (missing.Count > 0)
            {
                unknown.Add(new()
                {
                    Name = topic.Name,
                    Partitions = missing.ConvertAll(partition => new OffsetDeleteResponse.OffsetDeleteResponsePartition
                    {
                        PartitionIndex = partition.PartitionIndex,
                        ErrorCode = ErrorCode.UnknownTopicOrPartition,
                    }),
                });
            }
        }

        request.Topics.RemoveAll(topic => topic.Partitions.Count == 0);
        var answer = await routing.AskAsync(context, request.GroupId, request);
        if (answer.Response is not OffsetDeleteResponse response)
        {
            return new OffsetDeleteResponse { ErrorCode = answer.Error };
        }

        if (response.ErrorCode == ErrorCode.None)
        {
            response.Topics.AddRange(unknown);
        }

        return response;
    }
}
