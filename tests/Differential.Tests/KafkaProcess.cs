using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Milena.Testing;

namespace Milena.Differential.Tests;

/// <summary>Apache Kafka, one broker with its controller, from the jars in <c>KAFKA_LIBS</c>; with a folder of its own.</summary>
public sealed class KafkaProcess : IDisposable
{
    private static readonly TimeSpan StartTimeout = TimeSpan.FromSeconds(60);

    private readonly string _folder = Directory.CreateTempSubdirectory("kafka-").FullName;
    private readonly Process _process;

    public KafkaProcess(params string[] settings)
    {
        Port = FreePort();
        var controller = FreePort();
        var properties = Path.Combine(_folder, "server.properties");
        File.WriteAllLines(
            properties,
            [
                "process.roles=broker,controller", "node.id=1", $"controller.quorum.bootstrap.servers=127.0.0.1:{controller}", "controller.listener.names=CONTROLLER",
                $"listeners=PLAINTEXT://127.0.0.1:{Port},CONTROLLER://127.0.0.1:{controller}",
                "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT", $"log.dirs={_folder}/data", "offsets.topic.replication.factor=1",
                .. settings,
            ]);
        // Standalone: a quorum whose voters can be changed, as Milena's are.
        using (var format = Java(
            "kafka.tools.StorageTool", "format", "--standalone", "-t", "AAAAAAAAAAAAAAAAAAAAAQ", "-c", properties))
        {
            format.WaitForExit();
        }

        _process = Java("kafka.Kafka", properties);
        WaitUntilItAnswers();
    }

    public static string? Libraries => Environment.GetEnvironmentVariable("KAFKA_LIBS") is { Length: > 0 } path ? path : null;

    public int Port { get; }

    /// <summary>Where its partitions' folders lie.</summary>
    public string Data => Path.Combine(_folder, "data");

    /// <summary>As SIGTERM; waits for the end.</summary>
    public void Stop()
    {
        using var kill = Process.Start("kill", ["-TERM", _process.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)]);
        kill.WaitForExit();
        Assert.True(_process.WaitForExit(StartTimeout), "Kafka did not stop on SIGTERM");
    }

    /// <summary>Runs one of Kafka's own tools.</summary>
    /// <returns>What it printed.</returns>
    public static string RunTool(string mainClass, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo("java", ["-Xmx512M", "-cp", $"{Libraries}/*", mainClass, .. arguments]) { RedirectStandardOutput = true })!;
        var output = process.StandardOutput.ReadToEnd();
        Assert.True(process.WaitForExit(StartTimeout) && process.ExitCode == 0, $"{mainClass} failed: {output}");
        return output;
    }

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
            _process.WaitForExit();
        }

        _process.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private static Process Java(params string[] arguments)
    {
        // Its log goes nowhere: the pipe's reader throws the lines away.
        var process = Process.Start(new ProcessStartInfo("java", ["-Xmx512M", "-cp", $"{Libraries}/*", .. arguments]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        process.OutputDataReceived += (_, _) => { };
        process.ErrorDataReceived += (_, _) => { };
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        return process;
    }

    private void WaitUntilItAnswers()
    {
        var waited = Stopwatch.StartNew();
        while (true)
        {
            try
            {
                using var client = new WireClient("127.0.0.1", Port);
                if (client.Ask(Protocol.ApiKey.Metadata, 12, new Protocol.MetadataRequest { Topics = [] }) is Protocol.MetadataResponse { Brokers.Count: > 0 })
                {
                    return;
                }
            }
            catch (SocketException) when (waited.Elapsed < StartTimeout && !_process.HasExited)
            {
                _process.WaitForExit(TimeSpan.FromMilliseconds(100));
            }
        }
    }

    private static int FreePort()
    {
        using var probe = new TcpListener(IPAddress.Loopback, 0);
        probe.Start();
        return ((IPEndPoint)probe.LocalEndpoint).Port;
    }
}
