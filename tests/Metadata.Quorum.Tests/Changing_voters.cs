using Milena.Model;
using Milena.Protocol;
using static Milena.Metadata.Quorum.Tests.MachineFixture;

namespace Milena.Metadata.Quorum.Tests;

public sealed class Changing_voters
{
    [Fact]
    public void A_newcomer_votes_once_it_has_caught_up()
    {
        var replica = new MachineFixture().LeadAndCommit();
        var end = replica.Machine.Log.EndOffset;
        Assert.Null(replica.Ask<AddRaftVoterResponse>(Add(4)));
        var request = replica.LastRequestId;
        replica.Ask<FetchResponse>(Fetch(4, 1, 0, 0));
        Assert.Equal(3, replica.Machine.Log.Voters.Count);
        replica.Ask<FetchResponse>(Fetch(4, 1, end, 1, maxWaitMs: 0));
        Assert.Equal(4, replica.Machine.Log.Voters.Count);
        Assert.Null(replica.AnswerTo<AddRaftVoterResponse>(request));

        // Of four voters three have to have it.
        replica.SyncLog();
        replica.Ask<FetchResponse>(Fetch(4, 1, replica.Machine.Log.EndOffset, 1));
        Assert.Null(replica.AnswerTo<AddRaftVoterResponse>(request));
        replica.Ask<FetchResponse>(Fetch(2, 1, replica.Machine.Log.EndOffset, 1));
        Assert.Equal(ErrorCode.None, replica.AnswerTo<AddRaftVoterResponse>(request)!.ErrorCode);
    }

    [Fact]
    public void A_newcomer_that_does_not_catch_up_in_time_is_refused()
    {
        var replica = new MachineFixture().LeadAndCommit();
        replica.Ask<AddRaftVoterResponse>(Add(4, timeoutMs: 100));
        replica.Pass(100);
        Assert.Equal(ErrorCode.RequestTimedOut, replica.AnswerTo<AddRaftVoterResponse>(replica.LastRequestId)!.ErrorCode);
        Assert.Equal(3, replica.Machine.Log.Voters.Count);
    }

    [Fact]
    public void There_is_one_change_at_a_time_and_none_before_the_leaders_first_record_is_decided()
    {
        var replica = new MachineFixture().Lead();
        Assert.Equal(ErrorCode.RequestTimedOut, replica.Ask<RemoveRaftVoterResponse>(Remove(3))!.ErrorCode);
        replica.SyncLog();
        replica.Ask<FetchResponse>(Fetch(2, 1, replica.Machine.Log.EndOffset, 1));
        Assert.Null(replica.Ask<RemoveRaftVoterResponse>(Remove(3)));
        Assert.Equal(ErrorCode.RequestTimedOut, replica.Ask<RemoveRaftVoterResponse>(Remove(2))!.ErrorCode);
        Assert.Equal(2, replica.Machine.Log.Voters.Count);
    }

    [Fact]
    public void A_leader_that_is_removed_leads_until_that_is_decided_and_does_not_count_itself()
    {
        var replica = new MachineFixture().LeadAndCommit();
        replica.Ask<RemoveRaftVoterResponse>(Remove(1));
        var request = replica.LastRequestId;
        replica.SyncLog();
        replica.Ask<FetchResponse>(Fetch(2, 1, replica.Machine.Log.EndOffset, 1));
        Assert.Equal(QuorumRole.Leader, replica.Machine.Role);
        replica.Ask<FetchResponse>(Fetch(3, 1, replica.Machine.Log.EndOffset, 1));
        Assert.Equal(ErrorCode.None, replica.AnswerTo<RemoveRaftVoterResponse>(request)!.ErrorCode);
        Assert.Equal(QuorumRole.Resigned, replica.Machine.Role);
        replica.Pass(60_000);
        Assert.Equal(QuorumRole.Unattached, replica.Machine.Role);
        Assert.False(replica.Machine.IsVoter);
    }

    [Fact]
    public void A_change_that_is_truncated_was_none()
    {
        var log = new LogOutline(VoterSet.Of(VoterOf(1), VoterOf(2), VoterOf(3)));
        var batch = ControlRecords.ToBatch(1, log.Voters.Without(3).ToRecord());
        RecordBatchHeader.SetLeaderEpoch(batch, 1);
        log.Appended(batch);
        Assert.Equal(2, log.Voters.Count);
        log.TruncateTo(0);
        Assert.Equal((3, -1L), (log.Voters.Count, log.VotersOffset));
    }

    [Fact]
    public void A_voter_with_another_address_than_the_log_says_tells_the_leader()
    {
        var moved = VoterSet.Of(VoterOf(2), VoterOf(3), VoterOf(1) with { Endpoints = [new QuorumEndpoint("QUORUM", "old", 1)] });
        var batch = ControlRecords.ToBatch(1, moved.ToRecord());
        RecordBatchHeader.SetLeaderEpoch(batch, 1);
        var replica = new MachineFixture(stored: new ElectionState(1, null, null), log: batch).Follow();
        var update = (UpdateRaftVoterRequest)Assert.Single(replica.TakeSends<UpdateRaftVoterRequest>()).Request;
        Assert.Equal((1, "127.0.0.1", (ushort)9001), (update.VoterId, update.Listeners[0].Host, update.Listeners[0].Port));
    }

    [Fact]
    public void A_sole_voter_that_moved_leads_and_says_where_it_is()
    {
        var before = ControlRecords.ToBatch(1, VoterSet.Of(VoterOf(1) with { Endpoints = [new QuorumEndpoint("QUORUM", "old", 1)] }).ToRecord());
        RecordBatchHeader.SetLeaderEpoch(before, 1);
        var replica = new MachineFixture(voters: 0, stored: new ElectionState(1, null, null), log: before);
        replica.Pass(0);
        replica.SyncElection();
        replica.SyncLog();
        Assert.True(replica.Machine.Log.Voters.Find(1)!.HasEndpoints(VoterOf(1).Endpoints), $"the log still has {replica.Machine.Log.Voters.Find(1)!.Peer}");
        replica.SyncLog();
        Assert.Equal(replica.Machine.Log.EndOffset, replica.Machine.HighWatermark);
    }

    [Theory]
    [InlineData(2, ErrorCode.DuplicateVoter)]
    [InlineData(-1, ErrorCode.InvalidRequest)]
    public void A_voter_that_cannot_be_added_is_refused(int id, ErrorCode error) =>
        Assert.Equal(error, new MachineFixture().LeadAndCommit().Ask<AddRaftVoterResponse>(Add(id))!.ErrorCode);

    [Fact]
    public void Who_does_not_lead_refuses_changes() =>
        Assert.Equal(ErrorCode.NotLeaderOrFollower, new MachineFixture().Follow().Ask<RemoveRaftVoterResponse>(Remove(3))!.ErrorCode);

    private static AddRaftVoterRequest Add(int id, int timeoutMs = 5000) => new()
    {
        ClusterId = ClusterId,
        TimeoutMs = timeoutMs,
        VoterId = id,
        VoterDirectoryId = KeyOf(id).DirectoryId,
        Listeners = [new() { Name = "QUORUM", Host = "127.0.0.1", Port = (ushort)(9000 + id) }],
    };

    private static RemoveRaftVoterRequest Remove(int id) => new() { ClusterId = ClusterId, VoterId = id, VoterDirectoryId = KeyOf(id).DirectoryId };
}
