using System.Diagnostics;
using Confluent.Kafka;
using Milena.Conformance.Tests;
using Milena.Testing;

namespace Milena.Repository.Tests;

/// <summary>Does what README.md tells its reader to do.</summary>
public sealed class ReadmeTests
{
    private const string TourMark = "kcat -b";
    private const string StartMark = "dotnet run";
    private const string GreetingsTopic = "greetings";

    /// <summary>What each line of the tour must print, by what the README says about the line.</summary>
    private static readonly Dictionary<string, Action<string>> Tour = new()
    {
        ["produce: the topic is made on the way"] = output => Assert.Equal("", output),
        ["consume from the beginning to the end"] = output => Assert.Equal("100000\n", output),
        ["from an offset"] = output => Assert.Equal(Numbers(99_991, 100_000), output),
        ["with a key"] = output => Assert.Equal("", output),
        ["as a member of a group"] = output => Assert.Equal(Numbers(1, 10), output),
        ["who leads what"] = output => Assert.Contains("topic \"numbers\" with 1 partitions", output, StringComparison.Ordinal),
    };

    [Fact]
    public void Each_block_of_code_is_one_that_a_test_runs()
    {
        Assert.Equal(["bash", "bash", "python", "csharp"], Readme.Blocks.Select(block => block.Language));
        Assert.Equal(Tour.Keys, Readme.TheBlock("bash", TourMark).Lines.Select(line => line.Comment));
        // The second of them is the command that runs this test.
        var commands = Readme.TheBlock("bash", StartMark).Lines.Select(line => line.Command);
        Assert.Equal(["dotnet run -c Release --project src/Node", "dotnet test Cluster.sln"], commands);
    }

    [Fact]
    public async Task The_command_that_starts_a_node_starts_one_that_takes_a_client()
    {
        var command = Readme.TheBlock("bash", StartMark).Lines.First().Command.Replace("Release", Checkout.Configuration, StringComparison.Ordinal).Split(' ');
        using var node = await StartedNode.StartAsync(command[0], [.. command[1..], "--no-build", "--"]);
        await ConfluentClient.AssertServesAsync(node.Address);
    }

    [SkippableFact]
    public void Each_line_of_the_tour_prints_what_is_said_of_it()
    {
        Clients.Need("kcat", "apt-get install kcat");
        Clients.Need("bash", "the README's lines are bash");
        using var node = new NodeProcess().Start();
        foreach (var line in Readme.TheBlock("bash", TourMark).At(node).Lines)
        {
            Tour[line.Comment](Clients.Run("bash", null, ["-o", "pipefail", "-c", line.Command]));
        }

        Assert.Equal(("alice", "hello"), ConfluentClient.ReadFirst(node.Address, "chat"));
    }

    [SkippableFact]
    public void The_Python_block_sends_a_greeting()
    {
        NeedPython("confluent_kafka", "apt-get install python3-confluent-kafka");
        using var node = new NodeProcess().Start();
        Assert.Equal("", Clients.Python(Readme.TheBlock("python", Readme.Address).At(node).Text));
        Assert.Equal(("k", "hello"), ConfluentClient.ReadFirst(node.Address, GreetingsTopic));
    }

    [Fact]
    public async Task The_CSharp_block_compiles_and_prints_the_greeting()
    {
        using var node = new NodeProcess().Start();
        await ConfluentClient.ProduceAsync(node.Address, GreetingsTopic, "k", "hello");
        Assert.Equal("hello" + Environment.NewLine, await CSharpProgram.RunAsync(Readme.TheBlock("csharp", Readme.Address).At(node).Text));
    }

    [Fact]
    public void The_native_library_is_the_one_of_the_package_and_not_the_systems()
    {
        Assert.StartsWith(typeof(Library).Assembly.GetName().Version!.ToString(2), ConfluentClient.NativeVersion, StringComparison.Ordinal);
    }

    [Fact]
    public void Each_command_of_the_program_that_is_quoted_works()
    {
        var commands = Readme.Quotations.Where(text => text.StartsWith("milena ", StringComparison.Ordinal)).ToList();
        Assert.Contains("milena --help", commands);
        Assert.All(commands, command => Assert.Contains("usage: milena", Clients.Run(NodeProcess.Program, null, command.Split(' ')[1..]), StringComparison.Ordinal));
    }

    [Fact]
    public void Each_file_that_is_named_is_there()
    {
        string[] folders = ["src/", "tests/", "config/", "deploy/"];
        var paths = Readme.Quotations.Where(text => folders.Any(folder => text.StartsWith(folder, StringComparison.Ordinal)))
            .Select(path => path.Replace("/Release/", $"/{Checkout.Configuration}/", StringComparison.Ordinal)).ToList();
        Assert.Contains("config/node.conf", paths);
        Assert.All(paths, path => Assert.True(Path.Exists(Checkout.PathOf(path)), $"The README names {path}, which does not exist."));
    }

    private static string Numbers(int first, int last) => string.Concat(Enumerable.Range(first, last - first + 1).Select(number => $"{number}\n"));

    private static void NeedPython(string module, string hint)
    {
        Clients.Need("python3", hint);
        using var process = Process.Start(new ProcessStartInfo("/usr/bin/python3", ["-c", $"import {module}"]) { RedirectStandardError = true })!;
        var problem = $"{module} is missing: {hint}. {process.StandardError.ReadToEnd()}";
        process.WaitForExit();
        Assert.True(process.ExitCode == 0 || Environment.GetEnvironmentVariable("CI") is null, problem);
        Skip.If(process.ExitCode != 0, problem);
    }
}
