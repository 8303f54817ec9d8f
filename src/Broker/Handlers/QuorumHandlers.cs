using Milena.Metadata.Log;
using Milena.Metadata.Quorum;
using Milena.Model;
using Milena.Network;
using Milena.Protocol;

namespace Milena.Broker.Handlers;

/// <summary>Says who votes on the metadata, who only follows, and how far each has come (KIP-595, KIP-836, KIP-853), as the quorum's leader sees it.</summary>
public sealed class DescribeQuorumHandler(BrokerContext broker, ReplicatedMetadataLog quorum) : ApiHandler<DescribeQuorumRequest>(ApiKey.DescribeQuorum)
{
    private const short DirectoriesVersion = 2;

    protected override async ValueTask<IResponseMessage?> HandleAsync(RequestContext context, DescribeQuorumRequest request)
    {
        var timeout = TimeSpan.FromMilliseconds(broker.Settings.GetInt("request.timeout.ms"));
        var (response, error) = await QuorumCalls.AskAsync<DescribeQuorumResponse>(quorum, request, timeout);
        if (response is null || response.ErrorCode == ErrorCode.NotLeaderOrFollower)
        {
            return new DescribeQuorumResponse { ErrorCode = error };
        }

        if (context.ApiVersion < DirectoriesVersion)
        {
            response.Nodes.Clear();
            var partitions = response.Topics.SelectMany(topic => topic.Partitions);
            foreach (var replica in partitions.SelectMany(partition => partition.CurrentVoters.Concat(partition.Observers)))
            {
                replica.ReplicaDirectoryId = Guid.Empty;
            }
        }

        return response;
    }
}

/// <summary>Makes a replica of the metadata a voter, through the quorum's leader (KIP-853).</summary>
public sealed class AddRaftVoterHandler(ReplicatedMetadataLog quorum) : ApiHandler<AddRaftVoterRequest>(ApiKey.AddRaftVoter)
{
    protected override async ValueTask<IResponseMessage?> HandleAsync(RequestContext context, AddRaftVoterRequest request)
    {
        var (response, error) = await QuorumCalls.AskAsync<AddRaftVoterResponse>(quorum, request, QuorumCalls.ChangeTimeout);
        return response is { ErrorCode: not ErrorCode.NotLeaderOrFollower } ? response : new AddRaftVoterResponse { ErrorCode = error };
    }
}

/// <summary>Takes a voter's vote away, through the quorum's leader (KIP-853).</summary>
public sealed class RemoveRaftVoterHandler(ReplicatedMetadataLog quorum) : ApiHandler<RemoveRaftVoterRequest>(ApiKey.RemoveRaftVoter)
{
    protected override async ValueTask<IResponseMessage?> HandleAsync(RequestContext context, RemoveRaftVoterRequest request)
    {
        var (response, error) = await QuorumCalls.AskAsync<RemoveRaftVoterResponse>(quorum, request, QuorumCalls.ChangeTimeout);
        return response is { ErrorCode: not ErrorCode.NotLeaderOrFollower } ? response : new RemoveRaftVoterResponse { ErrorCode = error };
    }
}

/// <summary>Asks the quorum's leader on a client's behalf.</summary>
/// <remarks>
/// The leader may be another one when the request arrives. Clients know that answer from controllers only, so from a broker it is
/// NOT_CONTROLLER, upon which they try again.
/// </remarks>
internal static class QuorumCalls
{
    /// <summary>Longer than the leader takes for a change of the voters, whatever the client allows it.</summary>
    public static readonly TimeSpan ChangeTimeout = TimeSpan.FromMilliseconds(new QuorumSettings().VoterChangeMaxMs) + TimeSpan.FromSeconds(2);

    /// <returns>The error is for where there is no response, or where the one who answers does not lead.</returns>
    public static async Task<(TResponse? Response, ErrorCode Error)> AskAsync<TResponse>(ReplicatedMetadataLog quorum, IRequestMessage request, TimeSpan timeout)
        where TResponse : class, IResponseMessage
    {
        try
        {
            return (await quorum.AskLeaderAsync<TResponse>(request, timeout), ErrorCode.NotController);
        }
        catch (NotControllerException)
        {
            return (null, ErrorCode.NotController);
        }
        catch (TimeoutException)
        {
            return (null, ErrorCode.RequestTimedOut);
        }
    }
}
