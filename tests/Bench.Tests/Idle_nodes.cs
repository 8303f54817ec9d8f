using System.Diagnostics;
using System.Text.Json;
using Milena.Bench.Idle;

namespace Milena.Bench.Tests;

/// <summary>What nodes cost that nobody uses.</summary>
public sealed class Idle_nodes
{
    private static readonly TimeSpan Timeout = TimeSpan.FromMinutes(5);
    private static readonly Dictionary<int, Channel> Ports = new() { [11234] = Channel.Kafka, [11235] = Channel.Akka };

    [Fact]
    public void A_connection_belongs_to_the_port_that_is_known_at_either_end()
    {
        const string line = "ESTAB 0 0 127.0.0.1:40000 127.0.0.1:11235 users:((\"milena\",pid=77,fd=310)) cubic rto:204 bytes_sent:1500 bytes_acked:1501 segs_out:20 segs_in:18";
        Assert.Equal(new SocketCounters(77, "127.0.0.1:40000 127.0.0.1:11235", Channel.Akka, 1500, 20), SocketCounters.TryParse(line, Ports));
        const string otherEnd = "ESTAB 0 0 [::ffff:127.0.0.1]:11234 [::ffff:127.0.0.1]:40001 users:((\"milena\",pid=78,fd=311)) cubic rto:204 segs_out:3 segs_in:2";
        Assert.Equal(new SocketCounters(78, "[::ffff:127.0.0.1]:11234 [::ffff:127.0.0.1]:40001", Channel.Kafka, 0, 3), SocketCounters.TryParse(otherEnd, Ports));
    }

    [Theory]
    [InlineData("")]
    [InlineData("ESTAB 0 0 127.0.0.1:40000 127.0.0.1:9 users:((\"other\",pid=77,fd=310)) cubic bytes_sent:1500 segs_out:20")]
    [InlineData("TIME-WAIT 0 0 127.0.0.1:40000 127.0.0.1:11235")]
    public void Connections_of_others_and_of_nobody_do_not_count(string line) => Assert.Null(SocketCounters.TryParse(line, Ports));

    [SkippableFact]
    public void A_cluster_that_grows_has_three_voters_and_the_others_cost_something_too()
    {
        Skip.IfNot(OperatingSystem.IsLinux(), "what a process sends is read with Linux's ss");
        var info = new ProcessStartInfo("dotnet", [
            Path.Combine(AppContext.BaseDirectory, "bench.dll"), "idle", "--nodes", "4,3", "--seconds", "2", "--warm-up", "0", "--partitions", "0,12", "--json"])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var process = Process.Start(info)!;
        var output = process.StandardOutput.ReadToEndAsync();
        var error = process.StandardError.ReadToEndAsync();
        if (!process.WaitForExit(Timeout))
        {
            process.Kill(entireProcessTree: true);
            Assert.Fail($"bench idle did not end within {Timeout}.");
        }

        Assert.True(process.ExitCode == 0, error.Result);
        using var json = JsonDocument.Parse(output.Result);
        var runs = json.RootElement.GetProperty("runs").EnumerateArray().ToList();
        string[] three = ["all 3", "leader 1", "voter 2"];
        string[] four = ["all 4", "leader 1", "voter 2", "observer 1"];
        Assert.Equal([.. three, .. three, .. four, .. four], runs.Select(run => $"{run.GetProperty("who").GetString()} {run.GetProperty("count").GetInt32()}"));
        Assert.All(runs, run => Assert.All(
            ["cpuMsPerSecond", "switchesPerSecond", "akkaBytesPerSecond", "quorumBytesPerSecond", "segmentsPerSecond", "memoryBytes"],
            number => Assert.True(run.GetProperty(number).GetDouble() > 0, $"{number} of {run}")));
        // Followers fetch where there is something to follow.
        Assert.All(runs, run => Assert.Equal(run.GetProperty("partitions").GetInt32() > 0, run.GetProperty("kafkaBytesPerSecond").GetDouble() > 0));
    }
}
