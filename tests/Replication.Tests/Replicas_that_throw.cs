using Akka.Actor;
using Milena.Model;
using Milena.Testing;

namespace Milena.Replication.Tests;

/// <summary>A replica whose handler throws what nobody foresaw, as a bug does.</summary>
public sealed class Replicas_that_throw
{
    private static readonly TopicPartition Orders = new(TestCluster.Topic, 0);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    [Fact]
    public async Task An_append_that_throws_is_answered_and_the_replica_goes_on()
    {
        await using var cluster = TestCluster.Start();
        await cluster.AppendAsync(Orders, Batches.Plain());
        await cluster.SyncedAsync(Orders);
        var thrown = 0;
        cluster.DiskOf(1).Fault = (operation, path) =>
        {
            if (operation == DiskOperation.Write && path.EndsWith(".log", StringComparison.Ordinal) && Interlocked.Exchange(ref thrown, 1) == 0)
            {
                throw new InvalidOperationException("Nobody thought of this.");
            }
        };
        var reply = AppendCompletion.Rent();
        var outcome = reply.Task.AsTask();
        cluster.Nodes[1].Find(Orders)!.Actor.Tell(new ReplicaActor.Append(Batches.Plain(), Acks: -1, reply), ActorRefs.NoSender);
        Assert.Equal(ErrorCode.UnknownServerError, (await outcome.WaitAsync(Patience)).Error);
        Assert.Equal(1, (await cluster.AppendAsync(Orders, Batches.Plain())).BaseOffset);
    }
}
