using System.Net;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Milena.Broker;
using Milena.Broker.Handlers;
using Milena.Metadata.Image;
using Milena.Model;
using Milena.Network;
using Milena.Protocol;
using Milena.Testing;

namespace Milena.Replication.Tests;

/// <summary>What a leader shows to followers, to consumers, and to those who say they are followers.</summary>
public sealed class Serving_followers
{
    private static readonly TopicPartition Orders = new(TestCluster.Topic, 0);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    [Fact]
    public async Task Nobody_but_a_registered_incarnation_of_a_replica_sees_what_is_not_committed()
    {
        await using var cluster = await TestCluster.WithUncommittedAsync();
        var node = cluster.Nodes[1];
        var epoch = node.Metadata.Current.Brokers[2].Epoch;
        Assert.Equal((ErrorCode.None, 2), await FetchAsync(node, replicaId: 2, epoch, fetchOffset: 0));
        Assert.Equal((ErrorCode.None, 1), await FetchAsync(node, replicaId: -1, -1, fetchOffset: 0));
        Assert.Equal((ErrorCode.None, 1), await FetchAsync(node, replicaId: -2, -1, fetchOffset: 0));
        Assert.Equal((ErrorCode.NotLeaderOrFollower, 0), await FetchAsync(node, replicaId: 2, epoch - 1, fetchOffset: 0));
        Assert.Equal((ErrorCode.NotLeaderOrFollower, 0), await FetchAsync(node, replicaId: 2, -1, fetchOffset: 0));
        Assert.Equal((ErrorCode.UnknownLeaderEpoch, 0), await FetchAsync(node, replicaId: 7, epoch, fetchOffset: 0));
        Assert.Equal((ErrorCode.FencedLeaderEpoch, 0), await FetchAsync(node, replicaId: 2, epoch, fetchOffset: 0, leaderEpoch: 0));
        Assert.Equal((ErrorCode.UnknownLeaderEpoch, 0), await FetchAsync(node, replicaId: 2, epoch, fetchOffset: 0, leaderEpoch: 9));
    }

    [Fact]
    public async Task A_follower_whose_log_parts_from_the_leaders_is_told_where_and_counts_for_nothing()
    {
        await using var cluster = await TestCluster.WithUncommittedAsync();
        var node = cluster.Nodes[1];
        await FetchPartitionAsync(node, 3, node.Metadata.Current.Brokers[3].Epoch, fetchOffset: 2, leaderEpoch: 1, lastEpoch: 1);
        var data = (await FetchPartitionAsync(node, 2, node.Metadata.Current.Brokers[2].Epoch, fetchOffset: 2, leaderEpoch: 1, lastEpoch: 0)).Responses[0].Partitions[0];
        Assert.Equal((0, 1), (data.DivergingEpoch.Epoch, data.DivergingEpoch.EndOffset));
        var end = await node.BarrierAsync(Orders);
        Assert.Equal((2, 1), (end, node.Find(Orders)!.HighWatermark));
    }

    [Fact]
    public async Task A_fetch_at_the_end_says_that_the_follower_holds_everything()
    {
        await using var cluster = await TestCluster.WithUncommittedAsync();
        var node = cluster.Nodes[1];
        await FetchPartitionAsync(node, 2, node.Metadata.Current.Brokers[2].Epoch, fetchOffset: 2, leaderEpoch: 1, lastEpoch: 1);
        await FetchPartitionAsync(node, 3, node.Metadata.Current.Brokers[3].Epoch, fetchOffset: 2, leaderEpoch: 1, lastEpoch: 1);
        await node.BarrierAsync(Orders);
        Assert.Equal(2, node.Find(Orders)!.HighWatermark);
    }

    [Fact]
    public async Task A_waiting_follower_is_woken_by_an_append_and_a_waiting_consumer_when_it_is_committed()
    {
        await using var cluster = await TestCluster.WithUncommittedAsync();
        var node = cluster.Nodes[1];
        var follower = FetchPartitionAsync(node, 2, node.Metadata.Current.Brokers[2].Epoch, fetchOffset: 2, leaderEpoch: 1, lastEpoch: 1, maxWaitMs: 60_000);
        var consumer = FetchPartitionAsync(node, -1, -1, fetchOffset: 1, leaderEpoch: 1, maxWaitMs: 60_000);
        await node.BarrierAsync(Orders);
        Assert.False(follower.IsCompleted);
        await node.AppendAsync(Orders, Batches.Plain(), acks: 1);
        Assert.False((await follower.WaitAsync(Patience)).Responses[0].Partitions[0].Records.IsEmpty);
        Assert.False(consumer.IsCompleted);
        await FetchPartitionAsync(node, 2, node.Metadata.Current.Brokers[2].Epoch, fetchOffset: 3, leaderEpoch: 1, lastEpoch: 1);
        await FetchPartitionAsync(node, 3, node.Metadata.Current.Brokers[3].Epoch, fetchOffset: 3, leaderEpoch: 1, lastEpoch: 1);
        Assert.False((await consumer.WaitAsync(Patience)).Responses[0].Partitions[0].Records.IsEmpty);
    }

