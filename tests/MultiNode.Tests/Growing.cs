using Milena.Metadata.Quorum;
using Milena.Model;
using Milena.Node.Membership;

namespace Milena.MultiNode.Tests;

/// <summary>How a metadata quorum of one becomes one of three.</summary>
public sealed class Growing
{
    [Fact]
    public async Task A_node_that_began_alone_shares_the_vote_with_two_that_join_and_can_be_missed_then()
    {
        await using var cluster = new InProcessCluster(1);
        await cluster.StartAsync(1);
        Assert.Equal(ErrorCode.None, cluster.CreateTopic(askedAt: 1, "early", copies: 1).ErrorCode);
        await cluster.UntilAsync(() => cluster.Produce(1, "early") == ErrorCode.None, "a record is acknowledged");
        await cluster.StartAsync(2);
        Assert.Equal([1], cluster.VotersSeenBy(1).Keys);
        await cluster.StartAsync(3);
        await cluster.UntilAsync(() => cluster.VotersSeenBy(1).Keys.Order().SequenceEqual([1, 2, 3]), "all three vote");
        Assert.Equal(ErrorCode.None, cluster.Reassign(1, "early", 1, 2, 3));
        await cluster.UntilAsync(() => cluster.Describe(2, "early").IsrNodes.Count == 3, "the record is on all three");

        await cluster.StopAsync(1);
        await cluster.UntilAsync(() => cluster.Describe(2, "early") is { LeaderId: 2 or 3 }, "another node leads");
        var leader = cluster.Describe(2, "early").LeaderId;
        await cluster.UntilAsync(() => !cluster.Fetch(leader, "early").Records.IsEmpty, "the record is read there");
        Assert.Equal(ErrorCode.None, cluster.Produce(leader, "early"));
        Assert.Equal(ErrorCode.None, cluster.CreateTopic(askedAt: 3, "late", copies: 2).ErrorCode);

        await cluster.StartAsync(1);
        Assert.Equal([1, 2, 3], cluster.VotersSeenBy(3).Keys.Order());
        Assert.True(cluster.Describe(1, "late").ReplicaNodes.Count == 2);
    }

    [Theory]
    [InlineData(1, 0, null)]
    [InlineData(1, 1, null)]
    [InlineData(1, 2, 11)]
    [InlineData(2, 0, null)]
    [InlineData(2, 1, 11)]
    [InlineData(3, 2, null)]
    public void Voters_are_added_until_there_are_three_and_only_if_there_can_be(int voters, int willing, int? expected)
    {
        var status = Status(QuorumRole.Leader, voters, observers: 3);
        var observers = QuorumGrowth.Observers(status);
        // The first observer does not want to, and the others are asked in their turn.
        var answers = Enumerable.Range(10, willing + 1).Select(id => AnswerOf(id, wouldVote: id > 10)).Reverse();
        Assert.Equal(expected, QuorumGrowth.Next(status, observers, "cluster", answers)?.NodeId);
        Assert.Null(QuorumGrowth.Next(status, observers, "another", answers));
    }

    [Fact]
    public void Observers_that_are_behind_are_not_asked_and_who_does_not_lead_asks_none()
    {
        var status = Status(QuorumRole.Leader, voters: 1, observers: 3);
        Assert.Equal([10, 11, 12], QuorumGrowth.Observers(status).Select(key => key.Id));
        var oneIsBehind = status with { Replicas = [.. status.Replicas.Select(one => one.Key.Id == 10 ? one with { LastCaughtUpTimestampMs = 8_000 } : one)] };
        Assert.Equal([11, 12], QuorumGrowth.Observers(oneIsBehind).Select(key => key.Id));
        var twoAreBehind = status with { Replicas = [.. status.Replicas.Select(one => one.Key.Id is 10 or 11 ? one with { LastCaughtUpTimestampMs = -1 } : one)] };
        Assert.Empty(QuorumGrowth.Observers(twoAreBehind));
        Assert.Empty(QuorumGrowth.Observers(status with { Role = QuorumRole.Follower }));
    }

    private static ReplicaKey KeyOf(int id) => new(id, new Guid(id, 0, 0, new byte[8]));

    private static IAm AnswerOf(int id, bool wouldVote) => new(
        id, KeyOf(id).DirectoryId, "cluster", new QuorumEndpoint("CONTROLLER", "h", 1), IsMember: true, KnowsAsker: true, LeaderId: 1, VoterSet.Empty, WouldVote: wouldVote);

    private static QuorumStatus Status(QuorumRole role, int voters, int observers)
    {
        var ids = Enumerable.Range(1, voters).Select(id => (Id: id, IsVoter: true)).Concat(Enumerable.Range(10, observers).Select(id => (Id: id, IsVoter: false)));
        var set = VoterSet.Of(Enumerable.Range(1, voters).Select(id => new Voter(KeyOf(id), [new QuorumEndpoint("CONTROLLER", "h", 1)])));
        return new QuorumStatus(
            role, 1, 1, null, HearsLeader: true, IsVoter: true, HasVoted: true, set, 5, 0, 5, AtMs: 10_000,
            [.. ids.Select(one => new ReplicaStatus(KeyOf(one.Id), one.IsVoter, 5, 10_000, 10_000))]);
    }

    [Fact]
    public async Task Whose_vote_was_taken_away_gets_it_back_only_from_who_took_it()
    {
        await using var cluster = new InProcessCluster(1);
        await cluster.StartAsync(1);
        await Task.WhenAll(cluster.StartAsync(2), cluster.StartAsync(3));
        await cluster.UntilAsync(() => cluster.VotersSeenBy(1).Count == 3, "all three vote");
        await cluster.UntilAsync(() => cluster.RemoveVoter(askedAt: 1, 3) == ErrorCode.None, "3 does not vote any more");
        await cluster.StopAsync(3);
        await cluster.StartAsync(3);
        // Two voters, and would 3 take part by itself, it would be before the one that comes only now.
        await cluster.StartAsync(4);
        await cluster.UntilAsync(() => cluster.VotersSeenBy(1).Count == 3, "another node votes in its place");
        Assert.Equal([1, 2, 4], cluster.VotersSeenBy(1).Keys.Order());
    }

    [Fact]
    public async Task A_node_that_is_told_not_to_stays_without_a_vote()
    {
        await using var cluster = new InProcessCluster(1);
        await cluster.StartAsync(1);
        await cluster.StartAsync(2, more: ["--set", "controller.quorum.auto.join.enable=false"]);
        await cluster.StartAsync(3);
        await cluster.StartAsync(4);
        await cluster.UntilAsync(() => cluster.VotersSeenBy(1).Count == 3, "three vote");
        Assert.Equal([1, 3, 4], cluster.VotersSeenBy(1).Keys.Order());
    }
}
