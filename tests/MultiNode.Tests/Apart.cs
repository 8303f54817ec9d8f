using Akka.Actor;
using Akka.Cluster;
using Milena.Metadata.Image;
using Milena.Metadata.Quorum;
using Milena.Model;
using Milena.Node.Configuration;
using Milena.Node.Membership;
using Milena.Protocol;
using Milena.Replication;
using Milena.Testing;

namespace Milena.MultiNode.Tests;

/// <summary>A node whose Akka cluster is not that of the quorum's leader, and what it can tell that by.</summary>
public sealed class Apart : IAsyncDisposable
{
    private const int Leader = 1, Follower = 2;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly ActorSystem _leader = ActorSystem.Create(NodeAddress.SystemName, QuietSystem.With());
    private readonly ActorSystem _follower = ActorSystem.Create(NodeAddress.SystemName, QuietSystem.With());
    private readonly TaskCompletionSource<string> _rejoins = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public async ValueTask DisposeAsync() => await Task.WhenAll(_leader.Terminate(), _follower.Terminate());

    /// <remarks>It asked one to be taken into his cluster, and made its own before it was, as where who leads the quorum changes several times while all nodes start.</remarks>
    [Fact]
    public async Task A_node_that_is_in_two_clusters_starts_again()
    {
        var (leader, follower) = (Cluster.Get(_leader), Cluster.Get(_follower));
        leader.Join(leader.SelfAddress);
        Wait.Until(() => Has(leader, leader), Patience, () => "the leader has a cluster");
        follower.Join(leader.SelfAddress);
        follower.Join(follower.SelfAddress);
        Wait.Until(() => Has(leader, follower) && Has(follower, follower), Patience, () => "the follower is in the leader's cluster and in one of its own");
        Assert.False(Has(follower, leader));
        var self = new NodeSelf(Leader, new QuorumEndpoint("CONTROLLER", "127.0.0.1", 1));
        self.Knows(Status, () => true);
        _leader.ActorOf(Greeter.Props(self), Greeter.Name);
        Watch(leader.SelfAddress);
        Assert.Contains("another Akka cluster", await _rejoins.Task.WaitAsync(Patience));
    }

    /// <remarks>Its actor system is quarantined, as where a node that the others have downed leads the quorum before it hears of that, and downs them in turn.</remarks>
    [Fact]
    public async Task A_node_that_the_leader_answers_nothing_although_the_quorum_hears_him_starts_again()
    {
        var follower = Cluster.Get(_follower);
        follower.Join(follower.SelfAddress);
        Watch(Cluster.Get(_leader).SelfAddress);
        Assert.Contains("answers nothing", await _rejoins.Task.WaitAsync(Patience));
    }

    private static bool Has(Cluster cluster, Cluster other) => cluster.State.Members.Any(member => member.Address == other.SelfAddress && member.Status == MemberStatus.Up);

    /// <summary>The follower's node finds the leader at an address, as registered.</summary>
    private void Watch(Address leader)
    {
        var metadata = new MetadataStore();
        var endPoint = new RegisterBrokerRecord.BrokerEndpoint { Name = BrokerEndPoint.ClusterListener, Host = leader.Host!, Port = (ushort)leader.Port! };
        metadata.Apply([new RegisterBrokerRecord { BrokerId = Leader, BrokerEpoch = 1, Fenced = false, EndPoints = [endPoint] }], metadata.Current.Offset + 1, epoch: 1, isSnapshot: false);
        var configuration = NodeConfiguration.Load(CommandLine.Parse(["start", "--node-id", $"{Follower}", "--data", "nowhere"]), []);
        _follower.ActorOf(MembershipActor.Props(new(
            configuration,
            ClusterId: "",
            Status,
            metadata,
            Controller: null!,
            Link: ActorRefs.Nobody,
            new ControllerContact(TimeProvider.System),
            TimeProvider.System,
            Rejoin: reason => _rejoins.TrySetResult(reason),
            Fail: reason => _rejoins.TrySetException(new InvalidOperationException(reason)))));
    }

    /// <summary>As a follower sees the quorum.</summary>
    private static QuorumStatus Status() => new(
        QuorumRole.Follower, 1, Leader, null, HearsLeader: true, IsVoter: true, HasVoted: true, VoterSet.Empty, 5, 0, 5, AtMs: 10_000, []);
}
