using System.Collections.Immutable;
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

    /// <summary>
    /// A shard lives on the broker whose id it is. Nothing re-homes when a broker is away: leadership moves, replicas do not.
    /// </summary>
    private sealed class BrokerPinnedAllocation(Cluster cluster, Func<int, Address?> brokerAddress) : IShardAllocationStrategy
    {
        public Task<IActorRef> AllocateShard(
            IActorRef requester, string shardId, IImmutableDictionary<IActorRef, IImmutableList<string>> currentShardAllocations)
        {
            var region = Home(shardId) is { } home ? currentShardAllocations.Keys.FirstOrDefault(candidate => AddressOf(candidate) == home) : null;
            // A faulted task leaves the shard unplaced and its messages buffered until the broker is back.
            return region is not null
                ? Task.FromResult(region)
                : Task.FromException<IActorRef>(new InvalidOperationException($"Broker {shardId} is not in the cluster, so its replicas have no place."));
        }

        public Task<IImmutableSet<string>> Rebalance(
            IImmutableDictionary<IActorRef, IImmutableList<string>> currentShardAllocations, IImmutableSet<string> rebalanceInProgress)
        {
            // Naming a dead region's shard can stall the coordinator for the hand-off timeout, so only regions that are up are looked at.
            var misplaced =
                from allocation in currentShardAllocations
                where IsUp(AddressOf(allocation.Key))
                from shardId in allocation.Value
                where !rebalanceInProgress.Contains(shardId) && Home(shardId) is { } home && home != AddressOf(allocation.Key) && IsUp(home)
                select shardId;
            return Task.FromResult<IImmutableSet<string>>(misplaced.ToImmutableHashSet());
        }

        private Address? Home(string shardId) =>
            int.TryParse(shardId, out var brokerId) ? brokerAddress(brokerId) : null;

        // The coordinator's own region has an address without a host.
        private Address AddressOf(IActorRef region) => region.Path.Address.HasLocalScope ? cluster.SelfAddress : region.Path.Address;

        private bool IsUp(Address address) =>
            cluster.State.Members.Any(member => member.Address == address && member.Status == MemberStatus.Up)
            && cluster.State.Unreachable.All(member => member.Address != address);
    }
}
