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
        Reach(replica, 4);
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
        Reach(replica, 4);
        replica.Pass(100);
        Assert.Equal(ErrorCode.RequestTimedOut, replica.AnswerTo<AddRaftVoterResponse>(replica.LastRequestId)!.ErrorCode);
        Assert.Equal(3, replica.Machine.Log.Voters.Count);
    }

    [Fact]
    public void A_newcomer_that_is_not_where_it_is_said_to_be_is_refused_at_once()
    {
        var replica = new MachineFixture().LeadAndCommit();
        replica.Ask<FetchResponse>(Fetch(4, 1, replica.Machine.Log.EndOffset, 1, maxWaitMs: 0));
        replica.Ask<AddRaftVoterResponse>(Add(4));
        var request = replica.LastRequestId;
        replica.Answer(Assert.Single(replica.TakeSends<ApiVersionsRequest>()), null);
        Assert.Equal(ErrorCode.RequestTimedOut, replica.AnswerTo<AddRaftVoterResponse>(request)!.ErrorCode);
        Assert.Equal(3, replica.Machine.Log.Voters.Count);

        // And the next one may come, with the right address.
        replica.Ask<AddRaftVoterResponse>(Add(4));
        Reach(replica, 4);
        Assert.Equal(4, replica.Machine.Log.Voters.Count);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    public void A_newcomer_that_does_not_know_how_voters_are_changed_is_refused(short level)
    {
        var replica = new MachineFixture().LeadAndCommit();
        replica.Ask<AddRaftVoterResponse>(Add(4));
        var request = replica.LastRequestId;
        List<ApiVersionsResponse.SupportedFeatureKey> features = level < 0 ? [] : [new() { Name = "kraft.version", MinVersion = 0, MaxVersion = level }];
        replica.Answer(Assert.Single(replica.TakeSends<ApiVersionsRequest>()), new ApiVersionsResponse { SupportedFeatures = features });
        Assert.Equal(ErrorCode.InvalidRequest, replica.AnswerTo<AddRaftVoterResponse>(request)!.ErrorCode);
    }

    [Fact]
    public void An_answer_to_a_change_that_is_over_says_nothing_of_the_next_one()
    {
        var replica = new MachineFixture().LeadAndCommit();
        replica.Ask<FetchResponse>(Fetch(5, 1, replica.Machine.Log.EndOffset, 1, maxWaitMs: 0));
        replica.Ask<AddRaftVoterResponse>(Add(4, timeoutMs: 100));
        var late = Assert.Single(replica.TakeSends<ApiVersionsRequest>());
        replica.Pass(100);
        replica.Ask<AddRaftVoterResponse>(Add(5));
        replica.Answer(late, What());
        Assert.Equal(3, replica.Machine.Log.Voters.Count);
        Reach(replica, 5);
        Assert.Equal([1, 2, 3, 5], replica.Machine.Log.Voters.All.Select(voter => voter.Key.Id));
    }

    [Fact]
    public void A_newcomer_is_reached_under_the_name_that_the_quorum_uses()
    {
        var replica = new MachineFixture().LeadAndCommit();
        replica.Ask<FetchResponse>(Fetch(4, 1, replica.Machine.Log.EndOffset, 1, maxWaitMs: 0));
        var request = Add(4);
        request.Listeners.Insert(0, new() { Name = "OTHER", Host = "elsewhere", Port = 1 });
        replica.Ask<AddRaftVoterResponse>(request);
        Reach(replica, 4);
        var voter = replica.Machine.Log.Voters.Find(4)!;
        Assert.Equal((VoterOf(4).Peer, 2), (voter.Peer, voter.Endpoints.Length));
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
    public void Who_was_a_voter_by_a_decided_set_has_voted()
    {
        byte[] Voters(VoterSet set)
        {
            var batch = ControlRecords.ToBatch(1, set.ToRecord());
            RecordBatchHeader.SetLeaderEpoch(batch, 1);
            return batch;
        }

        var with = Voters(VoterSet.Of(VoterOf(1), VoterOf(2)));
        var without = Voters(VoterSet.Of(VoterOf(2)));
        RecordBatchHeader.SetBaseOffset(without, 1);
        var replica = new MachineFixture(voters: 0, stored: new ElectionState(1, null, null), log: [with, without]);
        Assert.False(replica.Machine.HasVoted);
        replica.Follow();
        replica.Answer(Assert.Single(replica.TakeSends<FetchRequest>()), Fetched(2, 1, highWatermark: 1));
        Assert.True(replica.Machine.HasVoted);
        Assert.False(replica.Machine.IsVoter);
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

    public static TheoryData<string, AddRaftVoterRequest, ErrorCode> WrongNewcomers()
    {
        var cases = new TheoryData<string, AddRaftVoterRequest, ErrorCode>();
        void Case(string name, ErrorCode error, Action<AddRaftVoterRequest> spoil)
        {
            var request = Add(4);
            spoil(request);
            cases.Add(name, request, error);
        }

        Case("another cluster", ErrorCode.InconsistentClusterId, one => one.ClusterId = "another");
        Case("another cluster before all else", ErrorCode.InconsistentClusterId, one => (one.ClusterId, one.VoterId) = ("another", -1));
        Case("no id", ErrorCode.InvalidRequest, one => one.VoterId = -1);
        Case("no directory", ErrorCode.InvalidRequest, one => one.VoterDirectoryId = Guid.Empty);
        Case("no address", ErrorCode.InvalidRequest, one => one.Listeners.Clear());
        Case("no address under the quorum's name", ErrorCode.InvalidRequest, one => one.Listeners[0].Name = "OTHER");
        Case("an empty host", ErrorCode.InvalidRequest, one => one.Listeners[0].Host = "");
        Case("port 0", ErrorCode.InvalidRequest, one => one.Listeners[0].Port = 0);
        Case("a voter's id", ErrorCode.DuplicateVoter, one => (one.VoterId, one.VoterDirectoryId) = (2, KeyOf(2).DirectoryId));
        Case("a voter's id with another directory", ErrorCode.DuplicateVoter, one => one.VoterId = 2);
        return cases;
    }

    [Theory]
    [MemberData(nameof(WrongNewcomers))]
    public void A_voter_that_cannot_be_added_is_refused(string name, AddRaftVoterRequest request, ErrorCode error)
    {
        var replica = new MachineFixture().LeadAndCommit();
        Assert.True(error == replica.Ask<AddRaftVoterResponse>(request)?.ErrorCode, name);
        Assert.Empty(replica.TakeSends<ApiVersionsRequest>());
    }

    [Theory]
    [InlineData("another", 3, true, ErrorCode.InconsistentClusterId)]
    [InlineData(null, 9, true, ErrorCode.VoterNotFound)]
    [InlineData(ClusterId, 3, false, ErrorCode.InvalidRequest)]
    [InlineData(ClusterId, -1, true, ErrorCode.InvalidRequest)]
    public void A_voter_that_cannot_be_removed_is_refused(string? cluster, int id, bool hasDirectory, ErrorCode error)
    {
        var request = new RemoveRaftVoterRequest { ClusterId = cluster, VoterId = id, VoterDirectoryId = hasDirectory ? Guid.NewGuid() : Guid.Empty };
        Assert.Equal(error, new MachineFixture().LeadAndCommit().Ask<RemoveRaftVoterResponse>(request)!.ErrorCode);
    }

    [Fact]
    public void A_voter_of_another_directory_than_the_request_names_stays()
    {
        var replica = new MachineFixture().LeadAndCommit();
        var request = Remove(3);
        request.VoterDirectoryId = KeyOf(4).DirectoryId;
        Assert.Equal(ErrorCode.VoterNotFound, replica.Ask<RemoveRaftVoterResponse>(request)!.ErrorCode);
        Assert.Equal(3, replica.Machine.Log.Voters.Count);
    }

    [Fact]
    public void The_last_voter_stays()
    {
        var replica = new MachineFixture(voters: 1);
        replica.Pass(0);
        replica.SyncElection();
        replica.SyncLog();
        Assert.Equal(ErrorCode.VoterNotFound, replica.Ask<RemoveRaftVoterResponse>(Remove(1))!.ErrorCode);
        Assert.Equal(QuorumRole.Leader, replica.Machine.Role);
    }

    [Fact]
    public void Who_does_not_lead_refuses_changes() =>
        Assert.Equal(ErrorCode.NotLeaderOrFollower, new MachineFixture().Follow().Ask<RemoveRaftVoterResponse>(Remove(3))!.ErrorCode);

    /// <summary>The leader asks the newcomer what it serves, and is told.</summary>
    private static void Reach(MachineFixture replica, int id)
    {
        var asked = Assert.Single(replica.TakeSends<ApiVersionsRequest>());
        Assert.Equal(VoterOf(id).Peer, asked.To);
        replica.Answer(asked, What());
    }

    private static ApiVersionsResponse What() => new MachineFixture().Ask<ApiVersionsResponse>(new ApiVersionsRequest())!;

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
