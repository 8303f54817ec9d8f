using System.Diagnostics;
using Milena.Faults.Checking;
using Milena.Testing;
using Xunit.Abstractions;

namespace Milena.Faults.Tests;

/// <summary>The oldest build whose messages must still be understood, and this one, in one cluster: one node after another becomes the other build, up and down again.</summary>
/// <remarks>One campaign after the other: each has the machine to itself.</remarks>
[Collection(nameof(Campaigns))]
public sealed class Rolling_upgrades(ITestOutputHelper output)
{
    /// <summary>From it on the messages between nodes and all files are kept readable. Moved forward when a version may no longer be mixed with older ones.</summary>
    private const string OldestBuild = "2979d41";

    /// <summary>Each node changes twice.</summary>
    private const int Seconds = 60;

    [SkippableFact]
    public void Nothing_is_lost_while_nodes_of_two_builds_are_one_cluster()
    {
        Skip.IfNot(TestProfile.IsNightly, "it builds an earlier commit, which takes minutes; PROFILE=nightly does");
        Skip.IfNot(Git("cat-file", "-e", OldestBuild).Succeeded, $"this clone does not reach back to {OldestBuild}");
        using var build = new EarlierBuild();
        using var told = new StringWriter();
        var result = Campaign.Run(new FaultsOptions { Seconds = Seconds, Seed = 1, Kinds = ["upgraded"], From = build.Program }, told);
        Report.Write(result, told);
        output.WriteLine(told.ToString());
        // The oldest build may make a producer take a new epoch, which writes again what it was not told of: nothing that this build can mend.
        Assert.DoesNotContain(result.Violations, violation => violation.Kind != ViolationKind.Duplicated || result.NewEpochs == 0);
        Assert.True(result.Outcomes.Count >= 6, $"only {result.Outcomes.Count} restarts in {Seconds} s: not every node was both");
    }

    private static (bool Succeeded, string Said) Git(params string[] arguments) => Run(Checkout.Root, "git", arguments);

    private static (bool Succeeded, string Said) Run(string folder, string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true })!;
        var errors = process.StandardError.ReadToEndAsync();
        var said = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode == 0, said + errors.Result);
    }

    /// <summary>A working copy of the oldest build, compiled; gone when disposed of.</summary>
    private sealed class EarlierBuild : IDisposable
    {
        private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("milena-oldest-");

        public EarlierBuild()
        {
            Require(Run(Checkout.Root, "git", "worktree", "add", "--detach", "--force", _folder.FullName, OldestBuild));
            Require(Run(_folder.FullName, "dotnet", "build", "src/Node", "-c", "Release", "-nodeReuse:false"));
        }

        public string Program => Path.Combine(_folder.FullName, "src", "Node", "bin", "Release", "net10.0", "milena");

        public void Dispose() => Require(Git("worktree", "remove", "--force", _folder.FullName));

        private static void Require((bool Succeeded, string Said) ran)
        {
            if (!ran.Succeeded)
            {
                throw new InvalidOperationException(ran.Said);
            }
        }
    }
}
