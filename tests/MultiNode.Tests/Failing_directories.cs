using Milena.Metadata.Image;
using Milena.Model;

namespace Milena.MultiNode.Tests;

/// <summary>Nodes whose metadata lies in one directory, and their records in others, which fail.</summary>
public sealed class Failing_directories
{
    private const string Topic = "kept";

    [Fact]
    public async Task Another_node_leads_at_once_when_the_leaders_log_directory_fails()
    {
        await using var cluster = new InProcessCluster(1, 2, 3);
        await Task.WhenAll(Start(cluster, 1, 2), Start(cluster, 2, 2), Start(cluster, 3, 2));
        Assert.Equal(ErrorCode.None, cluster.CreateTopic(1, Topic, copies: 3).ErrorCode);
        await cluster.UntilAsync(() => Produce(cluster, 1), "a record is acknowledged");
        var leader = cluster.Describe(1, Topic).LeaderId;
        var other = leader == 1 ? 2 : 1;
        var replica = cluster[leader].Replicas.Directory.Find(new TopicPartition(Topic, 0))!;
        cluster[leader].Replicas.LogDirectories.DiskFailed(Path.GetDirectoryName(replica.Log.Folder)!, new IOException("Input/output error."));
        var failed = TimeProvider.System.GetTimestamp();
        await cluster.UntilAsync(() => cluster.Describe(other, Topic).LeaderId is var led && led > 0 && led != leader && Produce(cluster, other), "another node leads");
        Assert.InRange(TimeProvider.System.GetElapsedTime(failed), TimeSpan.Zero, TimeSpan.FromSeconds(10));
        var described = cluster.Describe(other, Topic);
        Assert.DoesNotContain(leader, described.IsrNodes);
        Assert.Equal([leader], described.OfflineReplicas);
        Assert.Equal(2, cluster[described.LeaderId].Replicas.Directory.Find(new TopicPartition(Topic, 0))!.HighWatermark);
        Assert.False(cluster[leader].Ended.IsCompleted);
        Assert.Equal([1, 2, 3], cluster.BrokersSeenBy(leader));
        await cluster.StopAsync(leader);
        await Start(cluster, leader, 2);
        await cluster.UntilAsync(() => cluster.Describe(other, Topic).IsrNodes.Count == 3, "the disk is well again, and the replica in sync");
    }

    [Fact]
    public async Task A_node_whose_last_log_directory_fails_hands_over_and_ends()
    {
        await using var cluster = new InProcessCluster(1, 2, 3);
        await Task.WhenAll(Start(cluster, 1, 1), Start(cluster, 2, 1), Start(cluster, 3, 1));
        Assert.Equal(ErrorCode.None, cluster.CreateTopic(1, Topic, copies: 3).ErrorCode);
        await cluster.UntilAsync(() => Produce(cluster, 1), "a record is acknowledged");
        var leader = cluster.Describe(1, Topic).LeaderId;
        var other = leader == 1 ? 2 : 1;
        Assert.All([1, 2, 3], id => Assert.NotEqual(DirectoryIds.Unassigned, cluster[leader].Replicas.BrokerOf(id)!.OnlyDirectory));
        cluster[leader].Replicas.LogDirectories.DiskFailed(Path.Combine(cluster.FolderOf(leader), "1"), new IOException("Input/output error."));
        var end = await cluster[leader].Ended.WaitAsync(InProcessCluster.Patience);
        Assert.False(end.StartAgain);
        Assert.Contains("the last log directory that worked, failed: Input/output error.", end.Reason);
        await cluster.UntilAsync(() => !cluster.Describe(other, Topic).IsrNodes.Contains(leader), "the others know that it is out of sync");
        await cluster.UntilAsync(() => Produce(cluster, other), "a record is acknowledged by the others");
        await cluster.StopAsync(leader);
    }

    [Fact]
    public async Task A_node_that_cannot_tell_of_a_failed_log_directory_ends_in_the_end()
    {
        await using var cluster = new InProcessCluster(1, 2, 3);
        await Task.WhenAll(Start(cluster, 1, 2), Start(cluster, 2, 2), Start(cluster, 3, 2, "--set", "log.dir.failure.timeout.ms=500"));
        await cluster.StopAsync(1);
        await cluster.StopAsync(2);
        var failed = Path.Combine(cluster.FolderOf(3), "1");
        cluster[3].Replicas.LogDirectories.DiskFailed(failed, new IOException("Input/output error."));
        var end = await cluster[3].Ended.WaitAsync(InProcessCluster.Patience);
        Assert.False(end.StartAgain);
        Assert.StartsWith($"The disk under {failed} failed, and the controller could not be told so within 500 ms (log.dir.failure.timeout.ms)", end.Reason);
    }

    private static Task Start(InProcessCluster cluster, int id, int directories, params string[] more) => cluster.StartAsync(
        id,
        more:
        [
            .. more,
            "--data", string.Join(',', Enumerable.Range(1, directories).Select(number => Path.Combine(cluster.FolderOf(id), $"{number}"))),
            "--set", $"metadata.log.dir={Path.Combine(cluster.FolderOf(id), "metadata")}",
        ]);

    private static bool Produce(InProcessCluster cluster, int askedAt) =>
        cluster.Describe(askedAt, Topic) is { LeaderId: > 0 } led && cluster.Produce(led.LeaderId, Topic) == ErrorCode.None;
}
