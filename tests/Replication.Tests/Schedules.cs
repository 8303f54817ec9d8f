using Milena.Metadata.Image;
using Milena.Model;
using Milena.Testing;

namespace Milena.Replication.Tests;

/// <summary>Three brokers through appends, elections, cuts, late metadata, crashes and power losses of one node at a time, by seed.</summary>
/// <remarks>The steps follow from the seed; how the threads interleave does not, so a seed that failed may have to be tried some times.</remarks>
public sealed class Schedules
{
    private const int Steps = 80;
    private const int Partitions = 2;

    /// <summary>Appended when all is mended: one batch to each partition.</summary>
    private const int AppendedLast = Partitions;

    public static TheoryData<int> Seeds() => [.. TestProfile.Seeds(25, 250)];

    [Theory]
    [MemberData(nameof(Seeds))]
    public async Task Whatever_single_node_fails_nothing_that_was_acknowledged_is_lost_and_all_replicas_end_equal(int seed) =>
        // A seed may be so hard that nothing is acknowledged before all is mended.
        Assert.True(await RunAsync(seed) >= AppendedLast);

    [Fact]
    public async Task Much_is_acknowledged_while_nodes_fail()
    {
        int[] seeds = [1, 2, 3];
        var acknowledged = 0;
        foreach (var seed in seeds)
        {
            acknowledged += await RunAsync(seed) - AppendedLast;
        }

        Assert.True(acknowledged > seeds.Length * Steps / 8, $"only {acknowledged} batches");
    }

    /// <returns>How many batches were acknowledged.</returns>
    private static async Task<int> RunAsync(int seed)
    {
        var run = new Run(seed);
        await using var cluster = run.Cluster;
        for (var step = 0; step < Steps; step++)
        {
            await run.StepAsync();
            run.Check($"Seed {seed}, step {step}");
        }

        await run.HealAsync();
        run.Check($"Seed {seed}, at the end");
        return run.Acknowledged;
    }

    private sealed class Run
    {
        private static readonly TimeSpan Blink = TimeSpan.FromMilliseconds(4);
        private readonly Observations _seen = new();
        private readonly List<Task> _appends = [];
        private readonly Random _random;
        private readonly List<string> _done = [];
        private int? _down;
        private long _nextId;

        public Run(int seed)
        {
            _random = new Random(seed);
            Cluster = TestCluster.Start(Partitions, seed, _seen.Watch, keepsEligibleLeaders: seed % 2 == 0);
            Cluster.Network.IsSlow = true;
        }

        public TestCluster Cluster { get; }

        public int Acknowledged => _seen.Acknowledged;

        private static IEnumerable<TopicPartition> All => Enumerable.Range(0, Partitions).Select(index => new TopicPartition(TestCluster.Topic, index));

        public async Task StepAsync()
        {
            var partition = new TopicPartition(TestCluster.Topic, _random.Next(Partitions));
            var node = TestCluster.Ids[_random.Next(TestCluster.Ids.Length)];
            switch (_random.Next(20))
            {
                case < 9:
                    Append(partition, _random.Next(1, 6));
                    break;
                case 9 or 10:
                    Elect(partition);
                    break;
                case 11:
                    Do($"cut {node} and {(node % 3) + 1}", () => Cluster.Network.Cut(node, (node % 3) + 1));
                    break;
                case 12:
                    Do($"cut {node} from the controller", () => Cluster.Network.Cut(node, TestNetwork.Controller));
                    break;
                case 13:
                    Isolate(node);
                    break;
                case 14:
                    Mend();
                    break;
                case 15:
                    Start();
                    Mend();
                    HoldAll(false);
                    break;
                case 16:
                    Do($"{node} hears nothing of the metadata", () => Cluster.Controller.Hold(node, true));
                    break;
                case 17:
                    Do("all hear of the metadata", () => HoldAll(false));
                    break;
                default:
                    await CrashOrStartAsync(node);
                    break;
            }

            // Some steps come at once, most let those before them take effect.
            await (_random.Next(3) == 0 ? Task.CompletedTask : Task.Delay(Blink * _random.Next(1, 6)));
            _appends.RemoveAll(append => append.IsCompletedSuccessfully);
            foreach (var one in Cluster.Nodes.Values)
            {
                await _seen.ConsumeAsync(one, partition);
            }
        }

