using Akka.Actor;
using Milena.Metadata.Controller;
using Milena.Model;
using Milena.Network;
using Milena.Protocol;
using Milena.Replication;

namespace Milena.Broker.Handlers;

/// <summary>Deletes the records below an offset of each partition.</summary>
public sealed class DeleteRecordsHandler(BrokerContext broker) : ApiHandler<DeleteRecordsRequest>(ApiKey.DeleteRecords)
{
    protected override async ValueTask<IResponseMessage?> HandleAsync(RequestContext context, DeleteRecordsRequest request)
    {
        var response = new DeleteRecordsResponse();
        foreach (var topic in request.Topics)
        {
            var answers = new DeleteRecordsResponse.DeleteRecordsTopicResult { Name = topic.Name };
            foreach (var partition in topic.Partitions)
            {
                var (error, lowWatermark) = await DeleteAsync(new TopicPartition(topic.Name, partition.PartitionIndex), partition.Offset, request.TimeoutMs);
                answers.Partitions.Add(new() { PartitionIndex = partition.PartitionIndex, ErrorCode = error, LowWatermark = lowWatermark });
            }

            response.Topics.Add(answers);
        }

        return response;
    }

    private async Task<(ErrorCode Error, long LowWatermark)> DeleteAsync(TopicPartition partition, long offset, int timeoutMs)
    {
        const long unknown = -1;
        if (TopicNames.IsInternal(partition.Topic))
        {
            return (ErrorCode.InvalidTopicException, unknown);
        }

        if (broker.FindLeader(partition, currentLeaderEpoch: -1, out var replica) is var error and not ErrorCode.None)
        {
            return (error, unknown);
        }

        var policy = broker.Configs.TopicValue(broker.Image, partition.Topic, "cleanup.policy");
        if (policy is "compact")
        {
            return (ErrorCode.PolicyViolation, unknown);
        }

        var reply = new TaskCompletionSource<(ErrorCode Error, long LogStartOffset)>(TaskCreationOptions.RunContinuationsAsynchronously);
        replica!.Actor.Tell(new ReplicaActor.MoveLogStart(offset, reply), ActorRefs.NoSender);
        try
        {
            return await reply.Task.WaitAsync(TimeSpan.FromMilliseconds(Math.Max(1, timeoutMs)), broker.Time);
        }
        catch (TimeoutException)
        {
            return (ErrorCode.RequestTimedOut, unknown);
        }
    }
}

/// <summary>Gives idempotent producers their ids, out of a block that the controller gave this broker (KIP-98, KIP-730).</summary>
public sealed class InitProducerIdHandler(BrokerContext broker) : ApiHandler<InitProducerIdRequest>(ApiKey.InitProducerId)
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(10);

    private readonly SemaphoreSlim _gate = new(1);
    private long _next;
    private long _end;

    protected override async ValueTask<IResponseMessage?> HandleAsync(RequestContext context, InitProducerIdRequest request)
    {
        if (request.TransactionalId is "")
        {
            return new InitProducerIdResponse { ErrorCode = ErrorCode.InvalidRequest };
        }

        if (request.TransactionalId is not null)
        {
            // There is no transaction coordinator yet. This code tells a client at once that it will not get one.
            return new InitProducerIdResponse { ErrorCode = ErrorCode.TransactionalIdAuthorizationFailed };
        }

        await _gate.WaitAsync(context.Connection.Closed);
        try
        {
            if (_next == _end && await RefillAsync() is var error and not ErrorCode.None)
            {
                return new InitProducerIdResponse { ErrorCode = error };
            }

            return new InitProducerIdResponse { ProducerId = _next++, ProducerEpoch = 0 };
        }
        finally
        {
            _gate.Release();
        }
    }

    private async Task<ErrorCode> RefillAsync()
    {
        var self = broker.Image.Brokers.GetValueOrDefault(broker.BrokerId);
        var request = new AllocateProducerIdsRequest { BrokerId = broker.BrokerId, BrokerEpoch = self?.Epoch ?? -1 };
        try
        {
            var block = await broker.Controller.AskAsync<AllocateProducerIdsResponse>(request, Timeout);
            if (block.ErrorCode != ErrorCode.None)
            {
                return ErrorCode.CoordinatorLoadInProgress;
            }

            (_next, _end) = (block.ProducerIdStart, block.ProducerIdStart + block.ProducerIdLen);
            return ErrorCode.None;
        }
        catch (Exception e) when (ControllerClient.IsNoAnswer(e))
        {
            return ErrorCode.CoordinatorNotAvailable;
        }
    }
}
