using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Milena.Testing;

namespace Milena.Bench.Tests;

/// <summary>One node for all tests of the program.</summary>
public sealed class RunningNode : IDisposable
{
    public NodeProcess Node { get; } = new NodeProcess().Start();

    public void Dispose() => Node.Dispose();
}

/// <summary>The program as a user starts it, against a real node.</summary>
public sealed class BenchProgramTests(RunningNode running) : IClassFixture<RunningNode>
{
    private const int HeaderLines = 2;
    private static readonly TimeSpan Timeout = TimeSpan.FromMinutes(2);

    private readonly NodeProcess _node = running.Node;

    [Fact]
    public void The_table_has_a_line_for_each_run_with_what_its_columns_promise()
    {
        var (exitCode, output, error) = Run(
            "all", "--bootstrap", _node.Address, "--seconds", "1", "--warm-up", "0.2", "--rate", "200", "--sizes", "100,1000", "--partitions", "2");
        Assert.True(exitCode == 0, error);
        var lines = output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal("run bytes parts codec rate/s records records/s MB/s p50 p95 p99 p99.9 max late p99", string.Join(' ', Words(lines[1])));
        var rows = lines[HeaderLines..].Select(Words).ToList();
        string[] runs = ["produce", "consume", "produce", "latency"];
        Assert.Equal([.. runs, .. runs], rows.Select(row => row[0]));
        Assert.Equal(["100", "100", "100", "100", "1000", "1000", "1000", "1000"], rows.Select(row => row[1]));
        Assert.All(rows, row => Assert.Equal(["2", "none"], row[2..4]));
        Assert.Equal(["max", "max", "200", "200"], rows.Take(4).Select(row => row[4]));
        Assert.All(rows, row => Assert.True(Number(row[6]) > 0 && Number(row[7]) >= 0, string.Join(' ', row)));
        foreach (var row in rows.Where(row => row[0] != "consume"))
        {
            var percentiles = row[8..13].Select(Number).ToList();
            Assert.True(percentiles[0] > 0, string.Join(' ', row));
            Assert.Equal(percentiles.Order(), percentiles);
        }

        Assert.All(rows.Where(row => row[0] == "consume"), row => Assert.All(row[8..], text => Assert.Equal("-", text)));
        Assert.All(rows.Where(row => row[4] == "200"), row => Assert.Equal("200", row[5]));
    }

    [Theory]
    [InlineData("none", "0")]
    [InlineData("gzip", "1")]
    [InlineData("snappy", "all")]
    [InlineData("lz4", "all")]
    [InlineData("zstd", "all")]
    public void The_json_says_what_was_run_and_its_numbers_agree_with_each_other(string codec, string acks)
    {
        using var json = RunJson(
            "produce", "--records", "500", "--warm-up", "0", "--sizes", "200", "--partitions", "3", "--codecs", codec, "--acks", acks);
        Assert.Equal(_node.Address, json.RootElement.GetProperty("bootstrap").GetString());
        Assert.Equal(acks, json.RootElement.GetProperty("acks").GetString());
        // Not an older one that the system has.
        var package = typeof(Confluent.Kafka.Library).Assembly.GetName().Version!;
        Assert.Equal($"librdkafka {package.ToString(fieldCount: 3)}", json.RootElement.GetProperty("client").GetString());
        var run = Assert.Single(json.RootElement.GetProperty("runs").EnumerateArray());
        Assert.Equal("produce", run.GetProperty("run").GetString());
        Assert.Equal(codec, run.GetProperty("codec").GetString());
        Assert.Equal(200, run.GetProperty("recordBytes").GetInt32());
        Assert.Equal(3, run.GetProperty("partitions").GetInt32());
        Assert.Equal(500, run.GetProperty("records").GetInt64());
        Assert.Equal(JsonValueKind.Null, run.GetProperty("rate").ValueKind);
        Assert.Equal(JsonValueKind.Null, run.GetProperty("sendLagMs").ValueKind);
        var perSecond = run.GetProperty("recordsPerSecond").GetDouble();
        Assert.Equal(500, perSecond * run.GetProperty("seconds").GetDouble(), tolerance: 0.01);
        Assert.Equal(perSecond * 200 / 1e6, run.GetProperty("megabytesPerSecond").GetDouble(), tolerance: 0.01);
        AssertAscending(run.GetProperty("latencyMs"));
    }

    [Fact]
    public void Consume_reads_everything_that_was_written_for_it()
    {
        using var json = RunJson("consume", "--records", "3000", "--warm-up", "0", "--sizes", "10", "--partitions", "4");
        var run = Assert.Single(json.RootElement.GetProperty("runs").EnumerateArray());
        // The warm-up's one record is there too.
        Assert.Equal(3001, run.GetProperty("records").GetInt64());
        Assert.Equal(JsonValueKind.Null, run.GetProperty("latencyMs").ValueKind);
    }

    [Fact]
    public void A_rate_decides_how_long_a_latency_run_takes()
    {
        using var json = RunJson("latency", "--records", "300", "--rate", "300", "--warm-up", "0.1", "--sizes", "8");
        var run = Assert.Single(json.RootElement.GetProperty("runs").EnumerateArray());
        Assert.Equal(300, run.GetProperty("records").GetInt64());
        Assert.Equal(300, run.GetProperty("rate").GetDouble());
        // The last of 300 records is due 299/300 of a second after the first.
        Assert.InRange(run.GetProperty("seconds").GetDouble(), 0.99, 30);
        AssertAscending(run.GetProperty("latencyMs"));
        AssertAscending(run.GetProperty("sendLagMs"));
    }

