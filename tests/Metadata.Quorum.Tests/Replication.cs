using Milena.Model;
using Milena.Protocol;
using static Milena.Metadata.Quorum.Tests.MachineFixture;

namespace Milena.Metadata.Quorum.Tests;

public sealed class Replication
{
    [Fact]
    public void A_follower_acknowledges_what_is_on_its_disk()
    {
        var replica = new MachineFixture().Follow();
        replica.Answer(replica.TakeSends<FetchRequest>()[^1], Fetched(2, 1, 0, Batch(0, 1, 3)));
        replica.Pass(100);
        Assert.Equal(3, replica.Machine.Log.EndOffset);
        Assert.Empty(replica.TakeSends<FetchRequest>());
        replica.SyncLog();
        Assert.Equal(3, ((FetchRequest)Assert.Single(replica.TakeSends<FetchRequest>()).Request).Topics[0].Partitions[0].FetchOffset);
    }

    [Fact]
    public void A_leader_counts_itself_up_to_its_own_flushed_offset()
    {
        var replica = new MachineFixture().Lead();
        replica.Ask<FetchResponse>(Fetch(2, 1, replica.Machine.Log.EndOffset, 1));
        Assert.Equal(0, replica.Machine.HighWatermark);
        replica.SyncLog();
        Assert.Equal(replica.Machine.Log.EndOffset, replica.Machine.HighWatermark);
        Assert.Contains(new QuorumOutput.BecameLeader(1), replica.Outputs);
    }

    [Fact]
    public void An_earlier_epochs_record_is_decided_with_one_of_the_leaders_own()
    {
        var replica = new MachineFixture(stored: new ElectionState(4, null, null), log: Batch(0, 4, 5)).Lead();
        replica.SyncLog();
        replica.Ask<FetchResponse>(Fetch(2, 5, 5, 4));
        Assert.Equal(0, replica.Machine.HighWatermark);
        replica.Ask<FetchResponse>(Fetch(2, 5, replica.Machine.Log.EndOffset, 5));
        Assert.Equal(replica.Machine.Log.EndOffset, replica.Machine.HighWatermark);
    }

    [Fact]
    public void An_append_in_an_epoch_that_is_over_is_refused()
    {
        var replica = new MachineFixture().LeadAndCommit();
        long? offset = null;
        replica.Do(machine => offset = machine.Append(1, Batch(), replica.NowMs));
        Assert.Equal(replica.Machine.Log.EndOffset - 1, offset);
        replica.Ask<BeginQuorumEpochResponse>(Begin(leader: 3, epoch: 2));
        replica.Do(machine => offset = machine.Append(1, Batch(), replica.NowMs));
        Assert.Null(offset);
        Assert.Contains(new QuorumOutput.LostLeadership(1), replica.Outputs);
    }

    [Fact]
    public void A_fetch_waits_for_records_and_is_answered_by_them()
    {
        var replica = new MachineFixture().LeadAndCommit();
        var end = replica.Machine.Log.EndOffset;
        Assert.Null(replica.Ask<FetchResponse>(Fetch(3, 1, end, 1, highWatermark: end)));
        replica.Do(machine => machine.Append(1, Batch(), replica.NowMs));
        Assert.NotNull(replica.AnswerTo<FetchResponse>(replica.LastRequestId));
    }

    [Fact]
    public void A_fetch_that_waits_in_vain_is_answered_after_its_wait()
    {
        var replica = new MachineFixture().LeadAndCommit();
        var end = replica.Machine.Log.EndOffset;
        replica.Ask<FetchResponse>(Fetch(3, 1, end, 1, highWatermark: end, maxWaitMs: 200));
        replica.Pass(199);
        Assert.Null(replica.AnswerTo<FetchResponse>(replica.LastRequestId));
        replica.Pass(1);
        Assert.Equal(end, replica.AnswerTo<FetchResponse>(replica.LastRequestId)!.Responses[0].Partitions[0].HighWatermark);
    }

    [Fact]
    public void A_log_that_differs_is_cut_where_it_can_be_the_leaders()
    {
        var replica = new MachineFixture(stored: new ElectionState(3, null, null), log: [Batch(0, 1, 4), Batch(4, 2, 4)]).Follow(epoch: 3);
        replica.Answer(replica.TakeSends<FetchRequest>()[^1], Fetched(2, 3, 0, diverging: (1, 6)));
        Assert.Contains(new QuorumOutput.Truncate(4), replica.Outputs);
        Assert.Equal(4, replica.Machine.Log.EndOffset);
        Assert.Equal(1, replica.Machine.Log.LastEpoch);
    }

    [Fact]
    public void A_leader_says_where_a_followers_log_differs()
    {
        var replica = new MachineFixture(stored: new ElectionState(4, null, null), log: [Batch(0, 1, 4), Batch(4, 3, 1)]).Lead();
        var answer = replica.Ask<FetchResponse>(Fetch(2, 5, 8, 2))!.Responses[0].Partitions[0];
        Assert.Equal((1, 4L), (answer.DivergingEpoch.Epoch, answer.DivergingEpoch.EndOffset));
        Assert.Equal(0, replica.Machine.HighWatermark);
    }

    [Fact]
    public void A_truncation_below_what_was_decided_stops_the_replica()
    {
        var replica = new MachineFixture().Follow();
        replica.Answer(replica.TakeSends<FetchRequest>()[^1], Fetched(2, 1, 3, Batch(0, 1, 3)));
        replica.SyncLog();
        Assert.Equal(3, replica.Machine.HighWatermark);
        var fetch = replica.TakeSends<FetchRequest>()[^1];
        Assert.Throws<InvalidDataException>(() => replica.Answer(fetch, Fetched(2, 1, 3, diverging: (0, 0))));
    }

    [Fact]
    public void Bytes_that_do_not_follow_the_log_are_not_appended()
    {
        var corrupt = Batch(0, 1, 3);
        corrupt[^1] ^= 1;
        foreach (var bytes in new[] { corrupt, Batch(7, 1, 3), Batch(0, epoch: 2, 3) })
        {
            var replica = new MachineFixture().Follow();
            replica.Answer(replica.TakeSends<FetchRequest>()[^1], Fetched(2, 1, 0, bytes));
            Assert.Equal(0, replica.Machine.Log.EndOffset);
        }
    }

    [Theory]
    [InlineData(0, ErrorCode.FencedLeaderEpoch)]
    [InlineData(2, ErrorCode.UnknownLeaderEpoch)]
    public void A_fetch_in_another_epoch_is_refused_with_the_leaders_own(int epoch, ErrorCode error)
    {
        var replica = new MachineFixture().LeadAndCommit();
        var answer = replica.Ask<FetchResponse>(Fetch(2, epoch, 0, 0))!;
        Assert.Equal(error, answer.Responses[0].Partitions[0].ErrorCode);
        Assert.Equal((1, 1), (answer.Responses[0].Partitions[0].CurrentLeader.LeaderId, answer.Responses[0].Partitions[0].CurrentLeader.LeaderEpoch));
        Assert.Equal(9001, answer.NodeEndpoints.Single().Port);
    }

    [Fact]
    public void A_flush_that_began_before_a_truncation_vouches_for_nothing_after_it()
    {
        var log = new LogOutline(VoterSet.Empty);
        log.Appended(Batch(0, 1, 4));
        var generation = log.Generation;
        log.TruncateTo(0);
        log.Appended(Batch(0, 2, 4));
        log.Flushed(generation, 4);
        Assert.Equal(0, log.FlushedOffset);
        log.Flushed(log.Generation, 4);
        Assert.Equal(4, log.FlushedOffset);
    }
}
