using Milena.Metadata.Snapshots;
using Milena.Model;
using Milena.Protocol;
using static Milena.Metadata.Quorum.Tests.MachineFixture;

namespace Milena.Metadata.Quorum.Tests;

public sealed class Fetching_snapshots
{
    private static readonly SnapshotId At10 = new(10, 3);
    private static readonly byte[] TenBytes = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];

    [Theory]
    [InlineData(0, 0)]
    [InlineData(5, 2)]
    [InlineData(10, 2)]
    [InlineData(12, 2)]
    public void A_leader_offers_its_newest_snapshot_to_a_log_that_ends_out_of_its_reach(long endOffset, int epoch)
    {
        var replica = new MachineFixture(stored: new ElectionState(3, null, null), log: [Batch(0, 3, 10), Batch(10, 3, 5)]).LeadAndCommit();
        replica.Do(machine => machine.SnapshotWritten(At10));
        replica.Do(machine => machine.LogCut(At10));
        replica.Do(machine => machine.SnapshotWritten(new SnapshotId(15, 3)));
        var answer = replica.Ask<FetchResponse>(Fetch(2, 4, endOffset, epoch))!.Responses[0].Partitions[0];
        Assert.Equal((15L, 3), (answer.SnapshotId.EndOffset, answer.SnapshotId.Epoch));
        Assert.Equal((10L, 0), (answer.LogStartOffset, answer.Records.Length));
        Assert.Equal(-1, answer.DivergingEpoch.Epoch);
    }

    [Theory]
    [InlineData(10, 3)]
    [InlineData(15, 3)]
    public void A_leader_gives_records_to_a_log_that_ends_where_its_own_begins_or_above(long endOffset, int epoch)
    {
        var replica = new MachineFixture(stored: new ElectionState(3, null, null), log: [Batch(0, 3, 10), Batch(10, 3, 5)]).LeadAndCommit();
        replica.Do(machine => machine.SnapshotWritten(At10));
        replica.Do(machine => machine.LogCut(At10));
        var answer = replica.Ask<FetchResponse>(Fetch(2, 4, endOffset, epoch))!.Responses[0].Partitions[0];
        Assert.Equal((-1L, -1), (answer.SnapshotId.EndOffset, answer.DivergingEpoch.Epoch));
        Assert.Contains(replica.Outputs.OfType<QuorumOutput.AnswerWithRecords>(), output => output.FromOffset == endOffset);
    }

    [Fact]
    public void A_leader_serves_pieces_and_says_what_it_does_not_have()
    {
        var replica = new MachineFixture(settings: new QuorumSettings { FetchMaxBytes = 4 }).LeadAndCommit();
        replica.Do(machine => machine.Receive(77, Pieces(1, At10, position: 4, maxBytes: 1000), replica.NowMs));
        var answer = replica.Outputs.OfType<QuorumOutput.AnswerWithSnapshot>().Single();
        Assert.Equal((77L, At10, 4L, 4), (answer.RequestId, answer.Snapshot, answer.Position, answer.MaxBytes));
        Assert.Equal(ErrorCode.SnapshotNotFound, answer.Fill(null, []).Topics[0].Partitions[0].ErrorCode);
        Assert.Equal(ErrorCode.PositionOutOfRange, answer.Fill(4, []).Topics[0].Partitions[0].ErrorCode);
        var piece = answer.Fill(10, TenBytes[4..8]).Topics[0].Partitions[0];
        Assert.Equal((ErrorCode.None, 10L, 4L, 4), (piece.ErrorCode, piece.Size, piece.Position, piece.UnalignedRecords.Length));
        Assert.Equal(ErrorCode.FencedLeaderEpoch, replica.Ask<FetchSnapshotResponse>(Pieces(0, At10, 0, 1))!.Topics[0].Partitions[0].ErrorCode);
        Assert.Equal(ErrorCode.PositionOutOfRange, replica.Ask<FetchSnapshotResponse>(Pieces(1, At10, -1, 1))!.Topics[0].Partitions[0].ErrorCode);
    }

    [Fact]
    public void A_follower_fetches_piece_by_piece_and_goes_on_where_an_answer_was_lost()
    {
        var replica = Offered();
        Assert.Contains(new QuorumOutput.BeginSnapshot(At10), replica.Outputs);
        Assert.Equal(0, AskedPosition(replica, out var first));
        replica.Answer(first, Piece(0, TenBytes[..6]));
        Assert.Equal(6, AskedPosition(replica, out var second));
        replica.Answer(second, null);
        replica.Pass(replica.Settings.RetryBackoffMs);
        Assert.Equal(6, AskedPosition(replica, out var third));
        replica.Answer(third, Piece(6, TenBytes[6..]));
        Assert.Equal(TenBytes, replica.Outputs.OfType<QuorumOutput.AppendSnapshotPiece>().SelectMany(append => append.Piece.ToArray()));
        Assert.Contains(new QuorumOutput.FreezeSnapshot(At10), replica.Outputs);
        Assert.Equal(0, replica.Machine.Log.EndOffset);
    }

    [Fact]
    public void The_log_goes_on_from_the_snapshot_when_it_is_frozen_and_not_before()
    {
        var replica = Fetched();
        Assert.Empty(replica.Outputs.OfType<QuorumOutput.ReplaceLog>());
        replica.Do(machine => machine.SnapshotFrozen(At10, VoterSet.Of(VoterOf(1), VoterOf(2)), replica.NowMs));
        Assert.Contains(new QuorumOutput.ReplaceLog(At10), replica.Outputs);
        Assert.Equal(10, replica.Machine.HighWatermark);
        Assert.Equal([1, 2], replica.Machine.Log.Voters.All.Select(voter => voter.Key.Id));
        var fetch = Assert.IsType<FetchRequest>(replica.TakeSends<FetchRequest>()[^1].Request).Topics[0].Partitions[0];
        Assert.Equal((10L, 3), (fetch.FetchOffset, fetch.LastFetchedEpoch));
    }

    [Fact]
    public void A_longer_log_of_another_epoch_gives_way_to_the_snapshot()
    {
        var replica = Fetched(Batch(0, 1, 25));
        replica.Do(machine => machine.SnapshotFrozen(At10, null, replica.NowMs));
        Assert.Contains(new QuorumOutput.ReplaceLog(At10), replica.Outputs);
        Assert.Equal((10L, 10L, 3), (replica.Machine.Log.StartOffset, replica.Machine.Log.EndOffset, replica.Machine.Log.LastEpoch));
    }

    [Fact]
    public void A_log_that_meanwhile_got_what_the_snapshot_says_keeps_what_it_acknowledged()
    {
        var replica = Fetched();
        // Another leader, whose log reaches back to the beginning, fills the log while the disk is busy with the snapshot.
        replica.Follow(leader: 3, epoch: 5);
        replica.Answer(replica.TakeSends<FetchRequest>()[^1], MachineFixture.Fetched(3, 5, 0, [.. Batch(0, 3, 10), .. Batch(10, 5, 4)]));
        replica.SyncLog();
        replica.Do(machine => machine.SnapshotFrozen(At10, null, replica.NowMs));
        Assert.Empty(replica.Outputs.OfType<QuorumOutput.ReplaceLog>());
        Assert.Equal(14, replica.Machine.Log.EndOffset);
        Assert.Equal(At10, replica.Machine.Log.Snapshot);
    }

    [Fact]
    public void An_answer_about_the_old_log_does_not_touch_the_new_one()
    {
        var replica = Fetched(Batch(0, 1, 25));
        replica.Pass(replica.Settings.FetchMaxWaitMs);
        var old = replica.TakeSends<FetchRequest>()[^1];
        replica.Do(machine => machine.SnapshotFrozen(At10, null, replica.NowMs));
        replica.Answer(old, MachineFixture.Fetched(2, 4, 0, diverging: (1, 5)));
        Assert.Equal(10, replica.Machine.Log.EndOffset);
    }

    [Fact]
    public void While_the_disk_freezes_the_leader_still_hears_from_its_follower()
    {
        var replica = Fetched();
        for (var i = 0; i < 20; i++)
        {
            replica.Pass(replica.Settings.FetchMaxWaitMs);
            replica.Answer(Assert.Single(replica.TakeSends<FetchRequest>()), Offer(At10));
            Assert.Equal(QuorumRole.Follower, replica.Machine.Role);
        }

        Assert.Single(replica.Outputs.OfType<QuorumOutput.BeginSnapshot>());
        Assert.Empty(replica.TakeSends<FetchSnapshotRequest>());
    }

    [Theory]
    [InlineData(3, 4, 10)]
    [InlineData(0, 0, 10)]
    [InlineData(0, 10, 9)]
    public void A_piece_that_is_none_ends_the_attempt_and_the_next_offer_begins_another(long position, int bytes, long size)
    {
        var replica = Offered();
        AskedPosition(replica, out var sent);
        replica.Answer(sent, Piece(position, TenBytes[..bytes], size));
        Assert.Contains(new QuorumOutput.DropSnapshot(At10), replica.Outputs);
        Assert.Empty(replica.Outputs.OfType<QuorumOutput.AppendSnapshotPiece>());
        replica.Pass(replica.Settings.RetryBackoffMs);
        replica.Answer(replica.TakeSends<FetchRequest>()[^1], Offer(At10));
        Assert.Equal(2, replica.Outputs.OfType<QuorumOutput.BeginSnapshot>().Count());
    }

    [Fact]
    public void A_snapshot_that_the_leader_deleted_is_given_up_for_its_next_one()
    {
        var replica = Offered();
        AskedPosition(replica, out var sent);
        var gone = Piece(0, []);
        gone.Topics[0].Partitions[0].ErrorCode = ErrorCode.SnapshotNotFound;
        replica.Answer(sent, gone);
        replica.Pass(replica.Settings.RetryBackoffMs);
        replica.Answer(replica.TakeSends<FetchRequest>()[^1], Offer(new SnapshotId(20, 3)));
        Assert.Contains(new QuorumOutput.DropSnapshot(At10), replica.Outputs);
        Assert.Contains(new QuorumOutput.BeginSnapshot(new SnapshotId(20, 3)), replica.Outputs);
    }

    [Fact]
    public void A_damaged_snapshot_is_fetched_again()
    {
        var replica = Fetched();
        replica.Do(machine => machine.SnapshotRefused(replica.NowMs));
        replica.Pass(replica.Settings.FetchTimeoutMs / 2);
        replica.Answer(replica.TakeSends<FetchRequest>()[^1], Offer(At10));
        Assert.Equal(0, AskedPosition(replica, out _));
        Assert.Equal(0, replica.Machine.HighWatermark);
    }

    [Fact]
    public void An_outline_behind_a_snapshot_knows_its_epoch_and_its_voters()
    {
        var log = new LogOutline(VoterSet.Empty);
        log.StartAt(At10, VoterSet.Of(VoterOf(1)));
        Assert.Equal((10L, 10L, 10L, 3), (log.StartOffset, log.EndOffset, log.FlushedOffset, log.LastEpoch));
        Assert.Equal((1, 9L), (log.Voters.Count, log.VotersOffset));
        log.Appended(Batch(10, 5, 5));
        Assert.Equal(new Storage.EpochEnd(3, 10), log.EndOf(4));
        Assert.Equal(new Storage.EpochEnd(5, 15), log.EndOf(5));
        Assert.True(log.Holds(new SnapshotId(12, 5)));
        Assert.False(log.Holds(new SnapshotId(12, 4)));
        Assert.False(log.Holds(new SnapshotId(16, 5)));
        log.TruncateTo(10);
        Assert.Equal((3, 1), (log.LastEpoch, log.Voters.Count));
    }

    private static MachineFixture Offered(params byte[][] log)
    {
        var replica = new MachineFixture(stored: new ElectionState(3, null, null), log: log).Follow(leader: 2, epoch: 4);
        replica.Answer(replica.TakeSends<FetchRequest>()[^1], Offer(At10));
        return replica;
    }

    /// <summary>All pieces are there, and the disk is busy with them.</summary>
    private static MachineFixture Fetched(params byte[][] log)
    {
        var replica = Offered(log);
        AskedPosition(replica, out var sent);
        replica.Answer(sent, Piece(0, TenBytes));
        return replica;
    }

    private static long AskedPosition(MachineFixture replica, out QuorumOutput.Send sent)
    {
        sent = Assert.Single(replica.TakeSends<FetchSnapshotRequest>());
        return ((FetchSnapshotRequest)sent.Request).Topics[0].Partitions[0].Position;
    }

    private static FetchResponse Offer(SnapshotId snapshot)
    {
        var response = MachineFixture.Fetched(2, 4, 0);
        response.Responses[0].Partitions[0].SnapshotId = new() { EndOffset = snapshot.EndOffset, Epoch = snapshot.Epoch };
        return response;
    }

    private static FetchSnapshotRequest Pieces(int epoch, SnapshotId snapshot, long position, int maxBytes) => new()
    {
        ClusterId = ClusterId,
        ReplicaId = 2,
        MaxBytes = maxBytes,
        Topics = [new()
        {
            Name = TopicNames.ClusterMetadata,
            Partitions = [new()
            {
                CurrentLeaderEpoch = epoch,
                SnapshotId = new() { EndOffset = snapshot.EndOffset, Epoch = snapshot.Epoch },
                Position = position,
                ReplicaDirectoryId = KeyOf(2).DirectoryId,
            }],
        }],
    };

    private static FetchSnapshotResponse Piece(long position, byte[] bytes, long size = 10) => new()
    {
        Topics = [new()
        {
            Name = TopicNames.ClusterMetadata,
            Partitions = [new()
            {
                SnapshotId = new() { EndOffset = At10.EndOffset, Epoch = At10.Epoch },
                CurrentLeader = new() { LeaderId = 2, LeaderEpoch = 4 },
                Position = position,
                Size = size,
                UnalignedRecords = new Records(bytes),
            }],
        }],
    };
}