    [Fact]
    public void Its_topics_are_gone_when_it_ends()
    {
        var before = TopicFolders();
        using var json = RunJson("all", "--records", "50", "--rate", "500", "--warm-up", "0");
        Assert.Equal(4, json.RootElement.GetProperty("runs").GetArrayLength());
        Assert.Equal(before, TopicFolders());
    }

    [Fact]
    public async Task Stopped_in_the_middle_it_deletes_its_topic_first()
    {
        var before = TopicFolders();
        using var process = Start("produce", "--bootstrap", _node.Address, "--rate", "100", "--seconds", "600");
        var error = process.StandardError.ReadToEndAsync();
        // The topic's folder says that the run is under way.
        using var deadline = new CancellationTokenSource(Timeout);
        while (TopicFolders().Count == before.Count)
        {
            Assert.False(process.HasExited || deadline.IsCancellationRequested, $"bench made no topic within {Timeout}.");
            await Task.Yield();
        }

        using var interrupt = Process.Start("kill", ["-INT", process.Id.ToString(CultureInfo.InvariantCulture)]);
        Assert.True(process.WaitForExit(Timeout), $"bench did not stop within {Timeout}.");
        Assert.Equal(BenchException.Failed, process.ExitCode);
        Assert.Equal("bench: Stopped; its topics are deleted.", AssertOneLine(await error));
        Assert.Equal(before, TopicFolders());
    }

    [Fact]
    public void A_record_that_the_broker_refuses_ends_the_run_with_its_reason()
    {
        var (exitCode, output, error) = Run("produce", "--bootstrap", _node.Address, "--records", "10", "--warm-up", "0", "--sizes", "2000000");
        Assert.Equal(BenchException.Failed, exitCode);
        Assert.Contains("Message size too large", AssertOneLine(error), StringComparison.Ordinal);
        Assert.Equal(HeaderLines, output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
    }

    [Theory]
    [InlineData("--bootstrap takes HOST:PORT, not 'nowhere'.", "produce", "--bootstrap", "nowhere")]
    [InlineData("Unknown option '--fast'.", "produce", "--bootstrap", "127.0.0.1:1", "--fast", "1")]
    [InlineData("No such configuration property: \"foo\"", "produce", "--bootstrap", "127.0.0.1:1", "--set", "foo=1")]
    public void Bad_arguments_give_one_line_and_exit_code_2(string expected, params string[] arguments)
    {
        var (exitCode, output, error) = Run(arguments);
        Assert.Equal(BenchException.Unusable, exitCode);
        Assert.Empty(output);
        Assert.Contains(expected, AssertOneLine(error), StringComparison.Ordinal);
    }

    [Fact]
    public void A_broker_that_is_not_there_gives_one_line_and_exit_code_2()
    {
        // Bound and not listening: nobody else can take the port meanwhile, and connecting to it is refused.
        using var taken = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        taken.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        var address = taken.LocalEndPoint!.ToString()!;
        var (exitCode, output, error) = Run("all", "--bootstrap", address, "--timeout", "1");
        Assert.Equal(BenchException.Unusable, exitCode);
        Assert.Empty(output);
        Assert.StartsWith($"bench: No broker answers at {address} within 1 s: ", AssertOneLine(error), StringComparison.Ordinal);
    }

    [Fact]
    public void Help_is_printed_to_standard_output()
    {
        var (exitCode, output, error) = Run("--help");
        Assert.Equal(0, exitCode);
        Assert.Empty(error);
        Assert.Contains("usage: bench", output, StringComparison.Ordinal);
    }

    private static string AssertOneLine(string error) => Assert.Single(error.Split('\n', StringSplitOptions.RemoveEmptyEntries));

    private static void AssertAscending(JsonElement percentiles)
    {
        var values = percentiles.EnumerateObject().ToList();
        Assert.Equal(["p50", "p95", "p99", "p999", "max"], values.Select(value => value.Name));
        Assert.True(values[0].Value.GetDouble() > 0, percentiles.ToString());
        Assert.Equal(values.Select(value => value.Value.GetDouble()).Order(), values.Select(value => value.Value.GetDouble()));
    }

    private static string[] Words(string line) => line.Split(' ', StringSplitOptions.RemoveEmptyEntries);

    private static double Number(string text) => double.Parse(text, CultureInfo.InvariantCulture);

    private static (int ExitCode, string Output, string Error) Run(params string[] arguments)
    {
        using var process = Start(arguments);
        var output = process.StandardOutput.ReadToEndAsync();
        var error = process.StandardError.ReadToEndAsync();
        if (!process.WaitForExit(Timeout))
        {
            process.Kill();
            throw new TimeoutException($"bench {string.Join(' ', arguments)} did not end within {Timeout}.");
        }

        return (process.ExitCode, output.Result, error.Result);
    }

    private static Process Start(params string[] arguments) => Process.Start(
        new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "bench.dll"), .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;

    private JsonDocument RunJson(string command, params string[] arguments)
    {
        var (exitCode, output, error) = Run([command, "--bootstrap", _node.Address, "--json", .. arguments]);
        Assert.True(exitCode == 0, error);
        Assert.Empty(error);
        return JsonDocument.Parse(output);
    }

    private List<string> TopicFolders() =>
        [.. Directory.GetDirectories(_node.Data, "bench-*").Where(folder => !folder.EndsWith("-delete", StringComparison.Ordinal)).Order()];
}