    [Fact]
    public async Task A_new_leader_tells_no_end_before_it_has_committed_its_epochs_start()
    {
        await using var cluster = await TestCluster.WithUncommittedAsync();
        var node = cluster.Nodes[1];
        cluster.Controller.Elect(Orders, 1);
        await TestCluster.UntilAsync("broker 1 leads in epoch 2", () => node.Find(Orders)!.Leadership is { IsLeader: true, Epoch: 2 });
        Assert.Equal((ErrorCode.OffsetNotAvailable, -1), await LatestAsync(node, -1));
        Assert.Equal((ErrorCode.None, 2), await LatestAsync(node, 2));
        cluster.Network.HealAll();
        await cluster.SyncedAsync(Orders);
        Assert.Equal((ErrorCode.None, 2), await LatestAsync(node, -1));
    }

    [Fact]
    public async Task A_consumer_that_has_come_further_is_thrown_back_by_nobody_but_a_broker_that_surely_leads()
    {
        var clock = new FakeTimeProvider();
        await using var cluster = TestCluster.Start(clockOfFirst: clock);
        await cluster.AppendAsync(Orders, Batches.Plain());
        await cluster.SyncedAsync(Orders);
        var leader = cluster.Nodes[1];
        Assert.Equal((ErrorCode.OffsetOutOfRange, false, -1), await BeyondAsync(leader, -1));
        for (var i = 0; i < 12; i++)
        {
            leader.Host.Contact.Saw(hearsLeader: true);
            clock.Advance(TimeSpan.FromMilliseconds(100));
        }

        Assert.Equal((ErrorCode.OffsetOutOfRange, false, -1), await BeyondAsync(leader, -1));
        clock.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal((ErrorCode.NotLeaderOrFollower, true, -1), await BeyondAsync(leader, -1));
        // A follower of an old leader truncates nothing: it knows the leader's epoch.
        Assert.Equal((ErrorCode.OffsetOutOfRange, false, -1), await BeyondAsync(leader, 2));
        Assert.Equal((ErrorCode.None, 1), await FetchAsync(leader, -1, -1, fetchOffset: 0, leaderEpoch: 0));
        // A follower, which may have less than all that is committed, says who leads.
        Assert.Equal((ErrorCode.NotLeaderOrFollower, false, 1), await BeyondAsync(cluster.Nodes[2], -1));
    }

    [Fact]
    public async Task With_too_few_in_sync_replicas_an_append_is_refused_and_one_that_was_taken_is_told_so()
    {
        await using var cluster = TestCluster.Start(settings: ("replica.lag.time.max.ms", "100000"));
        await cluster.AppendAsync(Orders, Batches.Plain());
        await cluster.SyncedAsync(Orders);
        cluster.Network.Isolate(1, [2, 3]);
        var taken = cluster.Nodes[1].AppendAsync(Orders, Batches.Plain());
        Assert.Equal(2, await cluster.Nodes[1].BarrierAsync(Orders));
        cluster.Controller.Fence(2);
        cluster.Controller.Fence(3);
        Assert.Equal(ErrorCode.NotEnoughReplicasAfterAppend, (await taken.WaitAsync(Patience)).Error);
        Assert.Equal(ErrorCode.NotEnoughReplicas, (await cluster.Nodes[1].AppendAsync(Orders, Batches.Plain())).Error);
        Assert.Equal(1, cluster.Nodes[1].Find(Orders)!.HighWatermark);
        Assert.Equal(ErrorCode.None, (await cluster.Nodes[1].AppendAsync(Orders, Batches.Plain(), acks: 1)).Error);
    }

