using Microsoft.Extensions.Time.Testing;
using Milena.Broker;
using Milena.Broker.Fetching;
using Milena.Model;
using Milena.Protocol;
using Milena.Testing;

namespace Milena.Replication.Tests;

/// <summary>A follower's fetch session at the leader: what is looked at, and what is answered, when a request names next to nothing.</summary>
public sealed class Follower_sessions
{
    private const int Follower = 2;
    private static readonly TopicPartition First = new(TestCluster.Topic, 0);
    private static readonly TopicPartition Second = new(TestCluster.Topic, 1);

    [Fact]
    public async Task A_request_that_names_nothing_is_answered_for_what_has_news()
    {
        await using var leader = await StartAsync();
        await leader.FetchAsync(At(0), At(1));
        Assert.Empty((await leader.FetchAsync()).Responses);
        await leader.AppendAsync(Second);
        var answer = await leader.FetchAsync();
        Assert.Equal((1, false), (Only(answer).PartitionIndex, Only(answer).Records.IsEmpty));
    }

    [Fact]
    public async Task A_fetch_that_waits_is_woken_by_news_of_any_partition_of_its_session()
    {
        await using var leader = await StartAsync();
        await leader.FetchAsync(At(0), At(1));
        var waiting = leader.FetchAsync(maxWaitMs: 60_000);
        Assert.False(waiting.IsCompleted);
        await leader.AppendAsync(First);
        Assert.Equal(0, Only(await waiting).PartitionIndex);
    }

    [Fact]
    public async Task What_did_not_fit_into_an_answer_is_in_the_next_one_though_nobody_names_it_again()
    {
        await using var leader = await StartAsync();
        await leader.AppendAsync(First);
        await leader.AppendAsync(Second);
        var first = Assert.Single((await leader.FetchAsync(maxBytes: 1, At(0), At(1))).Responses[0].Partitions, one => !one.Records.IsEmpty);
        var second = Only(await leader.FetchAsync(maxBytes: 1, At(first.PartitionIndex, offset: 1)));
        Assert.Equal([0, 1], new[] { first.PartitionIndex, second.PartitionIndex }.Order());
        Assert.False(second.Records.IsEmpty);
    }

    [Fact]
    public async Task Partitions_whose_follower_is_not_in_sync_are_served_in_turn()
    {
        await using var leader = await StartAsync(isFollowerInSync: false);
        foreach (var partition in new[] { First, Second, First, Second })
        {
            await leader.AppendAsync(partition);
        }

        var first = Served(await leader.FetchAsync(maxBytes: 1, At(0), At(1)));
        var second = Served(await leader.FetchAsync(maxBytes: 1, At(first, offset: 1)));
        var third = Served(await leader.FetchAsync(maxBytes: 1, At(second, offset: 1)));
        Assert.Equal([0, 1, 0], [first, second, third]);
    }

    [Fact]
    public async Task What_a_forgotten_partition_asked_is_not_answered_to_the_one_that_comes_back()
    {
        await using var leader = await StartAsync();
        await leader.AppendAsync(First);
        // It claims a record that this leader has none of.
        Assert.Contains((await leader.FetchAsync(At(0, offset: 2), At(1))).Responses[0].Partitions, one => one.DivergingEpoch.EndOffset == 1);
        Assert.Empty((await leader.FetchAsync(new FetchRequest.ForgottenTopic { TopicId = leader.TopicId, Partitions = [0] })).Responses);
        var answer = Only(await leader.FetchAsync(At(0)));
        Assert.Equal((-1, false), (answer.DivergingEpoch.Epoch, answer.Records.IsEmpty));
    }

    [Fact]
    public async Task A_new_session_of_a_follower_ends_the_one_before()
    {
        await using var leader = await StartAsync();
        await leader.FetchAsync(At(0));
        var before = leader.Session;
        leader.Session = (0, 0);
        await leader.FetchAsync(At(0));
        leader.Session = before;
        Assert.Equal(ErrorCode.FetchSessionIdNotFound, (await leader.FetchAsync()).ErrorCode);
    }

    [Fact]
    public async Task Who_only_says_that_he_is_a_follower_gets_no_session_and_ends_none()
    {
        await using var leader = await StartAsync();
        await leader.FetchAsync(At(0));
        var session = leader.Session;
        leader.Session = (0, 0);
        leader.ClaimedEpoch = 999;
        await leader.FetchAsync(At(0));
        Assert.Equal(0, leader.Session.Id);
        (leader.Session, leader.ClaimedEpoch) = (session, null);
        Assert.Equal(ErrorCode.None, (await leader.FetchAsync()).ErrorCode);
    }

