namespace Milena.Faults.Tests;

/// <summary>What a user can type.</summary>
public sealed class FaultsOptionsTests
{
    [Fact]
    public void Everything_can_be_said()
    {
        var options = FaultsOptions.Parse([
            "--seconds", "5", "--seed", "9", "--kinds", "paused,link-cut", "--partitions", "2", "--writers", "1", "--rate", "10", "--value-bytes", "12", "--acks", "1", "--logs", "here",
            "--set", "a=1", "--set", "b=2", "--idle-partitions", "300", "--nodes", "5"]);
        Assert.Equal((5, 9, 2, 1, 10, 12, 1, "here"), (
            options.Seconds, options.Seed, options.Partitions, options.Writers, options.Rate, options.ValueBytes, options.Acks, options.Logs));
        Assert.Equal(["paused", "link-cut"], options.Kinds);
        Assert.Equal(["a=1", "b=2"], options.Settings);
        Assert.Equal((300, 5), (options.IdlePartitions, options.Nodes));
    }

    [Theory]
    [InlineData("'now' is no option.", "now")]
    [InlineData("Unknown option '--speed'.", "--speed", "1")]
    [InlineData("The option --seed needs a value.", "--seed")]
    [InlineData("--seconds takes whole numbers from 1 to 604800, not '0'.", "--seconds", "0")]
    [InlineData("--nodes takes whole numbers from 3 to 9, not '2'.", "--nodes", "2")]
    [InlineData("--value-bytes takes whole numbers from 12 to 524288, not '3'.", "--value-bytes", "3")]
    [InlineData("'flood' is no kind of fault.", "--kinds", "paused,flood")]
    [InlineData("--acks takes 1 or all, not '2'.", "--acks", "2")]
    public void What_is_wrong_is_named(string expected, params string[] arguments) =>
        Assert.StartsWith(expected, Assert.Throws<FaultsException>(() => FaultsOptions.Parse(arguments)).Message, StringComparison.Ordinal);

    [Fact]
    public void The_help_names_every_kind_of_fault() =>
        Assert.All(Kinds.FaultKind.All, kind => Assert.Contains($"  {kind.Name} ", FaultsOptions.HelpText, StringComparison.Ordinal));
}
