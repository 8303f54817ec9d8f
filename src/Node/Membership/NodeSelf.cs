using Akka.Actor;
using Akka.Cluster;
using Milena.Metadata.Quorum;

namespace Milena.Node.Membership;

/// <summary>What this node tells others of itself; grows while it starts. Safe for several threads.</summary>
public sealed class NodeSelf(int nodeId, QuorumEndpoint quorum)
{
    private volatile Membership _membership = new("", Guid.Empty, VoterSet.Empty, "");
    private volatile Func<QuorumStatus>? _status;
    private volatile Func<bool>? _wouldVote;

    private sealed record Membership(string ClusterId, Guid DirectoryId, VoterSet FirstVoters, string Join);

    public int NodeId { get; } = nodeId;

    public QuorumEndpoint Quorum { get; } = quorum;

    /// <summary>This node's metadata log lies in a directory of this id, and it belongs to no cluster yet.</summary>
    /// <param name="join">Whom it was told to meet.</param>
    public void IsEmpty(Guid directoryId, string join) => _membership = new Membership("", directoryId, VoterSet.Empty, join);

    public void BelongsTo(string clusterId, Guid directoryId, VoterSet firstVoters) => _membership = new Membership(clusterId, directoryId, firstVoters, "");

    /// <param name="wouldVote">Whether the quorum's leader may make it a voter of his own accord.</param>
    public void Knows(Func<QuorumStatus> status, Func<bool> wouldVote) => (_status, _wouldVote) = (status, wouldVote);

    public IAm Answer(Cluster cluster, string asker)
    {
        var members = cluster.State.Members;
        var known = _membership;
        return new IAm(
            NodeId,
            known.DirectoryId,
            known.ClusterId,
            Quorum,
            IsMember: members.Any(member => member.Address == cluster.SelfAddress),
            KnowsAsker: members.Any(member => member.Status is not (MemberStatus.Down or MemberStatus.Removed) && member.Address.ToString() == asker),
            _status?.Invoke().LeaderId ?? -1,
            known.FirstVoters,
            known.Join,
            _wouldVote?.Invoke() ?? false);
    }
}

/// <summary>Tells other nodes who this one is.</summary>
public sealed class Greeter : ReceiveActor
{
    /// <summary>Its name below <c>/user</c>, the same on every node.</summary>
    public const string Name = "greeter";

    public Greeter(NodeSelf self)
    {
        var cluster = Cluster.Get(Context.System);
        Receive<WhoAreYou>(question => Sender.Tell(self.Answer(cluster, question.Asker)));
    }

    public static Props Props(NodeSelf self) => Akka.Actor.Props.Create(() => new Greeter(self));

    /// <summary>Asks the node at an address; null when nobody answers within a second, or somebody who is no node.</summary>
    public static async Task<IAm?> AskAsync(ActorSystem system, Address address)
    {
        var self = Cluster.Get(system).SelfAddress.ToString();
        try
        {
            return await system.ActorSelection(new RootActorPath(address) / "user" / Name).Ask<IAm>(new WhoAreYou(self), TimeSpan.FromSeconds(1));
        }
        catch (Exception e) when (e is AskTimeoutException or OperationCanceledException)
        {
            return null;
        }
    }
}
