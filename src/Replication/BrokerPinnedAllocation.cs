using System.Collections.Immutable;
using Akka.Actor;
using Akka.Cluster;
using Akka.Cluster.Sharding;

namespace Milena.Replication;

/// <summary>
/// A shard lives on the broker whose id it is. Nothing re-homes when a broker is away: leadership moves, replicas do not.
/// </summary>
/// <param name="brokerAddress">The Akka address of a broker, null while it is not known or not there.</param>
public sealed class BrokerPinnedAllocation(Cluster cluster, Func<int, Address?> brokerAddress) : IShardAllocationStrategy
{
    public Task<IActorRef> AllocateShard(
        IActorRef requester, string shardId, IImmutableDictionary<IActorRef, IImmutableList<string>> currentShardAllocations)
    {
        var region = Home(shardId) is { } home ? currentShardAllocations.Keys.FirstOrDefault(candidate => AddressOf(candidate) == home) : null;
        // Nobody is no region, which leaves the shard unplaced and its messages buffered: the region asks again until the broker is there. A task
        // that fails would do so too, but be logged as an error whenever a node asks a moment before its coordinator has heard of it.
        return Task.FromResult(region ?? ActorRefs.Nobody);
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
