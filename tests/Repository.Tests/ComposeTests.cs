using System.Diagnostics;
using System.Net;
using System.Text.RegularExpressions;
using Milena.Conformance.Tests;
using Milena.Testing;

namespace Milena.Repository.Tests;

/// <summary>The compose file's commands, run without containers: each name and port of theirs is a port of this machine.</summary>
public sealed partial class ComposeTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("milena-compose-");
    private readonly Dictionary<string, int> _ports = [];
    private readonly List<Process> _nodes = [];

    [Fact]
    public async Task Its_three_nodes_become_a_cluster_that_hosts_and_containers_reach()
    {
        var compose = await File.ReadAllTextAsync(Path.Combine(AppContext.BaseDirectory, "deploy", "compose.yaml"));
        var commands = Command().Matches(compose).Select(match => match.Groups["words"].Value.Trim()).ToList();
        Assert.Equal(3, commands.Count);
        for (var id = 1; id <= commands.Count; id++)
        {
            var start = new ProcessStartInfo(NodeProcess.Program, [.. commands[id - 1].Split(' ').Select(word => Local(word, id))]) { RedirectStandardOutput = true };
            _nodes.Add(Process.Start(start)!);
        }

        for (var id = 1; id <= commands.Count; id++)
        {
            await ReadyAsync(_ports[$"{id}:9404"]);
        }

        await ConfluentClient.AssertServesAsync($"127.0.0.1:{_ports["1:9092"]}");
        await ConfluentClient.AssertServesAsync($"127.0.0.1:{_ports["3:19092"]}");
    }

    public void Dispose()
    {
        foreach (var node in _nodes)
        {
            node.Kill();
            node.WaitForExit();
            node.Dispose();
        }

        _folder.Delete(recursive: true);
    }

    private string Local(string word, int id) => HostAndPort()
        .Replace(word, match => $"127.0.0.1:{PortOf(match.Groups["node"] is { Success: true } node ? int.Parse(node.Value) : id, match.Groups["port"].Value)}")
        .Replace("/var/lib/milena", Path.Combine(_folder.FullName, $"{id}"), StringComparison.Ordinal)
        .Replace("/etc/milena", Path.Combine(AppContext.BaseDirectory, "config", "cluster"), StringComparison.Ordinal);

    // The quorum talks one port above that for other nodes.
    private int PortOf(int id, string port) => _ports.TryGetValue($"{id}:{port}", out var local) ? local : _ports[$"{id}:{port}"] = FreePorts.InARow(2);

    private static async Task ReadyAsync(int port)
    {
        using var client = new HttpClient();
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(100));
        var began = Stopwatch.StartNew();
        while (true)
        {
            try
            {
                using var response = await client.GetAsync(new Uri($"http://127.0.0.1:{port}/health/ready"));
                if (response.StatusCode == HttpStatusCode.OK)
                {
                    return;
                }
            }
            catch (HttpRequestException)
            {
                // Not listening yet.
            }

            Assert.True(began.Elapsed < Patience, "The node did not become ready.");
            await timer.WaitForNextTickAsync();
        }
    }

    [GeneratedRegex(@"^\s+command:(?<words>.*)$", RegexOptions.Multiline)]
    private static partial Regex Command();

    [GeneratedRegex(@"(?:node(?<node>\d)|0\.0\.0\.0|localhost):(?<port>\d+)")]
    private static partial Regex HostAndPort();
}
