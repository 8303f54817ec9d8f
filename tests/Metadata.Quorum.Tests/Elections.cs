using Milena.Model;
using Milena.Protocol;
using static Milena.Metadata.Quorum.Tests.MachineFixture;

namespace Milena.Metadata.Quorum.Tests;

public sealed class Elections
{
    [Fact]
    public void A_vote_is_answered_when_it_is_on_the_disk()
    {
        var replica = new MachineFixture();
        Assert.Null(replica.Ask<VoteResponse>(Vote(candidate: 2, epoch: 1)));
        Assert.Equal(new ElectionState(1, null, KeyOf(2)), replica.SyncElection());
        Assert.True(replica.AnswerTo<VoteResponse>(replica.LastRequestId)!.Topics[0].Partitions[0].VoteGranted);
    }

    [Fact]
    public void There_is_one_vote_in_an_epoch_also_after_a_restart()
    {
        var replica = new MachineFixture(stored: new ElectionState(4, null, KeyOf(2)));
        Assert.False(Granted(replica.Ask<VoteResponse>(Vote(candidate: 3, epoch: 4))));
        Assert.True(Granted(replica.Ask<VoteResponse>(Vote(candidate: 2, epoch: 4))));
    }

    [Theory]
    [InlineData(5, 2, true)]
    [InlineData(4, 2, false)]
    [InlineData(9, 1, false)]
    [InlineData(0, 3, true)]
    public void A_vote_goes_to_a_log_that_lacks_nothing(long lastOffset, int lastEpoch, bool granted)
    {
        var replica = new MachineFixture(stored: new ElectionState(7, null, null), log: [Batch(0, 1, 2), Batch(2, 2, 3)]);
        replica.Ask<VoteResponse>(Vote(candidate: 2, epoch: 7, lastOffset, lastEpoch));
        replica.SyncElection();
        Assert.Equal(granted, Granted(replica.AnswerTo<VoteResponse>(replica.LastRequestId)));
    }

    [Fact]
    public void A_candidate_asks_first_whether_it_would_win_and_counts_its_own_vote_when_it_is_on_the_disk()
    {
        var replica = new MachineFixture();
        replica.Pass(1_000);
        Assert.Equal(QuorumRole.Prospective, replica.Machine.Role);
        Assert.Equal(0, replica.Machine.Epoch);
        var preVotes = replica.TakeSends<VoteRequest>();
        Assert.All(preVotes, sent => Assert.True(((VoteRequest)sent.Request).Topics[0].Partitions[0].PreVote));
        replica.Answer(preVotes[0], Voted(0, granted: true));
        Assert.Equal(QuorumRole.Candidate, replica.Machine.Role);
        Assert.Empty(replica.TakeSends<VoteRequest>());
        Assert.Equal(new ElectionState(1, null, KeyOf(1)), replica.SyncElection());
        Assert.Equal(2, replica.TakeSends<VoteRequest>().Count);
    }

    [Fact]
    public void A_sole_voter_leads_at_once_but_not_before_its_vote_is_on_the_disk()
    {
        var replica = new MachineFixture(voters: 1);
        replica.Pass(0);
        Assert.Equal(QuorumRole.Candidate, replica.Machine.Role);
        replica.SyncElection();
        Assert.Equal(QuorumRole.Leader, replica.Machine.Role);
        replica.SyncLog();
        Assert.Contains(new QuorumOutput.BecameLeader(1), replica.Outputs);
        Assert.Equal(1, replica.Machine.Log.Voters.Count);
        Assert.True(replica.Machine.Log.VotersOffset >= 0, "the log does not say who votes");
    }

    [Fact]
    public void Who_hears_from_a_leader_sees_no_reason_for_an_election()
    {
        var replica = new MachineFixture().Follow();
        replica.Answer(replica.TakeSends<FetchRequest>()[^1], Fetched(2, 1, 0));
        Assert.False(Granted(replica.Ask<VoteResponse>(Vote(candidate: 3, epoch: 1, preVote: true))));
        replica.Pass(replica.Settings.FetchTimeoutMs * 5 / 4);
        Assert.True(Granted(replica.Ask<VoteResponse>(Vote(candidate: 3, epoch: 1, preVote: true))));
    }

    [Fact]
    public void A_granted_pre_vote_does_not_lead_back_to_the_leader_that_it_names()
    {
        var replica = new MachineFixture().Follow();
        replica.Pass(replica.Settings.FetchTimeoutMs * 5 / 4);
        Assert.Equal(QuorumRole.Prospective, replica.Machine.Role);
        replica.Answer(replica.TakeSends<VoteRequest>()[0], Voted(1, granted: true, leader: 2));
        Assert.Equal(QuorumRole.Candidate, replica.Machine.Role);
    }

