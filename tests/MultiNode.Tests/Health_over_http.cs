using System.Net;
using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;
using Milena.Metadata.Image;
using Milena.Model;
using Milena.Node.Configuration;
using Milena.Node.Health;
using Milena.Protocol;

namespace Milena.MultiNode.Tests;

/// <summary>What those who run nodes ask them.</summary>
public sealed class Health_over_http
{
    private const string Topic = "kept";

    [Theory]
    [InlineData("1,2,3", "1,2,3", 2, true, 0)]
    [InlineData("1,2,3", "1,2", 2, false, 0)]
    [InlineData("1,2,3", "2,3", 2, true, 0)]
    [InlineData("1,2,3", "1", 1, false, 0)]
    [InlineData("1,2,3", "1,4", 1, false, 0)]
    [InlineData("2,3,4", "2,3", 2, true, 0)]
    [InlineData("1", "1", 1, true, 1)]
    [InlineData("1,2", "1,2", 2, true, 1)]
    public void A_node_may_be_restarted_when_every_partition_can_spare_it(string replicas, string isr, int minInSync, bool expected, int interrupted)
    {
        // Broker 4 is shut out.
        var image = ImageOf(Numbers(replicas), Numbers(isr));
        var safety = RestartSafety.Of(image, 1, _ => minInSync, []);
        Assert.Equal((expected, interrupted), (safety.IsSafe, safety.Interrupted));
    }

    [Theory]
    [InlineData("1", true)]
    [InlineData("1,2,3", true)]
    [InlineData("1,2,4", false)]
    [InlineData("2,3,4", true)]
    [InlineData("1,2", false)]
    public void A_voter_may_be_restarted_when_a_majority_is_left(string voters, bool expected) =>
        Assert.Equal(expected, RestartSafety.Of(ImageOf([1], [1]), 1, _ => 1, Numbers(voters)).IsSafe);

    [Fact]
    public async Task A_process_whose_node_has_yet_to_start_lives_and_is_not_ready()
    {
        await using var endpoints = await HealthEndpoints.StartAsync(new HostPort("127.0.0.1", 0), NullLoggerFactory.Instance);
        Assert.Equal(HttpStatusCode.OK, (await AskAsync(endpoints, "health/live")).Status);
        foreach (var path in new[] { "health/startup", "health/ready", "health/safe-to-restart", "decommission" })
        {
            var (status, body) = await AskAsync(endpoints, path);
            Assert.Equal((HttpStatusCode.ServiceUnavailable, "It starts"), (status, body!.RootElement.GetProperty("reasons")[0].GetString()));
        }

        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await AskAsync(endpoints, "drain", HttpMethod.Post)).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await AskAsync(endpoints, "health/other")).Status);
        Assert.Equal(HttpStatusCode.MethodNotAllowed, (await AskAsync(endpoints, "health/live", HttpMethod.Post)).Status);
        var taken = await Assert.ThrowsAsync<StartupException>(() => HealthEndpoints.StartAsync(new HostPort("127.0.0.1", endpoints.Address.Port), NullLoggerFactory.Instance));
        Assert.Contains("--metrics-listen", taken.Message);
    }

    [Fact]
    public async Task A_node_is_drained_and_takes_part_again_and_tells_when_it_must_not_be_stopped()
    {
        await using var cluster = new InProcessCluster(1, 2, 3);
        await Task.WhenAll(cluster.StartAsync(1), cluster.StartAsync(2), cluster.StartAsync(3));
        await using var endpoints = await HealthEndpoints.StartAsync(new HostPort("127.0.0.1", 0), NullLoggerFactory.Instance);
        endpoints.Node = cluster[1].Health;
        Assert.Equal(HttpStatusCode.OK, (await AskAsync(endpoints, "health/startup")).Status);
        Assert.Equal(HttpStatusCode.OK, (await AskAsync(endpoints, "health/ready")).Status);
        await cluster.UntilAsync(() => cluster.CreateTopic(1, Topic, copies: 3).ErrorCode is ErrorCode.None or ErrorCode.TopicAlreadyExists, "there are three brokers");
        await cluster.UntilAsync(() => IsSafe(endpoints), "all can spare node 1");

        var (status, body) = await AskAsync(endpoints, "drain", HttpMethod.Post);
        Assert.Equal((HttpStatusCode.OK, true), (status, body!.RootElement.GetProperty("drained").GetBoolean()));
        Assert.NotEqual(1, cluster.Describe(1, Topic).LeaderId);
        Assert.DoesNotContain(1, cluster.Describe(1, Topic).IsrNodes);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await AskAsync(endpoints, "health/ready")).Status);
        (status, body) = await AskAsync(endpoints, "drain", HttpMethod.Delete);
        Assert.Equal((HttpStatusCode.OK, false), (status, body!.RootElement.GetProperty("drained").GetBoolean()));
        Assert.Equal(HttpStatusCode.OK, (await AskAsync(endpoints, "health/ready")).Status);
        await cluster.UntilAsync(() => cluster.Describe(1, Topic).IsrNodes.Contains(1), "it is in sync again");

        await cluster.StopAsync(3);
        await cluster.UntilAsync(() => !IsSafe(endpoints), "node 1 is needed");
        Assert.Equal(HttpStatusCode.OK, (await AskAsync(endpoints, "health/ready")).Status);
    }

    private static bool IsSafe(HealthEndpoints endpoints) => AskAsync(endpoints, "health/safe-to-restart").GetAwaiter().GetResult().Status == HttpStatusCode.OK;

    private static async Task<(HttpStatusCode Status, JsonDocument? Body)> AskAsync(HealthEndpoints endpoints, string path, HttpMethod? method = null)
    {
        using var client = new HttpClient();
        using var request = new HttpRequestMessage(method ?? HttpMethod.Get, new Uri(endpoints.Address, path));
        using var response = await client.SendAsync(request);
        var text = await response.Content.ReadAsStringAsync();
        return (response.StatusCode, text.Length == 0 ? null : JsonDocument.Parse(text));
    }

    private static int[] Numbers(string list) => [.. list.Split(',').Select(int.Parse)];

    private static MetadataImage ImageOf(int[] replicas, int[] isr)
    {
        var id = Guid.NewGuid();
        var delta = new MetadataDelta(MetadataImage.Empty);
        for (var broker = 1; broker <= 4; broker++)
        {
            delta.Replay(new RegisterBrokerRecord { BrokerId = broker, Fenced = broker == 4 });
        }

        delta.Replay(new TopicRecord { Name = Topic, TopicId = id });
        delta.Replay(new PartitionRecord { TopicId = id, PartitionId = 0, Replicas = [.. replicas], Isr = [.. isr], Leader = isr[0] });
        return delta.Apply(1, 1);
    }
}
