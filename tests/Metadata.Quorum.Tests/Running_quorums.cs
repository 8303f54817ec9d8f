using System.Diagnostics;
using Milena.Metadata.Image;
using Milena.Metadata.Log;
using Milena.Model;
using Milena.Protocol;
using Milena.Storage;
using Xunit.Abstractions;

namespace Milena.Metadata.Quorum.Tests;

/// <summary>Whole replicas in one process: real disks, ports on the loopback.</summary>
public sealed class Running_quorums : IAsyncLifetime
{
    private readonly TimeSpan _patience = TimeSpan.FromSeconds(20);
    private readonly ITestOutputHelper _output;
    private readonly string _root = Directory.CreateTempSubdirectory("milena-quorum-").FullName;
    private readonly QuorumNode[] _nodes;
    private readonly VoterSet _first;

    public Running_quorums(ITestOutputHelper output)
    {
        _output = output;
        _nodes = [.. Enumerable.Range(1, 3).Select(id => new QuorumNode(id, _root))];
        _first = VoterSet.Of(_nodes.Select(node => node.Voter));
    }

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        foreach (var node in _nodes)
        {
            await node.DisposeAsync();
        }

        Directory.Delete(_root, recursive: true);
    }

    [Fact]
    public async Task Three_replicas_elect_a_leader_and_hear_of_the_same_decisions()
    {
        Start(_nodes);
        var leader = await QuorumNode.LeaderAsync(_nodes);
        var clock = Stopwatch.StartNew();
        for (var i = 0; i < 100; i++)
        {
            await leader.AppendAsync($"topic-{i}");
        }

        _output.WriteLine($"100 appends, one after another: {clock.Elapsed.TotalMilliseconds / 100:F1} ms each");
        foreach (var node in _nodes)
        {
            await QuorumNode.Until(() => node.Topics.Count == 100, $"100 topics at node {node.Id}");
            Assert.Equal(Enumerable.Range(0, 100).Select(i => $"topic-{i}"), node.Topics);
        }

        var follower = _nodes.First(node => node != leader);
        Assert.Throws<NotControllerException>(() => follower.Log!.Append(leader.LeadsInEpoch, [new NoOpRecord()]));
    }

    [Fact]
    public async Task When_the_leader_is_killed_the_others_decide_again_within_two_seconds_and_nothing_is_lost()
    {
        Start(_nodes);
        var killed = await QuorumNode.LeaderAsync(_nodes);
        await killed.AppendAsync("before");
        var clock = Stopwatch.StartNew();
        await killed.KillAsync();
        QuorumNode[] others = [.. _nodes.Where(node => node != killed)];
        var leader = await QuorumNode.LeaderAsync(others);
        await leader.AppendAsync("after");
        _output.WriteLine($"killed to the next decision: {clock.ElapsedMilliseconds} ms");
        Assert.True(clock.Elapsed < TimeSpan.FromSeconds(2), $"the next decision took {clock.Elapsed}");
        Start(killed);
        await QuorumNode.Until(() => killed.Topics.SequenceEqual(["before", "after"]), "both topics at the replica that came back");
    }

    [Fact]
    public async Task A_leader_that_stops_hands_over_at_once()
    {
        Start(_nodes);
        var stopped = await QuorumNode.LeaderAsync(_nodes);
        await stopped.AppendAsync("before");
        var clock = Stopwatch.StartNew();
        await stopped.StopAsync();
        var leader = await QuorumNode.LeaderAsync([.. _nodes.Where(node => node != stopped)]);
        await leader.AppendAsync("after");
        _output.WriteLine($"stop to the next decision: {clock.ElapsedMilliseconds} ms");
        Assert.True(clock.Elapsed < TimeSpan.FromSeconds(2), $"the next decision took {clock.Elapsed}");
    }

    [Fact]
    public async Task All_killed_at_once_come_back_with_everything()
    {
        Start(_nodes);
        var leader = await QuorumNode.LeaderAsync(_nodes);
        for (var i = 0; i < 20; i++)
        {
            await leader.AppendAsync($"topic-{i}");
        }

        await Task.WhenAll(_nodes.Select(node => node.KillAsync()));
        Start(_nodes);
        leader = await QuorumNode.LeaderAsync(_nodes);
        await leader.AppendAsync("after");
        foreach (var node in _nodes)
        {
            await QuorumNode.Until(() => node.Topics.Count == 21, $"21 topics at node {node.Id}");
            Assert.Equal([.. Enumerable.Range(0, 20).Select(i => $"topic-{i}"), "after"], node.Topics);
        }
    }

    [Fact]
    public async Task A_minority_decides_nothing()
    {
        Start(_nodes);
        var leader = await QuorumNode.LeaderAsync(_nodes);
        await leader.AppendAsync("before");
        await Task.WhenAll(_nodes.Where(node => node != leader).Select(node => node.KillAsync()));
        var offset = leader.Log!.Append(leader.LeadsInEpoch, [new TopicRecord { Name = "alone", TopicId = Guid.NewGuid() }]);
        await QuorumNode.Until(() => leader.LeadsInEpoch == 0, "a leader without followers to resign");
        Assert.DoesNotContain("alone", leader.Topics);
        Assert.True(leader.Log.Status.HighWatermark <= offset, "the high watermark moved without a majority");
    }

    [Fact]
    public async Task A_quorum_of_one_goes_on_where_it_was_and_grows_to_three()
    {
        await WriteAsQuorumOfOneAsync(Path.Combine(_root, "node-1"), cut: false, "old");
        var one = _nodes[0];
        one.Start(VoterSet.Of(one.Voter));
        await QuorumNode.LeaderAsync(one);
        await one.AppendAsync("new");
        Assert.Equal(["old", "new"], one.Topics);
        foreach (var newcomer in _nodes[1..])
        {
            newcomer.Start(VoterSet.Empty, one.Voter.Peer);
            var answer = await one.Log!.AskAsync(Add(newcomer), CancellationToken.None);
            Assert.Equal(ErrorCode.None, Assert.IsType<AddRaftVoterResponse>(answer).ErrorCode);
        }

        await QuorumNode.Until(() => _nodes.All(node => node.Log!.Status.Voters.Count == 3), "three voters at every replica");
        await one.KillAsync();
        var leader = await QuorumNode.LeaderAsync(_nodes[1..]);
        await leader.AppendAsync("without the first");
        Assert.Equal(["old", "new", "without the first"], leader.Topics);
    }

    [Fact]
    public async Task A_leader_describes_its_voters_and_observers_and_others_refuse()
    {
        Start(_nodes);
        var leader = await QuorumNode.LeaderAsync(_nodes);
        await using var observer = new QuorumNode(9, _root);
        observer.Start(VoterSet.Empty, leader.Voter.Peer);
        var before = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds();
        await leader.AppendAsync("topic");
        var request = new DescribeQuorumRequest { Topics = [new() { TopicName = TopicNames.ClusterMetadata, Partitions = [new()] }] };
        DescribeQuorumResponse.PartitionData? described = null;
        var end = leader.Log!.EndOffset;
        for (var patience = Stopwatch.StartNew(); ;)
        {
            described = Assert.IsType<DescribeQuorumResponse>(await observer.Transport.SendAsync(leader.Voter.Peer, request, TimeSpan.FromSeconds(10))).Topics[0].Partitions[0];
            if (described.Observers.Count == 1 && described.CurrentVoters.Concat(described.Observers).All(one => one.LogEndOffset == end && one.LastCaughtUpTimestamp >= before))
            {
                break;
            }

            Assert.True(patience.Elapsed < TimeSpan.FromSeconds(20), $"Waited 20 s for four replicas that caught up with offset {end}; got {described.CurrentVoters.Count} and {described.Observers.Count}.");
        }

        Assert.Equal((leader.Id, leader.LeadsInEpoch, end), (described.LeaderId, described.LeaderEpoch, described.HighWatermark));
        Assert.Equal(_nodes.Select(node => node.Voter.Key), described.CurrentVoters.Select(one => new ReplicaKey(one.ReplicaId, one.ReplicaDirectoryId)));
        Assert.Equal(observer.Voter.Key, new ReplicaKey(described.Observers[0].ReplicaId, described.Observers[0].ReplicaDirectoryId));
        Assert.All(described.CurrentVoters, one => Assert.InRange(one.LastFetchTimestamp, before - 5000, before + 60_000));
        var follower = _nodes.First(node => node != leader);
        Assert.Equal(
            ErrorCode.NotLeaderOrFollower,
            Assert.IsType<DescribeQuorumResponse>(await follower.Log!.AskAsync(request, CancellationToken.None)).ErrorCode);
    }

    [Fact]
    public async Task Any_replica_puts_an_administrators_request_to_the_leader()
    {
        Start(_nodes);
        var leader = await QuorumNode.LeaderAsync(_nodes);
        await leader.AppendAsync("topic");
        await using var newcomer = new QuorumNode(4, _root);
        newcomer.Start(VoterSet.Empty, leader.Voter.Peer);
        await QuorumNode.Until(() => _nodes.Append(newcomer).All(node => node.Log!.Status.LeaderId == leader.Id), "everybody to know the leader");
        foreach (var node in _nodes.Append(newcomer))
        {
            var described = await node.Log!.AskLeaderAsync<DescribeQuorumResponse>(
                new DescribeQuorumRequest { Topics = [new() { TopicName = TopicNames.ClusterMetadata, Partitions = [new()] }] }, _patience);
            Assert.Equal(leader.Id, described.Topics[0].Partitions[0].LeaderId);
        }

        Assert.Equal(ErrorCode.None, (await newcomer.Log!.AskLeaderAsync<AddRaftVoterResponse>(Add(newcomer), _patience)).ErrorCode);
        await QuorumNode.Until(() => newcomer.Log.Status.IsVoter, "the newcomer to hear that it votes");
        var removal = new RemoveRaftVoterRequest { ClusterId = null, VoterId = 4, VoterDirectoryId = newcomer.Voter.Key.DirectoryId };
        Assert.Equal(ErrorCode.None, (await newcomer.Log.AskLeaderAsync<RemoveRaftVoterResponse>(removal, _patience)).ErrorCode);
        await QuorumNode.Until(() => !newcomer.Log.Status.IsVoter, "the newcomer to hear that it votes no more");
    }

    [Fact]
    public async Task A_replica_that_knows_no_leader_says_so()
    {
        _nodes[0].Start(_first);
        await Assert.ThrowsAsync<NotControllerException>(() => _nodes[0].Log!.AskLeaderAsync<DescribeQuorumResponse>(new DescribeQuorumRequest(), _patience));
    }

    [Fact]
    public async Task A_newcomer_that_nobody_answers_for_is_refused_before_the_time_is_over()
    {
        Start(_nodes);
        var leader = await QuorumNode.LeaderAsync(_nodes);
        await leader.AppendAsync("topic");
        var nobody = new QuorumNode(4, _root);
        await nobody.DisposeAsync();
        var clock = Stopwatch.StartNew();
        var answer = await leader.Log!.AskLeaderAsync<AddRaftVoterResponse>(Add(nobody), _patience);
        Assert.Equal(ErrorCode.RequestTimedOut, answer.ErrorCode);
        Assert.True(clock.Elapsed < TimeSpan.FromMilliseconds(Add(nobody).TimeoutMs / 2), $"it took {clock.Elapsed}");
    }

    [Fact]
    public async Task Only_the_metadata_has_a_quorum()
    {
        var one = _nodes[0];
        one.Start(VoterSet.Of(one.Voter));
        await QuorumNode.LeaderAsync(one);
        foreach (var (topic, partitions) in new (string, int[])[] { (TopicNames.ClusterMetadata, [1]), (TopicNames.ClusterMetadata, [0, 1]), ("other", [0]) })
        {
            var described = await one.Log!.AskLeaderAsync<DescribeQuorumResponse>(
                new DescribeQuorumRequest { Topics = [new() { TopicName = topic, Partitions = [.. partitions.Select(index => new DescribeQuorumRequest.PartitionData { PartitionIndex = index })] }] },
                _patience);
            Assert.All(described.Topics.Single().Partitions, partition => Assert.Equal(ErrorCode.UnknownTopicOrPartition, partition.ErrorCode));
            Assert.Equal((partitions.Length, 0), (described.Topics[0].Partitions.Count, described.Nodes.Count));
        }
    }

    [Fact]
    public async Task A_leader_that_is_removed_leaves_the_others_to_lead()
    {
        Start(_nodes);
        var removed = await QuorumNode.LeaderAsync(_nodes);
        var answer = await removed.Log!.AskAsync(
            new RemoveRaftVoterRequest { ClusterId = "cluster", VoterId = removed.Id, VoterDirectoryId = removed.Voter.Key.DirectoryId }, CancellationToken.None);
        Assert.Equal(ErrorCode.None, Assert.IsType<RemoveRaftVoterResponse>(answer).ErrorCode);
        var leader = await QuorumNode.LeaderAsync([.. _nodes.Where(node => node != removed)]);
        await leader.AppendAsync("without it");
        await QuorumNode.Until(() => removed.Topics.Contains("without it"), "the observer that was a leader to hear of it");
        Assert.False(removed.Log.Status.IsVoter);
    }

    [Fact]
    public async Task A_quorum_of_one_whose_log_was_cut_grows_to_three_that_begin_with_its_snapshot()
    {
        // The pieces are small, so that the snapshot takes many of them.
        var nodes = Enumerable.Range(4, 3).Select(id => new QuorumNode(id, _root) { Settings = new QuorumSettings { FetchMaxBytes = 1000 } }).ToArray();
        try
        {
            string[] old = [.. Enumerable.Range(0, 300).Select(i => $"old-{i:D3}")];
            await WriteAsQuorumOfOneAsync(Path.Combine(_root, "node-4"), cut: true, old);
            var one = nodes[0];
            one.Start(VoterSet.Of(one.Voter));
            await QuorumNode.LeaderAsync(one);
            Assert.Equal(1, one.Snapshots);
            Assert.True(one.Log!.Status.StartOffset >= 299, $"the log begins at {one.Log.Status.StartOffset}");
            await one.AppendAsync("new");
            foreach (var newcomer in nodes[1..])
            {
                newcomer.Start(VoterSet.Empty, one.Voter.Peer);
                var answer = await one.Log!.AskAsync(Add(newcomer), CancellationToken.None);
                Assert.Equal(ErrorCode.None, Assert.IsType<AddRaftVoterResponse>(answer).ErrorCode);
                await QuorumNode.Until(() => newcomer.Topics.Contains("new"), $"everything at node {newcomer.Id}");
                Assert.Equal(1, newcomer.Snapshots);
                Assert.Equal(one.Log.Status.StartOffset, newcomer.Log!.Status.StartOffset);
            }

            await one.KillAsync();
            var leader = await QuorumNode.LeaderAsync(nodes[1..]);
            await leader.AppendAsync("without the first");
            await Task.WhenAll(nodes[1..].Select(node => node.KillAsync()));
            foreach (var node in nodes)
            {
                // The log and the snapshot say who votes, and nothing else does.
                node.Start(VoterSet.Empty);
            }

            foreach (var node in nodes)
            {
                await QuorumNode.Until(() => node.Topics.Contains("without the first"), $"everything at node {node.Id} after a restart of all");
                Assert.Equal([.. old, "new", "without the first"], node.Topics);
                Assert.Equal([4, 5, 6], node.Log!.Status.Voters.All.Select(voter => voter.Key.Id));
            }
        }
        finally
        {
            foreach (var node in nodes)
            {
                await node.DisposeAsync();
            }
        }
    }

    private static AddRaftVoterRequest Add(QuorumNode node) => new()
    {
        ClusterId = "cluster",
        TimeoutMs = 10_000,
        VoterId = node.Id,
        VoterDirectoryId = node.Voter.Key.DirectoryId,
        Listeners = [new() { Name = "QUORUM", Host = "127.0.0.1", Port = (ushort)node.Port }],
    };

    /// <param name="cut">The log begins behind a snapshot of all but the last topic.</param>
    private static async Task WriteAsQuorumOfOneAsync(string path, bool cut, params string[] topics)
    {
        var node = new Nobody();
        var environment = new LogEnvironment(PhysicalDisk.Instance, TimeProvider.System, new Random(1), node);
        Assert.True(LogDirectory.TryOpen(path, "cluster", 1, environment, out var directory, out var problem), problem);
        using (directory)
        {
            var log = LocalMetadataLog.Open(directory!, environment, new MetadataLogSettings { MaxRetentionBytes = cut ? 0 : -1 });
            log.Start(node);
            foreach (var topic in topics)
            {
                if (cut && topic == topics[^1])
                {
                    await QuorumNode.Until(() => node.Store.Current.Offset == log.EndOffset - 1, "everything to be committed");
                    log.WriteSnapshot(node.Store.Current);
                }

                log.Append(node.Epoch, [new TopicRecord { Name = topic, TopicId = Guid.NewGuid() }]);
            }

            await log.DisposeAsync();
        }
    }

    private void Start(params QuorumNode[] nodes)
    {
        foreach (var node in nodes)
        {
            node.Start(_first);
        }
    }

    private sealed class Nobody : IMetadataLogListener, IDiskErrorSink
    {
        public int Epoch { get; private set; }

        public MetadataStore Store { get; } = new();

        public void Committed(IReadOnlyList<IMessage> records, long lastOffset, int epoch, bool isSnapshot) => Store.Apply(records, lastOffset, epoch, isSnapshot);

        public void BecameLeader(int epoch) => Epoch = epoch;

        public void LostLeadership(Exception? cause)
        {
        }

        public void DiskFailed(string logDirectory, Exception error) => Assert.Fail($"The disk failed: {error}");
    }
}
