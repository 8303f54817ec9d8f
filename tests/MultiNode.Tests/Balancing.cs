using System.Net;
using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;
using Milena.Model;
using Milena.Node.Configuration;
using Milena.Node.Health;
using Milena.Protocol;

namespace Milena.MultiNode.Tests;

/// <summary>How a node that joins takes its share, and one that is to leave gives up all it has.</summary>
public sealed class Balancing
{
    private const string Topic = "shared";
    private const int Partitions = 8;

    [Fact]
    public async Task A_fourth_node_takes_its_share_and_another_is_emptied_under_load_and_no_record_is_lost()
    {
        await using var cluster = new InProcessCluster(1, 2, 3);
        await Task.WhenAll(cluster.StartAsync(1), cluster.StartAsync(2), cluster.StartAsync(3));
        await cluster.UntilAsync(() => cluster.BrokersSeenBy(1).Count() == 3, "there are three brokers");
        Create(cluster);
        Set(cluster, null, "milena.balancer.enable", "true");
        Set(cluster, null, "milena.balancer.settle.ms", "500");
        Set(cluster, null, "milena.balancer.partitions.in.flight", "3");
        await using var load = new TopicUnderLoad(cluster, Topic, Partitions, askedAt: 1);
        await cluster.UntilAsync(() => load.Acknowledged > 20, "records are acknowledged");

        await cluster.StartAsync(4);
        await cluster.UntilAsync(() => Held(cluster, 4) == 6 && cluster.Reassignments(1).Topics.Count == 0, "node 4 holds a fourth of 24 replicas");
        Assert.All(Enumerable.Range(1, 3), id => Assert.Equal(6, Held(cluster, id)));
        await UntilMoreIsAcknowledgedAsync(cluster, load);

        Set(cluster, 3, "milena.broker.decommission", "true");
        await using var endpoints = await HealthEndpoints.StartAsync(new HostPort("127.0.0.1", 0), NullLoggerFactory.Instance);
        endpoints.Node = cluster[2].Health;
        await cluster.UntilAsync(() => IsEmpty(endpoints, 3), "node 3 is empty");
        Assert.Equal(0, Held(cluster, 3));
        await cluster.UntilAsync(() => Enumerable.Range(0, Partitions).All(index => !cluster.HasFolder(3, $"{Topic}-{index}")), "its replicas are deleted");
        await UntilMoreIsAcknowledgedAsync(cluster, load);
        await cluster.StopAsync(3);
        await UntilMoreIsAcknowledgedAsync(cluster, load);
        Assert.Equal(0, await load.LostAsync(askedAt: 1));
    }

    private static void Create(InProcessCluster cluster) => Assert.Equal(ErrorCode.None, cluster.Ask<CreateTopicsResponse>(1, ApiKey.CreateTopics, 7, new CreateTopicsRequest
    {
        TimeoutMs = 20_000,
        Topics = [new() { Name = Topic, NumPartitions = Partitions, ReplicationFactor = 3 }],
    }).Topics[0].ErrorCode);

    private static void Set(InProcessCluster cluster, int? broker, string name, string value) => Assert.Equal(ErrorCode.None, cluster.ConfigureBroker(1, broker, name, value));

    private static int Held(InProcessCluster cluster, int id) => TopicUnderLoad.Describe(cluster, 1, Topic).Count(partition => partition.ReplicaNodes.Contains(id));

    private static Task UntilMoreIsAcknowledgedAsync(InProcessCluster cluster, TopicUnderLoad load)
    {
        var before = load.Acknowledged;
        return cluster.UntilAsync(() => load.Acknowledged > before + 20, "more records are acknowledged");
    }

    private static bool IsEmpty(HealthEndpoints endpoints, int id)
    {
        using var client = new HttpClient();
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(endpoints.Address, "decommission"));
        using var response = client.Send(request);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        var brokers = JsonDocument.Parse(response.Content.ReadAsStream()).RootElement.GetProperty("brokers");
        // The node that is asked may not have heard of the setting yet.
        return brokers.GetArrayLength() == 1 && brokers[0].GetProperty("id").GetInt32() == id && brokers[0].GetProperty("empty").GetBoolean();
    }
}