    [Fact]
    public async Task Followers_reach_leaders_over_tcp_in_the_versions_that_both_know()
    {
        await using var cluster = await TestCluster.WithUncommittedAsync();
        var node = cluster.Nodes[1];
        var context = node.Context;
        RequestDispatcher? dispatcher = null;
        dispatcher = new RequestDispatcher([new ApiVersionsHandler(context, () => dispatcher!.Served), new Broker.Fetching.FetchHandler(context, new(1, TimeSpan.FromSeconds(1), TimeSpan.Zero, TimeProvider.System, new Random(1)))]);
        var listener = await KafkaListener.BindAsync(
            "PLAINTEXT", new IPEndPoint(IPAddress.Loopback, 0), dispatcher, new NetworkSettings(), new ConnectionQuota(TimeProvider.System), new ByteBudget(1 << 20), TimeProvider.System, NullLoggerFactory.Instance);
        listener.Open();
        var endPoint = new BrokerEndPoint("PLAINTEXT", "127.0.0.1", listener.EndPoint.Port, 0);
        await using var connection = await new TcpLeaderConnector(2).ConnectAsync(1, endPoint, Patience, default);
        Assert.Equal(18, connection.VersionOf(ApiKey.Fetch));
        Assert.Throws<InvalidDataException>(() => connection.VersionOf(ApiKey.ListOffsets));
        for (var i = 0; i < 2; i++)
        {
            var request = Request(node, 18, 2, node.Metadata.Current.Brokers[2].Epoch, fetchOffset: 0, leaderEpoch: 1, lastEpoch: -1, maxWaitMs: 0);
            var response = await connection.AskAsync<FetchResponse>(ApiKey.Fetch, request, Patience, default);
            Assert.Equal(2, Count(response.Responses[0].Partitions[0].Records.Memory.Span));
        }

        await listener.DisposeAsync();
        await Assert.ThrowsAnyAsync<IOException>(() => connection.AskAsync<FetchResponse>(ApiKey.Fetch, new FetchRequest(), Patience, default));
        await Assert.ThrowsAnyAsync<IOException>(() => new TcpLeaderConnector(2).ConnectAsync(1, endPoint, Patience, default));
    }

    private static async Task<(ErrorCode Error, int Records)> FetchAsync(TestNode node, int replicaId, long brokerEpoch, long fetchOffset, int leaderEpoch = 1)
    {
        var response = await FetchPartitionAsync(node, replicaId, brokerEpoch, fetchOffset, leaderEpoch);
        var data = response.Responses[0].Partitions[0];
        using var records = data.Records;
        var bytes = new byte[records.Length];
        records.Source?.Read(0, bytes);
        return (data.ErrorCode, Count(bytes));
    }

    /// <summary>A fetch from far behind the log's end.</summary>
    /// <returns>The error, whether the connection ends, and who is named as the leader.</returns>
    private static async Task<(ErrorCode Error, bool Closes, int Leader)> BeyondAsync(TestNode node, int replicaId)
    {
        var context = TestNode.RequestOf(ApiKey.Fetch, 18);
        var brokerEpoch = replicaId < 0 ? -1 : node.Metadata.Current.Brokers[replicaId].Epoch;
        var answer = (FetchResponse)await node.AskAsync(context, Request(node, 18, replicaId, brokerEpoch, fetchOffset: 100, leaderEpoch: 0, lastEpoch: -1, maxWaitMs: 0));
        var data = answer.Responses[0].Partitions[0];
        return (data.ErrorCode, context.ClosesBecause is not null, data.CurrentLeader.LeaderId);
    }

    private static async Task<FetchResponse> FetchPartitionAsync(
        TestNode node, int replicaId, long brokerEpoch, long fetchOffset, int leaderEpoch, int lastEpoch = -1, int maxWaitMs = 0)
    {
        // A debugging consumer has no place in the versions that carry the broker epoch.
        short version = replicaId == -2 || (replicaId >= 0 && brokerEpoch == -1) ? (short)14 : (short)18;
        return (FetchResponse)await node.AskAsync(ApiKey.Fetch, Request(node, version, replicaId, brokerEpoch, fetchOffset, leaderEpoch, lastEpoch, maxWaitMs), version);
    }

    private static FetchRequest Request(
        TestNode node, short version, int replicaId, long brokerEpoch, long fetchOffset, int leaderEpoch, int lastEpoch, int maxWaitMs) => new()
        {
            ReplicaId = version < 15 ? replicaId : -1,
            ReplicaState = version >= 15 ? new() { ReplicaId = replicaId, ReplicaEpoch = brokerEpoch } : new(),
            MinBytes = 1,
            MaxWaitMs = maxWaitMs,
            Topics =
            [
                new()
                {
                    TopicId = node.Find(Orders)!.Id.TopicId,
                    Partitions = [new() { FetchOffset = fetchOffset, CurrentLeaderEpoch = leaderEpoch, LastFetchedEpoch = lastEpoch, PartitionMaxBytes = 1 << 20 }],
                },
            ],
        };

    private static async Task<(ErrorCode Error, long Offset)> LatestAsync(TestNode node, int replicaId)
    {
        var request = new ListOffsetsRequest { ReplicaId = replicaId, Topics = [new() { Name = Orders.Topic, Partitions = [new() { Timestamp = -1 }] }] };
        var answer = ((ListOffsetsResponse)await node.AskAsync(ApiKey.ListOffsets, request)).Topics[0].Partitions[0];
        return (answer.ErrorCode, answer.Offset);
    }

    private static int Count(ReadOnlySpan<byte> bytes)
    {
        var records = 0;
        for (; RecordBatchHeader.TryRead(bytes, out var header) == ErrorCode.None && header.SizeInBytes <= bytes.Length; bytes = bytes[header.SizeInBytes..])
        {
            records += header.LastOffsetDelta + 1;
        }

        return records;
    }
}
