using Confluent.Kafka;

namespace Milena.Bench.Tests;

public sealed class BenchOptionsTests
{
    [Fact]
    public void Options_come_with_a_space_or_an_equals_sign_and_lists_with_commas()
    {
        var options = BenchOptions.Parse(
            ["all", "--bootstrap=a:1,b:2", "--sizes", "100, 1024,100", "--partitions=1,8", "--codecs", "none,zstd", "--acks", "1", "--rate", "2500.5",
            "--seconds", "0.5", "--warm-up", "0", "--records", "7", "--set", "a=b=c", "--json"]);
        Assert.Equal(Command.All, options.Command);
        Assert.Equal("a:1,b:2", options.Bootstrap);
        Assert.Equal([100, 1024], options.Sizes);
        Assert.Equal([1, 8], options.Partitions);
        Assert.Equal([CompressionType.None, CompressionType.Zstd], options.Codecs);
        Assert.Equal(Acks.Leader, options.Acks);
        Assert.Equal(2500.5, options.Rate);
        Assert.Equal(TimeSpan.FromSeconds(0.5), options.Duration);
        Assert.Equal(TimeSpan.Zero, options.WarmUp);
        Assert.Equal(7, options.Records);
        Assert.Equal(new KeyValuePair<string, string>("a", "b=c"), Assert.Single(options.Settings));
        Assert.True(options.Json);
    }

    [Fact]
    public void Idle_needs_no_broker_and_counts_upwards_and_without_a_topic_unless_told_otherwise()
    {
        var options = BenchOptions.Parse(["idle", "--nodes", "9,3"]);
        Assert.Equal(Command.Idle, options.Command);
        Assert.Equal([3, 9], options.Nodes);
        Assert.Equal([0], options.Partitions);
        Assert.Equal([0, 50], BenchOptions.Parse(["idle", "--partitions", "0,50"]).Partitions);
    }

    [Theory]
    [InlineData("--partitions takes whole numbers from 1 to 10000, not '0'.", "produce", "--bootstrap", "a:1", "--partitions", "0")]
    [InlineData("--nodes takes whole numbers from 1 to 100, not '0'.", "idle", "--nodes", "0")]
    [InlineData("Unknown command 'frobnicate'.", "frobnicate")]
    [InlineData("--bootstrap HOST:PORT is missing.", "produce")]
    [InlineData("not 'localhost'", "produce", "--bootstrap", "localhost")]
    [InlineData("not 'localhost:0'", "produce", "--bootstrap", "localhost:0")]
    [InlineData("not 'b'", "produce", "--bootstrap", "a:1,b")]
    [InlineData("Unknown option '--size'.", "produce", "--bootstrap", "a:1", "--size", "1")]
    [InlineData("The option --sizes needs a value.", "produce", "--bootstrap", "a:1", "--sizes")]
    [InlineData("'a:1' is no option.", "produce", "a:1")]
    [InlineData("--sizes takes whole numbers from 1 to 67108864, not '0'.", "produce", "--bootstrap", "a:1", "--sizes", "0")]
    [InlineData("not '1k'", "produce", "--bootstrap", "a:1", "--sizes", "1k")]
    [InlineData("not ''", "produce", "--bootstrap", "a:1", "--partitions", "1,")]
    [InlineData("not 'lz5'", "produce", "--bootstrap", "a:1", "--codecs", "lz5")]
    [InlineData("not '2'", "produce", "--bootstrap", "a:1", "--acks", "2")]
    [InlineData("not 'NaN'", "produce", "--bootstrap", "a:1", "--rate", "NaN")]
    [InlineData("not '-1'", "produce", "--bootstrap", "a:1", "--warm-up", "-1")]
    [InlineData("--set takes KEY=VALUE, not 'a'.", "produce", "--bootstrap", "a:1", "--set", "a")]
    [InlineData("--sizes must be 8 or more, not 4.", "latency", "--bootstrap", "a:1", "--sizes", "4,100")]
    public void A_bad_argument_is_named_in_one_line(string expected, params string[] arguments)
    {
        var error = Assert.Throws<BenchException>(() => BenchOptions.Parse(arguments));
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
        Assert.Equal(BenchException.Unusable, error.ExitCode);
    }

    [Fact]
    public void No_arguments_ask_for_help() => Assert.Equal(Command.Help, BenchOptions.Parse([]).Command);

    [Fact]
    public void Every_option_is_in_the_help()
    {
        string[] options = ["bootstrap", "sizes", "partitions", "codecs", "acks", "seconds", "records", "warm-up", "rate", "linger-ms", "batch-bytes",
            "replication", "timeout", "nodes", "set", "json", "help"];
        Assert.All(options, option => Assert.Contains($"--{option} ", BenchOptions.Help, StringComparison.Ordinal));
    }
}
