using System.Diagnostics;
using System.Text.RegularExpressions;
using Milena.Testing;

namespace Milena.Conformance.Tests;

/// <summary>Kafka's own tools for the metadata's quorum and for features, against three nodes and a fourth that only follows.</summary>
public sealed partial class QuorumToolTests : IDisposable
{
    private const string Quorum = "org.apache.kafka.tools.MetadataQuorumCommand";
    private const string Topics = "org.apache.kafka.tools.TopicCommand";
    private const string Features = "org.apache.kafka.tools.FeatureCommand";

    private readonly NodeProcess[] _nodes = [.. Enumerable.Range(0, 4).Select(_ => new NodeProcess())];
    private readonly int[] _clusterPorts = [.. Enumerable.Range(0, 4).Select(_ => FreePorts.InARow(2))];

    private string Servers => string.Join(',', _nodes.Select(node => node.Address));

    public void Dispose()
    {
        foreach (var node in _nodes)
        {
            node.Dispose();
        }
    }

    [SkippableFact]
    public void The_quorum_is_described_and_a_follower_takes_a_voters_place()
    {
        var libraries = KafkaTools.Libraries();
        Task.WaitAll([.. Enumerable.Range(0, 3).Select(index => Task.Run(() => Start(index)))]);
        Start(3, more: ["--set", "controller.quorum.auto.join.enable=false"]);
        var status = Run(libraries, Quorum, "describe", "--status");
        Assert.Equal([1, 2, 3], IdsIn(status, "CurrentVoters"));
        Assert.Equal([4], IdsIn(status, "CurrentObservers"));
        var roles = Run(libraries, Quorum, "describe", "--replication").Split('\n', StringSplitOptions.RemoveEmptyEntries)[1..]
            .Select(line => line.TrimEnd().Split('\t')).ToLookup(line => line[^1], line => int.Parse(line[0], System.Globalization.CultureInfo.InvariantCulture));
        Assert.Equal((1, 2, 1), (roles["Leader"].Count(), roles["Follower"].Count(), roles["Observer"].Count()));

        // The leader itself is taken out, so that another one has to finish what follows.
        var leader = roles["Leader"].Single();
        Assert.Equal(0, RunForExitCode(
            libraries, Quorum, "remove-controller", "--controller-id", $"{leader}", "--controller-directory-id", DirectoryIn(_nodes[leader - 1])));
        int[] left = [.. Enumerable.Range(1, 3).Where(id => id != leader)];
        Await("the voter to be gone", () => IdsIn(Run(libraries, Quorum, "describe", "--status"), "CurrentVoters").SequenceEqual(left));
        Assert.NotEqual(0, RunForExitCode(
            libraries, Quorum, "remove-controller", "--controller-id", $"{leader}", "--controller-directory-id", DirectoryIn(_nodes[leader - 1])));

        var properties = Path.Combine(_nodes[3].Data, "controller.properties");
        File.WriteAllLines(
            properties,
            [
                "process.roles=controller", "node.id=4", "controller.listener.names=CONTROLLER", $"controller.quorum.bootstrap.servers=127.0.0.1:{_clusterPorts[0] + 1}",
                $"listeners=CONTROLLER://127.0.0.1:{_clusterPorts[3] + 1}", $"log.dirs={_nodes[3].Data}",
            ]);
        Assert.Equal(0, RunForExitCode(libraries, Quorum, "--command-config", properties, "add-controller"));
        Await("the follower to vote", () => IdsIn(Run(libraries, Quorum, "describe", "--status"), "CurrentVoters").SequenceEqual([.. left, 4]));
        Assert.NotEqual(0, RunForExitCode(libraries, Quorum, "--command-config", properties, "add-controller"));
    }

    [SkippableFact]
    public void A_node_that_began_alone_and_two_that_joined_all_vote_and_the_first_may_be_killed()
    {
        var libraries = KafkaTools.Libraries();
        Start(0, alone: true);
        Run(libraries, Topics, "--create", "--topic", "early", "--partitions", "1", "--replication-factor", "1");
        Start(1, alone: true);
        Start(2, alone: true);
        Await("all three to vote", () => IdsIn(Run(libraries, Quorum, "describe", "--status"), "CurrentVoters").SequenceEqual([1, 2, 3]));
        _nodes[0].Kill();
        Await("a topic to be made without the first", () => RunForExitCode(libraries, Topics, "--create", "--topic", "late", "--replica-assignment", "2:3", "--if-not-exists") == 0);
        Assert.Contains("early", Run(libraries, Topics, "--list"));
        Assert.Equal([1, 2, 3], IdsIn(Run(libraries, Quorum, "describe", "--status"), "CurrentVoters"));
    }

