using Akka.Actor;
using Milena.Coordinators.Runtime;
using Milena.Model;
using Milena.Protocol;
using Milena.Testing;

namespace Milena.Replication.Tests;

/// <summary>What a coordinator tells whose broker has just come to lead.</summary>
public sealed class Coordinators_of_a_new_leader : IAsyncDisposable
{
    private static readonly TopicPartition Orders = new(TestCluster.Topic, 0);
    private readonly ActorSystem _system = ActorSystem.Create("coordinators");
    private readonly CoordinatorDirectory _directory = new();
    private readonly ManualResetEventSlim _handled = new(initialState: true);
    private readonly TaskCompletionSource _handling = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _replayed;

    [Fact]
    public async Task A_coordinator_says_nothing_before_all_that_it_knows_is_committed()
    {
        await using var cluster = await TestCluster.WithUncommittedAsync();
        Run(cluster.Nodes[1]);
        // More than enough for it to have read two records.
        for (var round = 0; round < 200; round++)
        {
            Assert.Equal(ErrorCode.CoordinatorLoadInProgress, (await AskAsync()).Error);
            await cluster.Nodes[1].BarrierAsync(Orders);
        }

        Assert.Equal(0, Volatile.Read(ref _replayed));
        cluster.Network.HealAll();
        await TestCluster.UntilAsync("the coordinator answers", async () => (await AskAsync()).Error == ErrorCode.None);
        Assert.Equal((2, 2), (_replayed, cluster.Nodes[1].Find(Orders)!.HighWatermark));
    }

    [Fact]
    public async Task A_coordinator_that_waits_for_a_leader_that_is_deposed_stays_silent()
    {
        await using var cluster = await TestCluster.WithUncommittedAsync();
        var node = cluster.Nodes[1];
        var committed = node.Find(Orders)!.WhenCommittedAsync(2, leaderEpoch: 1);
        Run(node);
        cluster.Controller.Elect(Orders, 2);
        Assert.False(await committed.WaitAsync(TimeSpan.FromSeconds(20)));
        Assert.Equal((ErrorCode.CoordinatorLoadInProgress, 0), ((await AskAsync()).Error, _replayed));
    }

    [Fact]
    public async Task Who_asks_while_a_coordinator_ends_is_told_that_it_is_none()
    {
        await using var cluster = TestCluster.Start();
        await cluster.AppendAsync(Orders, Batches.Plain());
        await cluster.SyncedAsync(Orders);
        _system.ActorOf(DeadLetterAnswers.Props());
        var actor = Run(cluster.Nodes[1], leaderEpoch: 0);
        await TestCluster.UntilAsync("the coordinator answers", async () => (await AskAsync()).Error == ErrorCode.None);
        _handled.Reset();
        var first = AskAsync();
        await _handling.Task.WaitAsync(TimeSpan.FromSeconds(20));
        actor.Tell(PoisonPill.Instance);
        var second = AskAsync();
        _handled.Set();
        Assert.Equal(ErrorCode.None, (await first.WaitAsync(TimeSpan.FromSeconds(20))).Error);
        Assert.Equal(ErrorCode.NotCoordinator, (await second.WaitAsync(TimeSpan.FromSeconds(20))).Error);
    }

    public async ValueTask DisposeAsync() => await _system.Terminate();

    private IActorRef Run(TestNode node, int leaderEpoch = 1) => _system.ActorOf(CoordinatorActor.Props(
        new CoordinatorActor.Kind(TestCluster.Topic, () => new Echo(this), CompressionCodec.None, TimeProvider.System), node.Find(Orders)!, leaderEpoch, _directory));

    private async Task<CoordinatorAnswer> AskAsync()
    {
        await TestCluster.UntilAsync("the coordinator runs", () => _directory.All.Count > 0);
        return await _directory.AskAsync(Orders, new HeartbeatRequest(), 4, "client", "host");
    }

    /// <summary>Answers every request, at once unless the test holds it up, and counts what it is replayed.</summary>
    private sealed class Echo(Coordinators_of_a_new_leader test) : ICoordinator
    {
        public void Replay(ReadOnlyMemory<byte> key, ReadOnlyMemory<byte>? value, DateTimeOffset recordTime) => Interlocked.Increment(ref test._replayed);

        public void Loaded(DateTimeOffset now, CoordinatorEffects effects)
        {
        }

        public void Handle(in CoordinatorRequest request, DateTimeOffset now, CoordinatorEffects effects)
        {
            if (!test._handled.IsSet)
            {
                test._handling.TrySetResult();
                test._handled.Wait();
            }

            effects.Reply(request.ReplyTo, new HeartbeatResponse());
        }

        public void TimerFired(TimerName timer, DateTimeOffset now, CoordinatorEffects effects)
        {
        }

        public void Unload(DateTimeOffset now, CoordinatorEffects effects)
        {
        }
    }
}
