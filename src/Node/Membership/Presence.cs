using Akka.Actor;
using Akka.Cluster;
using Milena.Metadata.Image;
using Milena.Metadata.Quorum;
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

/// <summary>Who is in the Akka cluster and whom of them this node itself reaches, or hears as the quorum's leader, at one moment.</summary>
/// <remarks>
/// Gossip also tells whom others do not reach. That counts only for members that this node does not watch: of two nodes whose link to each
/// other is cut each says that the other is away, and a leader that reaches both must lose neither. Heartbeats are believed when they say that a node is there; that
/// it is away has to be what the quorum's own channel says too, or what is wrong is the channel of the heartbeats.
/// </remarks>
internal sealed class Presence
{
    /// <summary>Four times as long as a node of the quorum takes between two requests, and shorter than heartbeats are waited for.</summary>
    private static readonly TimeSpan HeardWithin = TimeSpan.FromSeconds(1);

    private readonly HashSet<Address> _reached = [];
    private readonly HashSet<Address> _unreachable = [];
    private readonly QuorumStatus _quorum;

    private Presence(Cluster cluster, QuorumStatus quorum)
    {
        _quorum = quorum;
        var state = cluster.State;
        foreach (var member in state.Members.Where(member => member.Status is not (MemberStatus.Down or MemberStatus.Exiting or MemberStatus.Removed)))
        {
            var detector = cluster.FailureDetector;
            var isReached = detector.IsMonitoring(member.Address)
                ? detector.IsAvailable(member.Address)
                : state.Unreachable.All(other => other.Address != member.Address);
            (isReached ? _reached : _unreachable).Add(member.Address);
        }

        // Also before it is in any cluster.
        _reached.Add(cluster.SelfAddress);
        _unreachable.Remove(cluster.SelfAddress);
    }

    /// <summary>Members that heartbeats do not reach, whatever else is heard of them.</summary>
    public IReadOnlySet<Address> Unreachable => _unreachable;

    public static Presence SeenFrom(ActorSystem system, QuorumStatus quorum) => new(Cluster.Get(system), quorum);

    /// <summary>Whether the process of that registration is reached.</summary>
    public bool Has(BrokerRegistration broker) => NodeAddress.Of(broker) is { } address && _reached.Contains(address);

    /// <summary>Whether it is neither reached nor heard. Another process that took its id would be heard as well, so this is no question about a registration.</summary>
    public bool Misses(BrokerRegistration broker) => !Has(broker) && !_quorum.Hears(broker.Id, HeardWithin);
}