    [Fact]
    public async Task A_small_batch_soon_after_an_answer_waits_and_takes_along_what_comes_meanwhile()
    {
        var (clock, pause) = (new FakeTimeProvider(), TimeSpan.FromMilliseconds(8));
        await using var leader = await StartAsync(clock);
        leader.GatherFor(pause, clock);
        await leader.FetchAsync(At(0), At(1));
        await leader.AppendAsync(First);
        var waiting = leader.FetchAsync(maxWaitMs: 60_000);
        clock.Advance(pause - TimeSpan.FromMilliseconds(1));
        await leader.AppendAsync(Second);
        Assert.False(waiting.IsCompleted);
        clock.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Equal([0, 1], (await waiting).Responses[0].Partitions.Select(one => one.PartitionIndex).Order());
    }

    [Fact]
    public async Task What_a_follower_names_is_what_it_holds()
    {
        await using var leader = await StartAsync();
        await leader.FetchAsync(At(0));
        await leader.AppendAsync(First);
        await leader.FetchAsync(At(0, offset: 1));
        await TestCluster.UntilAsync("the leader knows how far its follower is", () => leader.Replica(First).FollowerEnd(Follower) == 1);
    }

    [Fact]
    public async Task A_fetch_wakes_when_a_throttle_lets_go_what_it_holds_back()
    {
        var clock = new FakeTimeProvider();
        await using var leader = await StartAsync(clock, isFollowerInSync: false);
        var pause = await ExceedAsync(leader);
        var waiting = leader.FetchAsync(At(0, offset: 1), maxWaitMs: 60_000);
        clock.Advance(pause - TimeSpan.FromMilliseconds(1));
        Assert.False(waiting.IsCompleted);
        clock.Advance(TimeSpan.FromMilliseconds(1));
        Assert.False(Only(await waiting).Records.IsEmpty);
    }

    [Fact]
    public async Task What_a_throttle_held_back_is_in_a_later_answer_though_nobody_names_it_again()
    {
        var clock = new FakeTimeProvider();
        await using var leader = await StartAsync(clock, isFollowerInSync: false);
        var pause = await ExceedAsync(leader);
        Assert.Empty((await leader.FetchAsync(At(0, offset: 1))).Responses);
        clock.Advance(pause - TimeSpan.FromMilliseconds(1));
        Assert.Empty((await leader.FetchAsync()).Responses);
        clock.Advance(TimeSpan.FromMilliseconds(1));
        Assert.False(Only(await leader.FetchAsync()).Records.IsEmpty);
        Assert.True(leader.IsLimitExceeded);
    }

    [Fact]
    public async Task A_throttle_does_not_hold_up_who_is_in_sync()
    {
        await using var leader = await StartAsync(new FakeTimeProvider());
        await ExceedAsync(leader);
        Assert.False(Only(await leader.FetchAsync(At(0, offset: 1))).Records.IsEmpty);
    }

    [Fact]
    public async Task A_throttle_does_not_hold_up_other_partitions()
    {
        await using var leader = await StartAsync(new FakeTimeProvider(), isFollowerInSync: false);
        await ExceedAsync(leader);
        await leader.AppendAsync(Second);
        var answer = Only(await leader.FetchAsync(At(0, offset: 1), At(1)));
        Assert.Equal((1, false), (answer.PartitionIndex, answer.Records.IsEmpty));
    }

    /// <summary>Has the follower fetch more than is allowed, and leaves as much for it.</summary>
    /// <returns>How long it is too much.</returns>
    private static async Task<TimeSpan> ExceedAsync(Leader leader)
    {
        await leader.LimitAsync(First, bytesPerSecond: 100);
        await leader.AppendAsync(First, valueBytes: 500);
        await leader.AppendAsync(First, valueBytes: 500);
        await TestCluster.UntilAsync("all is committed, or waits for the follower", () => leader.Replica(First).Log.LogEndOffset == 2 && leader.Replica(First).HighWatermark == (leader.IsFollowerInSync ? 0 : 2));
        var fetched = Only(await leader.FetchAsync(maxBytes: 1, At(0)));
        Assert.True(leader.IsLimitExceeded);
        return TimeSpan.FromMilliseconds(Math.Ceiling(fetched.Records.Length * 1000 / 100.0));
    }

    private static FetchRequest.FetchPartition At(int partition, long offset = 0) => new() { Partition = partition, FetchOffset = offset, PartitionMaxBytes = 1 << 20 };

    private static int Served(FetchResponse response) => Assert.Single(response.Responses[0].Partitions, one => !one.Records.IsEmpty).PartitionIndex;

    private static FetchResponse.PartitionData Only(FetchResponse response) => Assert.Single(Assert.Single(response.Responses).Partitions);

