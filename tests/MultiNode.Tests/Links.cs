using System.Diagnostics;
using Akka.Actor;
using Akka.Configuration;

namespace Milena.MultiNode.Tests;

/// <summary>Akka's connections between two nodes, on a machine that has too much to do.</summary>
public sealed class Links
{
    private const int Pairs = 40;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan AnswerTime = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan BusyTime = TimeSpan.FromSeconds(2);

    /// <remarks>
    /// With Akka's own setting for passive connections a pair is left that never hears of each other again, in 5 of 12 runs. Chance decides which attempts come to
    /// nothing, so a single run that passes says little.
    /// </remarks>
    [Fact]
    public async Task Two_nodes_whose_first_attempts_to_connect_come_to_nothing_find_each_other_when_the_machine_has_time()
    {
        var systems = Enumerable.Range(0, 2 * Pairs).Select(_ => ActorSystem.Create("milena", Settings())).ToList();
        try
        {
            systems.ForEach(system => system.ActorOf(Props.Create(() => new Answering()), "answering"));
            var addresses = systems.Select(system => ((ExtendedActorSystem)system).Provider.DefaultAddress).ToList();
            using var busy = new CancellationTokenSource(BusyTime);
            var spinning = Enumerable.Range(0, 2 * Environment.ProcessorCount).Select(_ => Task.Factory.StartNew(() => Spin(busy.Token), TaskCreationOptions.LongRunning)).ToList();
            // The one of each pair asks the other at the same time.
            var heard = await Task.WhenAll(systems.Select((system, index) => Task.Run(() => HearsAsync(system, addresses[index ^ 1]))));
            await Task.WhenAll(spinning);
            Assert.DoesNotContain(false, heard);
        }
        finally
        {
            await Task.WhenAll(systems.Select(system => system.Terminate()));
        }
    }

    /// <summary>A node's own, but for an attempt to connect that the busy machine makes come to nothing.</summary>
    private static Config Settings() => QuietSystem.With("""
        akka {
          actor.provider = remote
          remote.dot-netty.tcp.connection-timeout = 100ms
        }
        """);

    private static void Spin(CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            Thread.SpinWait(1000);
        }
    }

    private static async Task<bool> HearsAsync(ActorSystem system, Address other)
    {
        var began = Stopwatch.StartNew();
        while (began.Elapsed < Patience)
        {
            try
            {
                await system.ActorSelection($"{other}/user/answering").Ask<string>("who is there?", AnswerTime);
                return true;
            }
            catch (AskTimeoutException)
            {
                // Not yet.
            }
        }

        return false;
    }

    private sealed class Answering : ReceiveActor
    {
        public Answering() => ReceiveAny(_ => Sender.Tell("a node"));
    }
}
