using System.Runtime.InteropServices;
using Akka.Actor;
using Milena.Model;
using Milena.Network;
using Milena.Protocol;
using Milena.Replication;

namespace Milena.Broker.Producing;

/// <summary>Appends record batches. Each is verified here, on the connection's thread, and handed to its replica before the next request is looked at.</summary>
public sealed class ProduceHandler(BrokerContext broker) : ApiHandler<ProduceRequest>(ApiKey.Produce)
{
    private const short LeaderHintVersion = 10;

    /// <summary>Clients that may send zstd say so by their version (KIP-110).</summary>
    private const short ZstdVersion = 7;

    /// <summary>One partition's part of a request, between the two stages.</summary>
    private struct Part
    {
        public ProduceResponse.PartitionProduceResponse Response;
        public ValueTask<AppendOutcome> Outcome;

        /// <summary>A recompressed batch, which the replica reads until it has answered.</summary>
        public PooledBytes? Replacement;
        public bool IsPending;

        /// <summary>Set where there is a whole batch and a leader to take it.</summary>
        public Replica? Leader;
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
                var part = Start(context, request, topic, partition);
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

    private Part Start(RequestContext context, ProduceRequest request, ProduceRequest.TopicProduceData topic, ProduceRequest.PartitionProduceData partition)
    {
        var response = new ProduceResponse.PartitionProduceResponse { Index = partition.Index, BaseOffset = -1 };
        var part = new Part { Response = response };
        if (request.Acks is < -1 or > 1)
        {
            response.ErrorCode = ErrorCode.InvalidRequiredAcks;
            return part;
        }

        if (!ProducedRecords.BeginsWell(partition.Records.Memory.Span))
        {
            (response.ErrorCode, response.ErrorMessage) = (ErrorCode.CorruptMessage, "The first batch has an impossible length or magic.");
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
            Append(context.ApiVersion, request, partition, replica!, ref part);
        }

        return part;
    }

    private void Append(short version, ProduceRequest request, ProduceRequest.PartitionProduceData partition, Replica replica, ref Part part)
    {
        // The frame is this request's own, so its bytes may be stamped in place.
        var records = MemoryMarshal.AsMemory(partition.Records.Memory);
        part.Response.ErrorCode = ProducedRecords.FindBatch(records.Span, out var length, out var message);
        if (part.Response.ErrorCode != ErrorCode.None)
        {
            part.Response.ErrorMessage = message;
            return;
        }

        part.Leader = replica;
        var batch = records[..length];
        if (version < ZstdVersion && RecordBatchHeader.TryRead(batch.Span, out var header) == ErrorCode.None && header.Codec == CompressionCodec.Zstd)
        {
            part.Response.ErrorCode = ErrorCode.UnsupportedCompressionType;
            part.Response.ErrorMessage = "Produce requests before version 7 do not know zstd.";
            return;
        }

        var validated = BatchValidator.Validate(batch.Span, replica.Log.Settings.Rules(broker.Time.GetUtcNow().ToUnixTimeMilliseconds()));
        if (!validated.IsValid)
        {
            Refuse(part.Response, validated);
            return;
        }

        var completion = AppendCompletion.Rent();
        part.Outcome = completion.Task;
        part.IsPending = true;
        part.Replacement = validated.Replacement;
        replica.Actor.Tell(new ReplicaActor.Append(validated.Replacement?.Memory ?? batch, request.Acks, completion, request.TimeoutMs), ActorRefs.NoSender);
    }

    private static void Refuse(ProduceResponse.PartitionProduceResponse response, in BatchValidation validated)
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
                part.Replacement?.Dispose();
            }

            TellLogStartOffset(part);
        }

        if (request.Acks == 0)
        {
            // Nobody reads an answer, so an error can only be told by closing the connection: then the client looks again where to produce.
            return parts.TrueForAll(part => part.Response.ErrorCode == ErrorCode.None)
                ? null
                : throw new CloseConnectionException($"produce with acks=0 was refused with {parts.Find(part => part.Response.ErrorCode != ErrorCode.None).Response.ErrorCode}");
        }

        if (broker.Replicas.Contact.IsLost && parts.Exists(part => part.Response.ErrorCode == ErrorCode.NotLeaderOrFollower))
        {
            // All that this broker could tell of leaders is old, and librdkafka, for one, goes on asking the broker that it talked to last.
            context.ClosesBecause = "a producer is to look for another leader: this broker hears nothing of the metadata quorum";
        }
        else if (context.ApiVersion >= LeaderHintVersion)
        {
            HintLeaders(context, response);
        }

        return response;
    }

    /// <summary>As Kafka: of a batch that was refused for what it says, not of one whose frame was already wrong.</summary>
    private static void TellLogStartOffset(in Part part)
    {
        if (part.Leader is { } leader && part.Response.ErrorCode is not (ErrorCode.None or ErrorCode.UnknownTopicOrPartition or ErrorCode.NotLeaderOrFollower
            or ErrorCode.MessageTooLarge or ErrorCode.RecordListTooLarge or ErrorCode.CorruptMessage or ErrorCode.KafkaStorageError
            or ErrorCode.UnsupportedCompressionType))
        {
            part.Response.LogStartOffset = leader.Log.LogStartOffset;
        }
    }

    private static void Take(in AppendOutcome outcome, ProduceResponse.PartitionProduceResponse response)
    {
        response.ErrorCode = outcome.Error;
        response.BaseOffset = outcome.BaseOffset;
        response.LogStartOffset = outcome.LogStartOffset;
        response.LogAppendTimeMs = outcome.LogAppendTimeMs;
        response.ErrorMessage = outcome.Message;
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
