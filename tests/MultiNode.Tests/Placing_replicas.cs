using Akka.Actor;
using Akka.Cluster;
using Akka.Cluster.Sharding;
using Akka.Configuration;
using Akka.TestKit;
using Akka.TestKit.Xunit2;
using Milena.Replication;

namespace Milena.MultiNode.Tests;

/// <summary>Where the coordinator of shards places a broker's replicas, in a cluster of one node.</summary>
public sealed class Placing_replicas() : TestKit(ConfigurationFactory.ParseString("""
    akka {
      actor.provider = cluster
      remote.dot-netty.tcp { hostname = 127.0.0.1, port = 0 }
      cluster { downing-provider-class = "Akka.Cluster.NoDowning, Akka.Cluster", sharding { state-store-mode = ddata, retry-interval = 50ms, distributed-data.durable.keys = [] } }
    }
    """))
{
    [Fact]
    public async Task A_broker_that_the_coordinator_has_not_heard_of_gets_its_replicas_when_it_has_and_nothing_is_logged_as_an_error()
    {
        var asked = 0;
        var cluster = Cluster.Get(Sys);
        await cluster.JoinAsync(cluster.SelfAddress);
        await EventFilter.Error().ExpectAsync(0, async () =>
        {
            var region = await ClusterSharding.Get(Sys).StartAsync(
                "replica",
                _ => Props.Create(() => new Echo(TestActor)),
                ClusterShardingSettings.Create(Sys),
                HashCodeMessageExtractor.Create(maxNumberOfShards: 1, _ => "2", message => message),
                new BrokerPinnedAllocation(cluster, _ => Interlocked.Increment(ref asked) == 1 ? null : cluster.SelfAddress),
                PoisonPill.Instance);
            region.Tell("begin");
            await ExpectMsgAsync("begin", InProcessCluster.Patience);
        });
        Assert.True(asked > 1, "The coordinator has placed what has no place.");
    }

    private sealed class Echo : ReceiveActor
    {
        public Echo(IActorRef to) => Receive<string>(to.Tell);
    }
}