    [Fact]
    public void Who_is_told_of_a_leader_by_others_does_not_hear_from_him()
    {
        var replica = new MachineFixture().Follow();
        replica.Answer(replica.TakeSends<FetchRequest>()[^1], Fetched(2, 1, 0));
        Assert.True(replica.Machine.HearsLeader);
        replica.Pass(replica.Settings.FetchTimeoutMs * 5 / 4);
        Assert.False(replica.Machine.HearsLeader);
        replica.Answer(replica.TakeSends<VoteRequest>()[0], Voted(1, granted: false, leader: 2));
        Assert.Equal((QuorumRole.Follower, 2, false), (replica.Machine.Role, replica.Machine.LeaderId, replica.Machine.HearsLeader));
    }

    [Fact]
    public void A_leader_whose_process_is_gone_is_not_waited_for_and_others_are_granted_a_vote_ahead()
    {
        var replica = new MachineFixture().Follow();
        replica.Answer(replica.TakeSends<FetchRequest>()[^1], Fetched(2, 1, 0));
        replica.Do(machine => machine.PeerGone(VoterOf(3).Peer, replica.NowMs));
        Assert.False(Granted(replica.Ask<VoteResponse>(Vote(candidate: 3, epoch: 1, preVote: true))));
        replica.Do(machine => machine.PeerGone(VoterOf(2).Peer, replica.NowMs));
        Assert.True(Granted(replica.Ask<VoteResponse>(Vote(candidate: 3, epoch: 1, preVote: true))));
        replica.Pass(replica.Settings.ElectionBackoffMaxMs / 2);
        Assert.Equal(QuorumRole.Prospective, replica.Machine.Role);
    }

    [Fact]
    public void Two_candidates_that_met_while_the_third_voter_is_down_try_again_soon()
    {
        var replica = new MachineFixture();
        replica.Pass(1_000);
        replica.Answer(replica.TakeSends<VoteRequest>()[0], Voted(0, granted: true));
        replica.SyncElection();
        var asked = replica.TakeSends<VoteRequest>();
        replica.Answer(asked[0], Voted(1, granted: false));
        replica.Answer(asked[1], null);
        replica.Pass(replica.Settings.ElectionBackoffMaxMs);
        Assert.Equal(QuorumRole.Prospective, replica.Machine.Role);
    }

    [Fact]
    public void The_first_of_the_successors_stands_soon_when_the_leader_gives_up()
    {
        var replica = new MachineFixture().Follow();
        replica.Answer(replica.TakeSends<FetchRequest>()[^1], Fetched(2, 1, 0));
        replica.Ask<EndQuorumEpochResponse>(new EndQuorumEpochRequest
        {
            ClusterId = ClusterId,
            Topics = [new()
            {
                TopicName = TopicNames.ClusterMetadata,
                Partitions = [new() { LeaderId = 2, LeaderEpoch = 1, PreferredCandidates = [new() { CandidateId = 1, CandidateDirectoryId = KeyOf(1).DirectoryId }] }],
            }],
        });
        replica.Pass(replica.Settings.RetryBackoffMs);
        Assert.Equal(QuorumRole.Prospective, replica.Machine.Role);
    }

    [Fact]
    public void A_leader_that_no_majority_fetches_from_resigns()
    {
        var replica = new MachineFixture().LeadAndCommit();
        replica.Pass(replica.Settings.CheckQuorumTimeoutMs - 1);
        Assert.Equal(QuorumRole.Leader, replica.Machine.Role);
        replica.Pass(1);
        Assert.Equal(QuorumRole.Resigned, replica.Machine.Role);
        Assert.Contains(new QuorumOutput.LostLeadership(1), replica.Outputs);
        Assert.Equal(2, replica.TakeSends<EndQuorumEpochRequest>().Count);
    }

    [Fact]
    public void A_request_of_another_cluster_or_to_the_replica_on_an_emptied_disk_is_refused()
    {
        var replica = new MachineFixture();
        var foreign = Vote(candidate: 2, epoch: 9);
        foreign.ClusterId = "another";
        Assert.Equal(ErrorCode.InconsistentClusterId, replica.Ask<VoteResponse>(foreign)!.ErrorCode);
        var predecessor = Vote(candidate: 2, epoch: 9);
        predecessor.Topics[0].Partitions[0].VoterDirectoryId = new Guid(99, 0, 0, new byte[8]);
        Assert.Equal(ErrorCode.InvalidVoterKey, replica.Ask<VoteResponse>(predecessor)!.Topics[0].Partitions[0].ErrorCode);
        Assert.Equal(0, replica.Machine.Epoch);
    }

    [Fact]
    public void Answers_that_wait_for_a_stuck_disk_are_bounded()
    {
        var replica = new MachineFixture(settings: new QuorumSettings { MaxParkedAnswers = 10 });
        for (var i = 0; i < 100; i++)
        {
            Assert.Null(replica.Ask<VoteResponse>(Vote(candidate: 2, epoch: 1)));
        }

        Assert.Equal(90, replica.Outputs.OfType<QuorumOutput.Drop>().Count());
        replica.SyncElection();
        Assert.Equal(10, replica.Outputs.OfType<QuorumOutput.Answer>().Count());
    }

    private static bool Granted(VoteResponse? response) => response!.Topics[0].Partitions[0].VoteGranted;
}
