using Akka.Actor;
using Akka.Cluster;
using Milena.Metadata.Image;
using Milena.Node.Configuration;

namespace Milena.Node.Membership;

/// <summary>Akka addresses of nodes.</summary>
internal static class NodeAddress
{
    public const string SystemName = "milena";

    public static Address Of(HostPort address) => Of(address.Host, address.Port);

    public static Address Of(string host, int port) => new("akka.tcp", SystemName, host, port);

    /// <summary>Null for a broker that registered none.</summary>
    public static Address? Of(BrokerRegistration broker) =>
        broker.EndPoint(BrokerEndPoint.ClusterListener) is { } endPoint ? Of(endPoint.Host, endPoint.Port) : null;
}

/// <summary>Who is in the Akka cluster and who of them is reached, at one moment.</summary>
internal sealed class Presence
{
    private readonly HashSet<Address> _present;
    private readonly HashSet<Address> _unreachable;

    private Presence(ClusterEvent.CurrentClusterState state, Address self)
    {
        _unreachable = [.. state.Unreachable.Select(member => member.Address)];
        _present = [.. state.Members.Where(member => member.Status is not (MemberStatus.Down or MemberStatus.Exiting or MemberStatus.Removed)).Select(member => member.Address)];
        _present.ExceptWith(_unreachable);
        // Also before it is in any cluster.
        _present.Add(self);
    }

    public IReadOnlySet<Address> Unreachable => _unreachable;

    public static Presence In(ActorSystem system) => new(Cluster.Get(system).State, Cluster.Get(system).SelfAddress);

    public bool Has(BrokerRegistration broker) => NodeAddress.Of(broker) is { } address && _present.Contains(address);
}