    /// <param name="clock">What the leader measures time by; the system's where nothing is said.</param>
    private static async Task<Leader> StartAsync(TimeProvider? clock = null, bool isFollowerInSync = true)
    {
        var cluster = TestCluster.Start(
            partitions: 2, clockOfFirst: clock, settings: [("replica.lag.time.max.ms", "100000"), ("min.insync.replicas", isFollowerInSync ? "2" : "1")]);
        // Both partitions on one leader, and nobody else who follows it: the test is the follower.
        cluster.Controller.Elect(Second, 1);
        foreach (var partition in new[] { First, Second })
        {
            await TestCluster.UntilAsync("broker 1 leads", () => cluster.Nodes[1].Find(partition)?.Leadership.IsLeader is true);
        }

        cluster.Network.Isolate(1, [2, 3]);
        if (!isFollowerInSync)
        {
            foreach (var partition in new[] { First, Second })
            {
                cluster.Controller.Elect(partition, 1, unclean: true);
                await TestCluster.UntilAsync("broker 1 leads alone", () => cluster.Nodes[1].Find(partition)!.Leadership.Epoch == cluster.Controller.Find(partition).LeaderEpoch);
            }
        }

        return new Leader(cluster, isFollowerInSync);
    }

    private sealed class Leader(TestCluster cluster, bool isFollowerInSync) : IAsyncDisposable
    {
        private readonly TestNode _node = cluster.Nodes[1];
        private RequestDispatcher? _gathering;

        public (int Id, int Epoch) Session { get; set; }

        /// <summary>Instead of the epoch that the follower is registered with.</summary>
        public long? ClaimedEpoch { get; set; }

        public bool IsFollowerInSync => isFollowerInSync;

        public bool IsLimitExceeded => _node.Host.LeaderThrottle.Quota.IsExceeded;

        public Guid TopicId => Replica(First).Id.TopicId;

        public Replica Replica(TopicPartition partition) => _node.Find(partition)!;

        public Task<AppendOutcome> AppendAsync(TopicPartition partition, int valueBytes = 10) => _node.AppendAsync(partition, Batches.Plain(valueBytes: valueBytes), acks: 1);

        /// <summary>From now on small answers go out no more often than that.</summary>
        public void GatherFor(TimeSpan pause, TimeProvider clock) =>
            _gathering = new([new FetchHandler(_node.Context, new FetchSessions(slots: 1, TimeSpan.FromHours(1), pause, clock, new Random(1)))]);

        public Task LimitAsync(TopicPartition partition, int bytesPerSecond)
        {
            cluster.Controller.Configure(TestCluster.Topic, "leader.replication.throttled.replicas", $"{partition.Partition}:1");
            cluster.Controller.ConfigureBroker(1, "leader.replication.throttled.rate", $"{bytesPerSecond}");
            return TestCluster.UntilAsync("the limit is known", () => _node.Host.LeaderThrottle.Quota.BytesPerSecond == bytesPerSecond);
        }

        public Task<FetchResponse> FetchAsync(params FetchRequest.FetchPartition[] named) => FetchAsync(1 << 20, 0, null, named);

        public Task<FetchResponse> FetchAsync(int maxBytes, params FetchRequest.FetchPartition[] named) => FetchAsync(maxBytes, 0, null, named);

        public Task<FetchResponse> FetchAsync(int maxWaitMs) => FetchAsync(1 << 20, maxWaitMs, null);

        public Task<FetchResponse> FetchAsync(FetchRequest.FetchPartition named, int maxWaitMs) => FetchAsync(1 << 20, maxWaitMs, null, named);

        public Task<FetchResponse> FetchAsync(FetchRequest.ForgottenTopic forgotten) => FetchAsync(1 << 20, 0, forgotten);

        public ValueTask DisposeAsync() => cluster.DisposeAsync();

        private async Task<FetchResponse> FetchAsync(int maxBytes, int maxWaitMs, FetchRequest.ForgottenTopic? forgotten, params FetchRequest.FetchPartition[] named)
        {
            foreach (var one in named)
            {
                one.CurrentLeaderEpoch = Replica(new TopicPartition(TestCluster.Topic, one.Partition)).Leadership.Epoch;
                one.LastFetchedEpoch = one.FetchOffset > 0 ? one.CurrentLeaderEpoch : -1;
            }

            var request = new FetchRequest
            {
                ReplicaState = new() { ReplicaId = Follower, ReplicaEpoch = ClaimedEpoch ?? _node.Metadata.Current.Brokers[Follower].Epoch },
                MinBytes = 1,
                MaxBytes = maxBytes,
                MaxWaitMs = maxWaitMs,
                SessionId = Session.Id,
                SessionEpoch = Session.Epoch,
                ForgottenTopicsData = forgotten is null ? [] : [forgotten],
                Topics = named.Length == 0 ? [] : [new() { TopicId = TopicId, Partitions = [.. named] }],
            };
            var response = (FetchResponse)(_gathering is null
                ? await _node.AskAsync(ApiKey.Fetch, request)
                : await _gathering.DispatchAsync(TestNode.RequestOf(ApiKey.Fetch), request))!;
            Session = (response.SessionId, Session.Epoch + 1);
            return response;
        }
    }
}
