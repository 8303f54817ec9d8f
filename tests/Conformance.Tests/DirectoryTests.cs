using Milena.Protocol;
using Milena.Testing;

namespace Milena.Conformance.Tests;

public sealed class DirectoryTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("milena-directories-");

    [Fact]
    public void The_metadata_log_lies_where_metadata_log_dir_says_and_is_found_again()
    {
        var metadata = PathOf("metadata");
        using (var node = new NodeProcess(PathOf("data")).Start("--set", $"metadata.log.dir={metadata}"))
        {
            Create(node, "kept");
            node.Stop();
        }

        Assert.True(Directory.Exists(Path.Combine(metadata, "__cluster_metadata-0")));
        Assert.True(File.Exists(Path.Combine(metadata, ".kafka_cleanshutdown")));
        Assert.False(Directory.Exists(Path.Combine(PathOf("data"), "__cluster_metadata-0")));
        using var again = new NodeProcess(PathOf("data")).Start("--set", $"metadata.log.dir={metadata}");
        Assert.Equal(["kept"], TopicsOf(again));
    }

    [Fact]
    public void A_metadata_log_that_lies_elsewhere_is_not_begun_anew()
    {
        var metadata = PathOf("metadata");
        using (var node = new NodeProcess(PathOf("data")).Start("--set", $"metadata.log.dir={metadata}"))
        {
            Create(node, "kept");
            node.Stop();
        }

        AssertRefused("set metadata.log.dir to where its folder __cluster_metadata-0 lies", PathOf("data"));
    }

    [Fact]
    public void Log_directories_in_another_order_do_not_begin_a_metadata_log_anew()
    {
        string first = PathOf("first"), second = PathOf("second");
        using (var node = new NodeProcess($"{first},{second}").Start())
        {
            Create(node, "kept");
            node.Stop();
        }

        AssertRefused($"The metadata log lies in '{first}'", $"{second},{first}");
        using var again = new NodeProcess($"{second},{first}").Start("--set", $"metadata.log.dir={first}");
        Assert.Equal(["kept"], TopicsOf(again));
    }

    [Fact]
    public void A_slash_at_the_end_of_a_log_directory_makes_no_difference()
    {
        var first = PathOf("first");
        using var node = new NodeProcess($"{first}/,{PathOf("second")}/").Start();
        Create(node, "kept");
        using var client = new WireClient("127.0.0.1", node.Port);
        var described = (DescribeLogDirsResponse)client.Ask(ApiKey.DescribeLogDirs, 5, new DescribeLogDirsRequest { Topics = null })!;
        Assert.Equal([first, PathOf("second")], described.Results.Select(result => result.LogDir).Order());
        Assert.Equal(3, described.Results.Sum(result => result.Topics.Sum(topic => topic.Partitions.Count)));
    }

    public void Dispose() => _folder.Delete(recursive: true);

    private static void AssertRefused(string expected, string data)
    {
        var (exitCode, error) = NodeProcess.RunToFailure("start", "--data", data, "--listen", "127.0.0.1:0", "--cluster-listen", "127.0.0.1:0");
        Assert.Equal(2, exitCode);
        Assert.Contains(expected, error);
    }

    private static void Create(NodeProcess node, string topic)
    {
        using var client = new WireClient("127.0.0.1", node.Port);
        client.Ask(ApiKey.CreateTopics, 7, new CreateTopicsRequest
        {
            TimeoutMs = 10_000,
            Topics = [new() { Name = topic, NumPartitions = 3, ReplicationFactor = 1 }],
        });
    }

    private static IEnumerable<string?> TopicsOf(NodeProcess node)
    {
        using var client = new WireClient("127.0.0.1", node.Port);
        var answer = client.Ask(ApiKey.Metadata, 12, new MetadataRequest { Topics = null });
        return Assert.IsType<MetadataResponse>(answer).Topics.Select(topic => topic.Name);
    }

    private string PathOf(string name) => Path.Combine(_folder.FullName, name);
}
