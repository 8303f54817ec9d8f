using System.Globalization;
using Milena.Metadata.Quorum;
using Xunit.Abstractions;

namespace Milena.Simulation.Tests;

/// <summary>Seeded runs of whole quorums under faults. PROFILE=nightly runs thousands; SEED=n runs one, with its trace.</summary>
public sealed class Quorum_simulation(ITestOutputHelper output)
{
    private const int FaultsEndMs = 8_000;
    private const int HealWithinMs = 6_000;
    private const int TraceLines = 120;

    private static int Seeds => Environment.GetEnvironmentVariable("PROFILE") == "nightly" ? 3000 : 100;

    [Fact]
    public void Three_voters_keep_what_they_decided() => RunSeeds(10_000, seed => new Scenario(seed, voters: 3, observers: 1));

    [Fact]
    public void Five_voters_keep_what_they_decided() => RunSeeds(20_000, seed => new Scenario(seed, voters: 5, observers: 1));

    [Fact]
    public void Voters_come_and_go_and_nothing_is_lost() => RunSeeds(30_000, seed => new Scenario(seed, voters: 3, observers: 3, changesVoters: true));

    [Fact]
    public void A_quorum_without_faults_keeps_its_leader()
    {
        var cluster = new SimulatedCluster(seed: 1, voters: 3, observers: 1);
        Assert.True(cluster.Run(5_000, () => cluster.CommittedOffset > 0), "no leader decided anything within 5 s");
        var (epoch, committed) = (cluster.Nodes.Max(node => node.Machine!.Epoch), cluster.CommittedOffset);
        cluster.Run(600_000);
        Assert.Equal(epoch, cluster.Nodes.Max(node => node.Machine!.Epoch));
        Assert.True(cluster.CommittedOffset > committed + 10_000, $"only {cluster.CommittedOffset - committed} offsets were decided in ten minutes");
    }

    private void RunSeeds(int firstSeed, Func<int, Scenario> scenario)
    {
        var only = Environment.GetEnvironmentVariable("SEED") is { Length: > 0 } text ? int.Parse(text, CultureInfo.InvariantCulture) : (int?)null;
        var (steps, committed, elections, snapshots) = (0L, 0L, 0L, 0L);
        foreach (var seed in only is { } one ? [one] : Enumerable.Range(firstSeed, Seeds))
        {
            var run = scenario(seed);
            try
            {
                run.Run();
            }
            catch (Exception failure) when (failure is not Xunit.Sdk.XunitException)
            {
                Assert.Fail($"Seed {seed}: {failure.Message}\n{TraceOf(scenario(seed))}\n{failure.StackTrace}");
            }

            steps += run.Cluster.Steps;
            committed += run.Cluster.CommittedOffset;
            snapshots += run.Cluster.Nodes.Sum(node => node.SnapshotsTaken);
            elections += run.Cluster.Nodes.Max(node => node.Machine!.Epoch);
        }

        output.WriteLine($"{steps} steps, {committed} offsets decided, {elections} epochs, {snapshots} logs replaced by a snapshot");
        Assert.True(only is not null || snapshots > 0, "no replica ever needed a snapshot");
    }

    private static string TraceOf(Scenario again)
    {
        List<string> trace = [];
        var violation = Record.Exception(() => again.Run(trace));
        return string.Join('\n', trace.TakeLast(TraceLines).Append(violation?.Message ?? "(did not fail again)"));
    }

    /// <summary>One run: faults for a while, then a healed cluster that has to decide again.</summary>
    private sealed class Scenario(int seed, int voters, int observers, bool changesVoters = false)
    {
        public SimulatedCluster Cluster { get; private set; } = null!;

        public void Run(List<string>? trace = null)
        {
            Cluster = new SimulatedCluster(seed, voters, observers, trace);
            var faults = new Faults(Cluster, changesVoters);
            Cluster.Run(FaultsEndMs);
            faults.Stop();
            var before = Cluster.Acknowledged.Count;
            if (!Cluster.Run(FaultsEndMs + HealWithinMs, () => Cluster.Acknowledged.Count > before))
            {
                throw new InvariantViolation("Liveness", $"nothing was decided within {HealWithinMs} ms of the end of all faults");
            }

            Cluster.Run(Cluster.Clock.NowMs + HealWithinMs);
            EveryoneHasEverything();
        }

        private void EveryoneHasEverything()
        {
            foreach (var node in Cluster.Nodes)
            {
                var behind = Cluster.CommittedOffset - node.Machine!.HighWatermark;
                if (behind > 200)
                {
                    throw new InvariantViolation("Liveness", $"{node} is {behind} offsets behind {HealWithinMs} ms after the end of all faults");
                }
            }
        }
    }
}