    [SkippableFact]
    public void Replicas_that_may_lead_without_loss_are_described()
    {
        var libraries = KafkaTools.Libraries();
        string[] two = ["--set", "min.insync.replicas=2"];
        Task.WaitAll([.. Enumerable.Range(0, 3).Select(index => Task.Run(() => Start(index, more: two)))]);
        Start(3, more: two);
        Run(libraries, Topics, "--create", "--topic", "kept", "--replica-assignment", "3:4");
        _nodes[3].Kill();
        Await("4 to be eligible", () => Regex.IsMatch(Describe(libraries), @"Leader: 3\s+Replicas: 3,4\s+Isr: 3\s+Elr: 4\s+LastKnownElr:\s*$", RegexOptions.Multiline));
        Assert.Equal(0, _nodes[2].Stop());
        Await("both to be eligible", () => Regex.IsMatch(Describe(libraries), @"Leader: none\s+Replicas: 3,4\s+Isr:\s+Elr: 4,3\s+LastKnownElr: 3\s*$", RegexOptions.Multiline));
        // It was killed, and may lack records; the other one closed its log.
        Start(3, more: two);
        Await("4 not to be eligible", () => Regex.IsMatch(Describe(libraries), @"Leader: none\s+Replicas: 3,4\s+Isr:\s+Elr: 3\s+LastKnownElr: 3\s*$", RegexOptions.Multiline));
        Start(2, more: two);
        Await("both to be in sync", () => Regex.IsMatch(Describe(libraries), @"Leader: 3\s+Replicas: 3,4\s+Isr: 3,4\s+Elr:\s+LastKnownElr:\s*$", RegexOptions.Multiline));
    }

    [SkippableFact]
    public void Features_are_described_and_their_levels_kept()
    {
        var libraries = KafkaTools.Libraries();
        Start(0, alone: true);
        var described = Run(libraries, Features, "describe");
        Assert.Matches(@"Feature: metadata\.version\s+SupportedMinVersion: 3\.3-IV3\s+SupportedMaxVersion: 4\.3-IV0\s+FinalizedVersionLevel: 4\.3-IV0", described);
        Assert.Matches(@"Feature: eligible\.leader\.replicas\.version\s+SupportedMinVersion: 0\s+SupportedMaxVersion: 1\s+FinalizedVersionLevel: 1", described);
        Assert.Matches(@"Feature: kraft\.version\s+SupportedMinVersion: 0\s+SupportedMaxVersion: 1\s+FinalizedVersionLevel: 1", described);
        Assert.Equal(0, RunForExitCode(libraries, Features, "upgrade", "--feature", "kraft.version=1", "--dry-run"));
        Assert.Equal(0, RunForExitCode(libraries, Features, "upgrade", "--feature", "metadata.version=30"));
        Assert.NotEqual(0, RunForExitCode(libraries, Features, "upgrade", "--feature", "metadata.version=31"));
        Assert.NotEqual(0, RunForExitCode(libraries, Features, "downgrade", "--feature", "metadata.version=29"));
        Assert.NotEqual(0, RunForExitCode(libraries, Features, "disable", "--feature", "kraft.version"));
    }

    private string Describe(string libraries) => Run(libraries, Topics, "--describe", "--topic", "kept");

    private void Start(int index, bool alone = false, params string[] more) => _nodes[index].Start(
    [
        "--node-id", $"{index + 1}",
        "--cluster-listen", $"127.0.0.1:{_clusterPorts[index]}",
        "--join", string.Join(',', _clusterPorts[..(alone ? 1 : 3)].Select(port => $"127.0.0.1:{port}")), .. more,
    ]);

    private string Run(string libraries, string tool, params string[] arguments) => KafkaTools.Run(libraries, tool, Servers, arguments);

    private int RunForExitCode(string libraries, string tool, params string[] arguments) => KafkaTools.RunForExitCode(libraries, tool, Servers, arguments);

    private static void Await(string what, Func<bool> isSo)
    {
        var waited = Stopwatch.StartNew();
        while (!isSo())
        {
            Assert.True(waited.Elapsed < KafkaTools.Patience, $"Waited {KafkaTools.Patience} for {what}.");
        }
    }

    /// <summary>From a line such as <c>CurrentVoters: [{"id": 1, "directoryId": …}, …]</c>.</summary>
    private static int[] IdsIn(string status, string what)
    {
        var line = status.Split('\n').Single(line => line.StartsWith($"{what}:", StringComparison.Ordinal));
        return [.. Id().Matches(line).Select(match => int.Parse(match.Groups[1].Value, System.Globalization.CultureInfo.InvariantCulture))];
    }

    private static string DirectoryIn(NodeProcess node) =>
        File.ReadLines(Path.Combine(node.Data, "meta.properties")).Single(line => line.StartsWith("directory.id=", StringComparison.Ordinal))["directory.id=".Length..];

    [GeneratedRegex("\"id\": (\\d+)")]
    private static partial Regex Id();
}