        public void Check(string when)
        {
            foreach (var node in Cluster.Nodes.Values)
            {
                foreach (var partition in All)
                {
                    _seen.CheckHighWatermark(node, partition);
                }
            }

            Assert.True(_seen.Violations.Count == 0, $"{when}: {string.Join('\n', _seen.Violations)}\nafter {string.Join("; ", _done)}");
        }

        public async Task HealAsync()
        {
            Start();
            Cluster.Network.IsSlow = false;
            Mend();
            HoldAll(false);
            foreach (var partition in All)
            {
                var id = ++_nextId;
                _seen.Appended(partition, await Cluster.AppendAsync(partition, Observations.Batch([id])), [id]);
                await Cluster.SyncedAsync(partition);
                Following_a_leader.AssertEqualBytes(Cluster, partition: partition.Partition);
                _seen.CheckAcknowledged(Cluster.Nodes[1].Find(partition)!, "At the end every broker");
            }

            await Task.WhenAll(_appends).WaitAsync(TimeSpan.FromSeconds(30));
        }

        private void Start()
        {
            if (_down is { } down)
            {
                Do($"start {down}", () => Cluster.StartNode(down));
                _down = null;
            }
        }

        private void Do(string what, Action action)
        {
            _done.Add(what);
            action();
        }

        private void Append(TopicPartition partition, int batches)
        {
            // To whom the controller takes for the leader, or to somebody who still takes itself for it.
            var leaders = Cluster.Nodes.Values.Where(node => node.Find(partition) is { Leadership.IsLeader: true }).ToList();
            if (leaders.Count == 0)
            {
                return;
            }

            var node = leaders[_random.Next(leaders.Count)];
            _done.Add($"{batches} batches to {partition} on {node.Id}");
            for (var i = 0; i < batches; i++)
            {
                List<long> ids = [.. Enumerable.Range(0, _random.Next(1, 4)).Select(_ => ++_nextId)];
                _appends.Add(AppendAsync(node, partition, ids));
            }
        }

        private async Task AppendAsync(TestNode node, TopicPartition partition, List<long> ids) =>
            _seen.Appended(partition, await node.AppendAsync(partition, Observations.Batch(ids), timeoutMs: 500), ids);

        private void Elect(TopicPartition partition)
        {
            var candidates = Cluster.Controller.Find(partition).Isr.Where(IsThere).ToList();
            if (candidates.Count > 0)
            {
                var leader = candidates[_random.Next(candidates.Count)];
                Do($"{leader} leads {partition}", () => Cluster.Controller.Elect(partition, leader));
            }
        }

        private void Isolate(int node)
        {
            // Two that are away at once would be more than a single node.
            if (_down is null && TestCluster.Ids.All(IsThere))
            {
                Do($"isolate {node}", () =>
                {
                    Cluster.Network.Isolate(node, [TestNetwork.Controller, .. TestCluster.Ids]);
                    Cluster.Controller.Hold(node, true);
                    Cluster.Controller.Fence(node);
                });
            }
        }

        private void Mend() => Do("heal", () =>
        {
            Cluster.Network.HealAll();
            foreach (var node in Cluster.Nodes.Keys.Where(node => !IsThere(node)))
            {
                Cluster.Controller.Hold(node, false);
                Cluster.Controller.Unfence(node);
            }
        });

        private void HoldAll(bool isHeld)
        {
            foreach (var node in Cluster.Nodes.Keys.Where(IsThere))
            {
                Cluster.Controller.Hold(node, isHeld);
            }
        }

        private bool IsThere(int node) => Cluster.Nodes.ContainsKey(node) && Cluster.Controller.Image.Brokers.TryGetValue(node, out BrokerRegistration? broker) && !broker.Fenced;

        private async Task CrashOrStartAsync(int node)
        {
            if (_down is not null)
            {
                Start();
            }
            else if (All.All(partition => Cluster.Controller.Find(partition).Isr.Any(member => member != node && IsThere(member))))
            {
                var losesPower = _random.Next(2) == 0;
                _done.Add($"{(losesPower ? "power loss" : "kill")} of {node}");
                _down = node;
                await Cluster.CrashAsync(node, losesPower);
                Cluster.Controller.Fence(node);
            }
        }
    }
}
