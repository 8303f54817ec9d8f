using System.Diagnostics;
using System.Net.Sockets;
using Milena.Protocol;
using Milena.Testing;

namespace Milena.Repository.Tests;

/// <summary>The script that starts a cluster, and with it the configuration of its nodes.</summary>
public sealed class ThreeNodesTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("milena-three-");

    [SkippableFact]
    public async Task The_script_starts_three_nodes_that_hold_three_copies_and_stops_them()
    {
        Skip.If(OperatingSystem.IsWindows(), "The script is for a POSIX shell.");
        var port = FreePorts.InARow(16);
        var start = new ProcessStartInfo("sh", [Path.Combine(AppContext.BaseDirectory, "deploy", "three-nodes.sh"), _folder.FullName])
        {
            Environment = { ["MILENA"] = NodeProcess.Program, ["PORT"] = $"{port}", ["CLUSTER_PORT"] = $"{port + 10}" },
        };
        using var script = Process.Start(start)!;
        try
        {
            var created = await CreateAsync(port);
            Assert.Equal((3, 3), (created.NumPartitions, (int)created.ReplicationFactor));
        }
        finally
        {
            using var kill = Process.Start("kill", ["-TERM", $"{script.Id}"]);
            await kill.WaitForExitAsync();
            await script.WaitForExitAsync().WaitAsync(Patience);
        }

        Assert.All([port, port + 1, port + 2], one => Assert.Throws<SocketException>(() => new WireClient("127.0.0.1", one)));
    }

    public void Dispose() => _folder.Delete(recursive: true);

    /// <summary>Asks until all three are there: a topic with three copies needs them.</summary>
    private static async Task<CreateTopicsResponse.CreatableTopicResult> CreateAsync(int port)
    {
        var began = Stopwatch.StartNew();
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(100));
        while (await timer.WaitForNextTickAsync())
        {
            try
            {
                using var client = new WireClient("127.0.0.1", port);
                var request = new CreateTopicsRequest { TimeoutMs = 10_000, Topics = [new() { Name = "copied", NumPartitions = 3, ReplicationFactor = -1 }] };
                if (client.Ask(ApiKey.CreateTopics, 7, request) is CreateTopicsResponse { Topics: [{ ErrorCode: Model.ErrorCode.None } created] })
                {
                    return created;
                }
            }
            catch (SocketException)
            {
                // Not listening yet.
            }

            Assert.True(began.Elapsed < Patience, "The three nodes did not come up.");
        }

        throw new InvalidOperationException("The timer ended.");
    }
}
