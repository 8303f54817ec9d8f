using System.Text.RegularExpressions;
using Milena.Conformance.Tests;
using Milena.Testing;

namespace Milena.Repository.Tests;

/// <summary>The configurations and the unit that users copy.</summary>
public sealed partial class ExampleTests
{
    private static string Configurations => Path.Combine(AppContext.BaseDirectory, "config");

    public static TheoryData<string> Examples() => new(Directory.GetFiles(Configurations, "*.conf").Select(path => Path.GetFileName(path)));

    [Theory]
    [MemberData(nameof(Examples))]
    public async Task Each_example_starts_a_node_that_takes_a_client(string file)
    {
        using var node = new NodeProcess().Start("--config", Path.Combine(Configurations, file));
        await ConfluentClient.AssertServesAsync(node.Address);
    }

    [Fact]
    public void The_unit_starts_the_program_with_options_that_exist()
    {
        var command = UnitSetting("ExecStart").Split(' ');
        var help = Clients.Run(NodeProcess.Program, null, ["--help"]);
        Assert.Equal("milena", Path.GetFileName(command[0]));
        Assert.Contains($"usage: milena [{command[1]}]", help, StringComparison.Ordinal);
        var options = command.Where(word => word.StartsWith("--", StringComparison.Ordinal)).ToList();
        Assert.NotEmpty(options);
        Assert.All(options, option => Assert.Matches($@"(?m)^\s+{Regex.Escape(option)}\s", help));
    }

    [Fact]
    public void The_unit_keeps_its_data_in_the_directory_that_systemd_makes_for_it()
    {
        var command = UnitSetting("ExecStart").Split(' ');
        Assert.Equal($"/var/lib/{UnitSetting("StateDirectory")}", command[Array.IndexOf(command, "--data") + 1]);
    }

    private static string UnitSetting(string name)
    {
        var unit = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "deploy", "milena.service"));
        var setting = Assert.Single(Setting().Matches(unit), match => match.Groups["name"].Value == name);
        return setting.Groups["value"].Value.Trim();
    }

    [GeneratedRegex(@"^(?<name>\w+)=(?<value>.*)$", RegexOptions.Multiline)]
    private static partial Regex Setting();
}
