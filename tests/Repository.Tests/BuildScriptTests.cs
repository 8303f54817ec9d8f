using Milena.Testing;

namespace Milena.Repository.Tests;

public sealed class BuildScriptTests
{
    private static readonly string[] Targets = ["build", "test", "bench", "publish", "pack", "clean", "help"];

    [Theory]
    [InlineData("")]
    [InlineData("help")]
    public async Task Without_a_target_or_asked_for_help_it_lists_its_targets(string arguments)
    {
        var result = await BuildScript.RunAsync(arguments);
        Assert.Equal(("", 0), (result.Error, result.ExitCode));
        Assert.All(Targets, target => Assert.Matches($@"(?m)^  {target}\s+\S", result.Text));
    }

    [Theory]
    [InlineData("build", "dotnet build Cluster.sln -c Release")]
    [InlineData("build -Configuration Debug", "dotnet build Cluster.sln -c Debug")]
    [InlineData("test", "dotnet test Cluster.sln -c Release")]
    [InlineData("test --filter 'Name~a b'", "dotnet test Cluster.sln -c Release --filter 'Name~a b'")]
    [InlineData("publish", "dotnet publish src/Node -c Release -o out/milena")]
    [InlineData("pack", "dotnet pack Cluster.sln -c Release -o out/packages")]
    public async Task A_dry_run_prints_the_command_of_its_target(string arguments, string command)
    {
        var result = await BuildScript.RunAsync($"{arguments} -DryRun");
        Assert.Equal(("", 0), (result.Error, result.ExitCode));
        Assert.Equal(command, result.Output[^1]);
    }

    [Fact]
    public async Task The_tests_run_by_the_command_that_the_readme_names()
    {
        var named = Readme.TheBlock("bash", "dotnet test").Lines.Single(line => line.Command.StartsWith("dotnet test", StringComparison.Ordinal)).Command;
        Assert.StartsWith(named, (await BuildScript.RunAsync("test -DryRun")).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Benchmarks_are_run_where_there_are_some()
    {
        using var copy = new ScriptCopy();
        Assert.Equal("Nothing to run: there is no tests/Benchmarks.", (await BuildScript.RunAsync("bench", copy.Script)).Text);
        copy.AddFile("tests/Benchmarks/Benchmarks.csproj");
        var result = await BuildScript.RunAsync("bench --filter '*' -DryRun", copy.Script);
        Assert.Equal("dotnet run -c Release --project tests/Benchmarks -- --filter '*'", result.Text);
    }

    [Fact]
    public async Task Clean_removes_what_builds_leave_and_nothing_else_but_a_dry_run_only_says_so()
    {
        using var copy = new ScriptCopy();
        string[] built = ["src/A/bin/Release/a.dll", "src/A/obj/a.json", "tests/A.Tests/bin/a.dll", "out/milena/a.dll"];
        string[] written = ["src/A/A.cs", "tests/A.Tests/bin.cs", "data/00000000000000000000.log"];
        Array.ForEach([.. built, .. written], copy.AddFile);

        var dryRun = await BuildScript.RunAsync("clean -DryRun", copy.Script);
        Assert.Equal(["delete out", "delete src/A/bin", "delete src/A/obj", "delete tests/A.Tests/bin"], dryRun.Output.Order(StringComparer.Ordinal));
        Assert.All(built, file => Assert.True(copy.Has(file), file));

        var result = await BuildScript.RunAsync("clean", copy.Script);
        Assert.Equal(("", 0), (result.Error, result.ExitCode));
        Assert.All(built, file => Assert.False(copy.Has(file), file));
        Assert.All(written, file => Assert.True(copy.Has(file), file));
    }

    [Fact]
    public async Task Publish_lays_a_node_that_starts_and_takes_a_client()
    {
        var folder = Directory.CreateTempSubdirectory("milena-published-");
        try
        {
            // The tests' own build is published: building again would replace files that other tests are running.
            var result = await BuildScript.RunAsync($"publish -Configuration {Checkout.Configuration} -Output {folder.FullName} --no-build");
            Assert.True(result.ExitCode == 0, result.Text + result.Error);
            var program = Path.GetFileName(NodeProcess.Program);
            // Compiled ahead of time where the build was.
            var built = Checkout.PathOf("src", "Node", "bin", Checkout.Configuration, "net10.0");
            Assert.Equal(File.ReadAllBytes(Path.Combine(built, "milena.dll")), File.ReadAllBytes(Path.Combine(folder.FullName, "milena.dll")));
            Assert.Equal(File.ReadAllBytes(Path.Combine(built, "Akka.dll")), File.ReadAllBytes(Path.Combine(folder.FullName, "Akka.dll")));
            using var node = await StartedNode.StartAsync(Path.Combine(folder.FullName, program), "start");
            await ConfluentClient.AssertServesAsync(node.Address);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task Pack_says_so_where_no_project_is_packable()
    {
        using var copy = new ScriptCopy();
        copy.AddFile("A.csproj", """<Project Sdk="Microsoft.NET.Sdk"><PropertyGroup><TargetFramework>net10.0</TargetFramework><IsPackable>false</IsPackable></PropertyGroup></Project>""");
        copy.AddFile("Cluster.sln", SolutionOf("A.csproj"));
        var result = await BuildScript.RunAsync("pack", copy.Script);
        Assert.True(result.ExitCode == 0, result.Text + result.Error);
        Assert.Equal("Nothing was packed: no project sets IsPackable.", result.Output[^1]);
    }

    [Fact]
    public async Task An_unknown_target_is_one_line_and_exit_code_2()
    {
        var result = await BuildScript.RunAsync("biuld");
        Assert.Equal(2, result.ExitCode);
        Assert.Empty(result.Output);
        Assert.Equal("build.ps1: there is no target 'biuld'. Try: ./build.ps1 help", result.Error.TrimEnd());
    }

    [Fact]
    public async Task A_command_that_fails_ends_it_with_its_exit_code()
    {
        using var copy = new ScriptCopy();
        var result = await BuildScript.RunAsync("pack", copy.Script);
        Assert.Equal(1, result.ExitCode);
        Assert.Contains("MSB1009", result.Text, StringComparison.Ordinal);
        Assert.DoesNotContain("Nothing was packed", result.Text, StringComparison.Ordinal);
    }

    private static string SolutionOf(string project) => $$"""
        Microsoft Visual Studio Solution File, Format Version 12.00
        Project("{FAE04EC0-301F-11D3-BF4B-00C04F79EFBC}") = "A", "{{project}}", "{11111111-1111-1111-1111-111111111111}"
        EndProject
        Global
          GlobalSection(SolutionConfigurationPlatforms) = preSolution
            Release|Any CPU = Release|Any CPU
          EndGlobalSection
          GlobalSection(ProjectConfigurationPlatforms) = postSolution
            {11111111-1111-1111-1111-111111111111}.Release|Any CPU.ActiveCfg = Release|Any CPU
            {11111111-1111-1111-1111-111111111111}.Release|Any CPU.Build.0 = Release|Any CPU
          EndGlobalSection
        EndGlobal
        """;
}
