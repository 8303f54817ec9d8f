using System.Runtime.InteropServices;
using Akka.Actor;
using Milena.Model;
using Milena.Network;
using Milena.Protocol;
using Milena.Replication;

namespace Milena.Broker.Producing;

/// <summary>Appends record batches. Each is verified here, on the connection's thread, and handed to its replica before the next request is looked at.</summary>
public sealed class ProduceHandler(BrokerContext broker, TopicRules rules) : ApiHandler<ProduceRequest>(ApiKey.Produce)
{
    private const short LeaderHintVersion = 10;

    /// <summary>One partition's part of a request, between the two stages.</summary>
    private struct Part
    {
        public ProduceResponse.PartitionProduceResponse Response;
        public ValueTask<AppendOutcome> Outcome;
        public bool IsPending;
    }

    protected override ValueTask<IResponseMessage?> HandleAsync(RequestContext context, ProduceRequest request)
    {
        var response = new ProduceResponse();
        var parts = new List<Part>(CountPartitions(request));
        foreach (var topic in request.TopicData)
        {
            var answers = new ProduceResponse.TopicProduceResponse { Name = topic.Name, TopicId = topic.TopicId };
            foreach (var partition in topic.PartitionData)
            {
                var part = Start(request, topic, partition);
                answers.PartitionResponses.Add(part.Response);
                parts.Add(part);
            }

            response.Responses.Add(answers);
        }

        return FinishAsync(context, request, response, parts);
    }

    private static int CountPartitions(ProduceRequest request)
    {
        var count = 0;
        foreach (var topic in request.TopicData)
        {
            count += topic.PartitionData.Count;
        }

        return count;
    }

    private Part Start(ProduceRequest request, ProduceRequest.TopicProduceData topic, ProduceRequest.PartitionProduceData partition)
    {
        var response = new ProduceResponse.PartitionProduceResponse { Index = partition.Index, BaseOffset = -1 };
        var part = new Part { Response = response };
        if (request.Acks is < -1 or > 1)
        {
            response.ErrorCode = ErrorCode.InvalidRequiredAcks;
            return part;
        }

        var name = topic.Name;
        response.ErrorCode = broker.ResolveTopic(ref name, topic.TopicId);
        if (response.ErrorCode != ErrorCode.None)
        {
            return part;
        }

        if (TopicNames.IsInternal(name))
        {
            (response.ErrorCode, response.ErrorMessage) = (ErrorCode.InvalidTopicException, $"The topic {name} is internal: only the broker writes it.");
            return part;
        }

        response.ErrorCode = broker.FindLeader(new TopicPartition(name, partition.Index), currentLeaderEpoch: -1, out var replica);
        if (response.ErrorCode == ErrorCode.None)
        {
            Append(request, name, partition, replica!, ref part);
        }

        return part;
    }

    private void Append(ProduceRequest request, string topic, ProduceRequest.PartitionProduceData partition, Replica replica, ref Part part)
    {
        // The frame is this request's own, so its bytes may be stamped in place.
        var batch = MemoryMarshal.AsMemory(partition.Records.Memory);
        var validated = BatchValidator.Validate(batch, rules.Of(topic), broker.Time.GetUtcNow().ToUnixTimeMilliseconds());
        if (validated.Error != ErrorCode.None)
        {
            Refuse(part.Response, validated);
            return;
        }

        var completion = AppendCompletion.Rent();
        part.Outcome = completion.Task;
        part.IsPending = true;
        part.Response.LogAppendTimeMs = validated.LogAppendTimeMs;
        replica.Actor.Tell(new ReplicaActor.Append(validated.Batch, request.Acks, completion), ActorRefs.NoSender);
    }

    private static void Refuse(ProduceResponse.PartitionProduceResponse response, BatchValidation validated)
    {
        (response.ErrorCode, response.ErrorMessage) = (validated.Error, validated.Message);
        foreach (var record in validated.RecordErrors ?? [])
        {
            response.RecordErrors.Add(new() { BatchIndex = record.BatchIndex, BatchIndexErrorMessage = record.Message });
        }
    }

    private async ValueTask<IResponseMessage?> FinishAsync(RequestContext context, ProduceRequest request, ProduceResponse response, List<Part> parts)
    {
        foreach (var part in parts)
        {
            if (part.IsPending)
            {
                Take(await part.Outcome, part.Response);
            }
        }

        if (request.Acks == 0)
        {
            // Nobody reads an answer, so an error can only be told by closing the connection: then the client looks again where to produce.
            return parts.TrueForAll(part => part.Response.ErrorCode == ErrorCode.None)
                ? null
                : throw new CloseConnectionException($"produce with acks=0 was refused with {parts.Find(part => part.Response.ErrorCode != ErrorCode.None).Response.ErrorCode}");
        }

        if (context.ApiVersion >= LeaderHintVersion)
        {
            HintLeaders(context, response);
        }

        return response;
    }

    private static void Take(in AppendOutcome outcome, ProduceResponse.PartitionProduceResponse response)
    {
        response.ErrorCode = outcome.Error;
        response.BaseOffset = outcome.BaseOffset;
        response.LogStartOffset = outcome.LogStartOffset;
        if (outcome.Error != ErrorCode.None)
        {
            response.LogAppendTimeMs = -1;
        }
    }

    /// <summary>Tells a client that came to the wrong broker which one leads, so that it need not ask for metadata first (KIP-951).</summary>
    private void HintLeaders(RequestContext context, ProduceResponse response)
    {
        for (var index = 0; index < response.Responses.Count; index++)
        {
            var topic = response.Responses[index];
            foreach (var partition in topic.PartitionResponses.Where(one => one.ErrorCode == ErrorCode.NotLeaderOrFollower))
            {
                var name = topic.Name;
                if (broker.ResolveTopic(ref name, topic.TopicId) == ErrorCode.None
                    && broker.Image.FindTopic(name)?.Find(partition.Index) is { } registration
                    && broker.EndPointOf(registration.Leader, context.Connection.ListenerName) is { } endPoint)
                {
                    partition.CurrentLeader = new() { LeaderId = registration.Leader, LeaderEpoch = registration.LeaderEpoch };
                    if (response.NodeEndpoints.TrueForAll(node => node.NodeId != registration.Leader))
                    {
                        response.NodeEndpoints.Add(new() { NodeId = registration.Leader, Host = endPoint.Host, Port = endPoint.Port });
                    }
                }
            }
        }
    }
}
