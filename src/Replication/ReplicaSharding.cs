using Akka.Actor;
using Akka.Cluster;
using Akka.Cluster.Sharding;

namespace Milena.Replication;

/// <summary>Replica actors as sharded entities: shard = broker id, entity = replica, placed where the metadata says and nowhere else.</summary>
public static class ReplicaSharding
{
    public const string TypeName = "replica";

    /// <summary>Starts this node's shard region. Messages to replicas go in an <see cref="Envelope"/>.</summary>
    /// <param name="brokerAddress">The Akka address of a broker, null while it is not known or not there.</param>
    public static Task<IActorRef> StartAsync(ActorSystem system, ReplicaHost host, Func<int, Address?> brokerAddress) =>
        ClusterSharding.Get(system).StartAsync(
            TypeName,
            entityId => ReplicaActor.Props(host, ReplicaId.Parse(entityId)),
            ClusterShardingSettings.Create(system),
            new ReplicaMessageExtractor(),
            new BrokerPinnedAllocation(Cluster.Get(system), brokerAddress),
            PoisonPill.Instance);

    /// <summary>A message and the replica it is for.</summary>
    public sealed record Envelope(ReplicaId Id, object Message) : INoSerializationVerificationNeeded;

    private sealed class ReplicaMessageExtractor : IMessageExtractor
    {
        public string? EntityId(object message) => (message as Envelope)?.Id.ToString();

        public object? EntityMessage(object message) => (message as Envelope)?.Message;

        public string? ShardId(object message) => (message as Envelope)?.Id.ShardId;

        public string ShardId(string entityId, object? messageHint = null) => ReplicaId.Parse(entityId).ShardId;
    }
}
