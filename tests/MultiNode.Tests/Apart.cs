using Akka.Actor;
using Akka.Cluster;
using Akka.Configuration;
using Milena.Metadata.Image;
using Milena.Metadata.Quorum;
using Milena.Node.Configuration;
using Milena.Node.Membership;
using Milena.Replication;
using Milena.Testing;

namespace Milena.MultiNode.Tests;

/// <summary>A node that asked one to be taken into his cluster, and made a cluster of its own before it was: it is in two of them, and answers the first nothing.</summary>
/// <remarks>So it comes about where who leads the quorum changes several times while all nodes start.</remarks>
public sealed class Apart : IAsyncDisposable
{
    private const int Leader = 1, Follower = 2;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly ActorSystem _leader = ActorSystem.Create(NodeAddress.SystemName, Settings());
    private readonly ActorSystem _follower = ActorSystem.Create(NodeAddress.SystemName, Settings());
    private readonly TaskCompletionSource<string> _rejoins = new(TaskCreationOptions.RunContinuationsAsynchronously);

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
        self.Knows(() => Status(Leader), () => true);
        _leader.ActorOf(Greeter.Props(self), Greeter.Name);
        Watch(leader.SelfAddress);
        Assert.Contains("another Akka cluster", await _rejoins.Task.WaitAsync(Patience));
    }

    public async ValueTask DisposeAsync() => await Task.WhenAll(_leader.Terminate(), _follower.Terminate());

    private static bool Has(Cluster cluster, Cluster other) => cluster.State.Members.Any(member => member.Address == other.SelfAddress && member.Status == MemberStatus.Up);

    private void Watch(Address leader)
    {
        var configuration = NodeConfiguration.Load(CommandLine.Parse(["start", "--node-id", $"{Follower}", "--data", "nowhere", "--join", $"{leader.Host}:{leader.Port}"]), []);
        _follower.ActorOf(MembershipActor.Props(new(
            configuration,
            ClusterId: "",
            () => Status(Leader),
            new MetadataStore(),
            Controller: null!,
            Link: ActorRefs.Nobody,
            new ControllerContact(TimeProvider.System),
            TimeProvider.System,
            Rejoin: reason => _rejoins.TrySetResult(reason),
            Fail: reason => _rejoins.TrySetException(new InvalidOperationException(reason)))));
    }

    private static QuorumStatus Status(int leader) => new(
        QuorumRole.Follower, 1, leader, null, HearsLeader: true, IsVoter: true, HasVoted: true, VoterSet.Empty, 5, 0, 5, AtMs: 10_000, []);

    private static Config Settings()
    {
        using var stream = typeof(Node.MilenaNode).Assembly.GetManifestResourceStream("reference.conf")!;
        using var reader = new StreamReader(stream);
        return ConfigurationFactory.ParseString("""
            akka {
              loggers = []
              loglevel = OFF
              remote.dot-netty.tcp {
                hostname = 127.0.0.1
                port = 0
              }
            }
            """).WithFallback(ConfigurationFactory.ParseString(reader.ReadToEnd()));
    }
}
