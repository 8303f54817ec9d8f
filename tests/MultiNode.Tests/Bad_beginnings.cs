using System.Net;
using System.Net.Sockets;
using Milena.Node;
using Milena.Node.Configuration;
using Milena.Node.Membership;
using Milena.Testing;

namespace Milena.MultiNode.Tests;

/// <summary>Nodes that are told what cannot be: each says so in one line, and the others go on.</summary>
public sealed class Bad_beginnings
{
    [Fact]
    public async Task Nodes_that_are_told_to_meet_different_others_found_nothing()
    {
        await using var cluster = new InProcessCluster(1, 2, 3);
        string[] two = [$"127.0.0.1:{cluster.ClusterPortOf(1)}", $"127.0.0.1:{cluster.ClusterPortOf(2)}"];
        var misled = Assert.ThrowsAsync<StartupException>(() => cluster.StartAsync(1, join: string.Join(',', two)));
        var other = Assert.ThrowsAsync<StartupException>(() => cluster.StartAsync(2));
        // Whoever hears of the other first ends; the one that is left goes on waiting.
        var refused = await await Task.WhenAny(misled, other).WaitAsync(InProcessCluster.Patience);
        Assert.Contains("Write the same list at every node", refused.Message);
        Assert.Contains(string.Join(',', two.Order(StringComparer.Ordinal)), refused.Message);
    }

    [Fact]
    public async Task A_node_of_another_cluster_ends_and_the_others_go_on()
    {
        await using var another = new InProcessCluster(3);
        await another.StartAsync(3);
        await another.StopAsync(3);
        await using var cluster = new InProcessCluster(1, 2);
        await Task.WhenAll(cluster.StartAsync(1), cluster.StartAsync(2));
        var stranger = await cluster.StartAsync(3, another.FolderOf(3));
        var end = await stranger.Ended.WaitAsync(InProcessCluster.Patience);
        Assert.False(end.StartAgain);
        Assert.Contains($"belongs to the cluster {stranger.ClusterId}, and the nodes in --join to another one, {cluster[1].ClusterId}", end.Reason);
        Assert.Equal([1, 2], cluster.BrokersSeenBy(1));
    }

    [Fact]
    public async Task A_node_whose_advertised_name_has_no_address_does_not_start()
    {
        await using var cluster = new InProcessCluster(1, 2);
        var first = cluster.StartAsync(1);
        var refused = await Assert.ThrowsAsync<StartupException>(() => cluster.StartAsync(2, more: ["--set", "advertised.listeners=PLAINTEXT://nobody.invalid:9092"]));
        Assert.Contains("'nobody.invalid' has no address", refused.Message);
        Assert.Contains("advertised.listeners", refused.Message);
        Assert.False(first.IsFaulted);
        await cluster.StartAsync(2);
        await first;
    }

    [Fact]
    public async Task A_node_whose_advertised_address_nobody_answers_says_so()
    {
        using var logs = new KeptLogs();
        var port = FreePorts.InARow(1);
        var listener = new Listener("PLAINTEXT", new HostPort("127.0.0.1", 0), new HostPort("127.0.0.1", port), 0);
        await AdvertisedAddress.CheckAsync([(listener, port)], "PLAINTEXT", logs, TimeProvider.System);
        Assert.Contains($"127.0.0.1:{port}", Assert.Single(logs.Messages));
        await Assert.ThrowsAsync<StartupException>(() => AdvertisedAddress.CheckAsync([(listener, port)], "INTERNAL", logs, TimeProvider.System));
    }

    [Fact]
    public async Task A_process_that_is_still_listening_while_it_ends_is_found_gone()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var probing = GoneBrokers.IsRefusedAsync(NodeAddress.Of("127.0.0.1", ((IPEndPoint)listener.LocalEndpoint).Port), TimeProvider.System);
        using (await listener.AcceptSocketAsync())
        {
            listener.Stop();
        }

        Assert.True(await probing);
    }
}
