using System.Diagnostics;
using System.Globalization;
using Milena.Bench;
using Milena.Faults.Checking;
using Milena.Faults.Kinds;
using Milena.Faults.Load;
using Milena.Faults.Nodes;

namespace Milena.Faults;

/// <summary>Starts nodes and load, inflicts faults one after another, and checks at the end what is there.</summary>
public sealed class Campaign
{
    private const string Topic = "load";

    /// <summary>Time in peace before each fault, so that the silence of one is not counted for another.</summary>
    private static readonly TimeSpan Peace = TimeSpan.FromSeconds(2);

    private readonly FaultsOptions _options;
    private readonly TextWriter _output;
    private readonly CancellationToken _cancelled;
    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private readonly PartitionHistory[] _histories;
    private readonly List<Violation> _accusations = [];

    // Before the first client: afterwards it is too late.
    static Campaign() => NativeClient.Load();

    private Campaign(FaultsOptions options, TextWriter output, CancellationToken cancelled)
    {
        (_options, _output, _cancelled) = (options, TextWriter.Synchronized(output), cancelled);
        _histories = [.. Enumerable.Range(0, options.Partitions).Select(partition => new PartitionHistory(partition))];
    }

    /// <param name="output">Takes a line for each fault as it is inflicted.</param>
    /// <exception cref="FaultsException">This machine cannot do any of what is asked for.</exception>
    /// <exception cref="OperationCanceledException">Between two faults.</exception>
    /// <exception cref="TimeoutException">The cluster did not come back after a fault; the message says what it lacks.</exception>
    public static CampaignResult Run(FaultsOptions options, TextWriter output, CancellationToken cancelled = default) =>
        new Campaign(options, output, cancelled).Run();

    private CampaignResult Run()
    {
        using var surroundings = new Surroundings(_options.Nodes);
        var kinds = surroundings.Choose(_options, _output.WriteLine);
        using var logs = new CampaignLogs(_options.Logs, _options.Nodes);
        // Only where one is to be filled: small as they are, much load would fill them unasked.
        var disks = kinds.Any(kind => kind.Needs == Needs.Disks) ? surroundings.Disks : null;
        using var cluster = new RealCluster(_options.Nodes, surroundings.Network, disks, surroundings.Clocks, logs.Node, _options.Settings, _options.From).Start();
        cluster.CreateTopic(Topic, _options.Partitions);
        var idle = new IdlePartitions(cluster, _options.IdlePartitions, Say);
        using var watch = _options.Logs is null ? null : new ClusterWatch(cluster, Topic, _options.Logs);
        using var load = new LoadOnTopic(new LoadSettings(
            cluster.Bootstrap, Topic, _options.Acks, _options.Writers, _options.Rate, _options.ValueBytes, _histories, _clock, Say, logs.Writer, logs.Group));
        var faults = InflictAll(cluster, idle, kinds, load);
        load.Finish();
        cluster.WaitUntilAllInSync(Topic);
        var replicas = cluster.Describe(Topic).Select(one => one.ReplicaNodes).ToList();
        Parallel.ForEach(cluster.Nodes, node => node.Stop());
        List<Violation> violations = [.. _accusations, .. load.CommitViolations, .. _histories.SelectMany(history => Checker.Check(history, Read(cluster, history.Partition, replicas[history.Partition]), ordered: _options.Acks == -1))];
        logs.Keep(cluster, Topic, violations.Select(violation => violation.Partition).Where(partition => partition >= 0).Distinct(), partition => replicas[partition]);
        return new(
            Outcome.Of(faults, _histories, load.Commits.AcknowledgedAt(), violations),
            violations,
            _histories.Sum(history => history.Acknowledged.Count),
            _histories.Sum(history => history.Reads.Values.Sum(reads => reads.Count)),
            load.Failed,
            load.Restarts,
            load.NewEpochs,
            load.Hung,
            load.Commits.AcknowledgedAt().Count,
            load.Assignments);
    }

    private List<Inflicted> InflictAll(RealCluster cluster, IdlePartitions idle, IReadOnlyList<FaultKind> kinds, LoadOnTopic load)
    {
        var random = new Random(_options.Seed);
        var deck = new Queue<FaultKind>();
        var faults = new List<Inflicted>();
        var began = _clock.Elapsed;
        cluster.WaitUntilAllInSync(Topic);
        do
        {
            _cancelled.ThrowIfCancellationRequested();
            Scene.Hold(Peace);
            if (deck.Count == 0)
            {
                // In turns: each kind comes before any comes again.
                deck = new(kinds.OrderBy(_ => random.Next()));
            }

            faults.Add(Inflict(cluster, deck.Dequeue(), random));
            load.LookAgain();
        }
        while (_clock.Elapsed - began < TimeSpan.FromSeconds(_options.Seconds));

        return faults;

        Inflicted Inflict(RealCluster nodes, FaultKind kind, Random dice)
        {
            var (what, from) = ("", _clock.Elapsed);
            var scene = new Scene(nodes, Topic, _options.Partitions, dice, () => _histories.Sum(history => (long)history.AcknowledgedCount), Begin, Accuse);
            kind.Inflict(scene);
            nodes.WaitUntilAllInSync(Topic);
            idle.WaitUntilAllInSync();
            load.WaitForMore();
            var inflicted = new Inflicted(kind, what, from, _clock.Elapsed);
            Say($"  {Report.Silences(Outcome.Of([inflicted], _histories, load.Commits.AcknowledgedAt(), [])[0], DateTime.UtcNow - _clock.Elapsed)}");
            return inflicted;

            void Begin(string said)
            {
                (what, from) = (said, _clock.Elapsed);
                Say($"{kind.Name}: {said}");
            }
        }
    }

    private static List<ReplicaLog> Read(RealCluster cluster, int partition, IEnumerable<int> replicas) =>
        [.. replicas.Select(id => ReplicaReader.Read(id, cluster.FolderOf(id, Topic, partition)))];

    private void Accuse(ViolationKind kind, int partition, string what)
    {
        _accusations.Add(new Violation(kind, partition, _clock.Elapsed, what));
        Say($"  {_accusations[^1]}");
    }

    private void Say(string what) => _output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{DateTime.UtcNow:HH:mm:ss.fff} {_clock.Elapsed.TotalSeconds,7:F1} s  {what}"));
}
