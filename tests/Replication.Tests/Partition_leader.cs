using System.Collections.Immutable;
using Milena.Metadata.Image;
using Milena.Model;

namespace Milena.Replication.Tests;

public sealed class Partition_leader
{
    private const long MaxLagMs = 1000;
    private readonly HashSet<int> _silent = [];
    private readonly Dictionary<int, BrokerRegistration> _brokers = new[] { 1, 2, 3 }.ToDictionary(id => id, id => Registrations.Broker(id, epoch: 10 * id));

    [Fact]
    public void High_watermark_waits_for_the_slowest_in_sync_replica()
    {
        var leader = Lead([1, 2, 3]);
        Assert.Equal(0, leader.Appended(10));
        Assert.Equal(0, Fetch(leader, 2, 10));
        Assert.Equal(7, Fetch(leader, 3, 7));
        Assert.Equal(10, Fetch(leader, 3, 10));
    }

    [Fact]
    public void A_new_leader_takes_no_earlier_position_of_a_follower_for_granted()
    {
        var leader = Lead([1, 2], logEndOffset: 10, highWatermark: 4);
        Assert.Equal(4, leader.HighWatermark);
        Assert.Equal(4, leader.Appended(12));
        Assert.Equal(9, Fetch(leader, 2, 9));
    }

    [Fact]
    public void High_watermark_never_moves_back()
    {
        var leader = Lead([1, 2], logEndOffset: 10, highWatermark: 8);
        Assert.Equal(8, Fetch(leader, 2, 3));
        Assert.Equal(8, Fetch(leader, 2, 5));
        Assert.Equal(9, Fetch(leader, 2, 9));
    }

    [Fact]
    public void A_follower_out_of_sync_holds_nothing_back()
    {
        var leader = Lead([1, 2]);
        leader.Appended(10);
        Fetch(leader, 3, 2);
        Assert.Equal(10, Fetch(leader, 2, 10));
    }

    [Fact]
    public void A_caught_up_follower_that_may_join_is_waited_for()
    {
        var leader = Lead([1]);
        leader.Appended(10);
        Fetch(leader, 2, 10);
        Assert.Equal(10, leader.Appended(20));
        Assert.Equal(10, leader.Passed(MaxLagMs));
        Assert.Equal(20, leader.Passed(MaxLagMs + 1));
    }

    [Fact]
    public void A_follower_that_started_again_is_not_waited_for_on_the_word_of_its_earlier_incarnation()
    {
        var leader = Lead([1]);
        leader.Appended(10);
        Fetch(leader, 2, 10);
        _brokers[2] = _brokers[2] with { Epoch = 99 };
        Assert.Equal(20, leader.Appended(20));
    }

    [Fact]
    public void A_caught_up_follower_that_is_fenced_is_not_waited_for()
    {
        var leader = Lead([1]);
        leader.Appended(10);
        Fetch(leader, 2, 10);
        _brokers[2] = _brokers[2] with { Fenced = true };
        Assert.Equal(20, leader.Appended(20));
    }

    [Fact]
    public void A_caught_up_follower_whose_log_directory_is_offline_is_not_waited_for()
    {
        var (online, failed) = (new Guid(2, 1, 0, new byte[8]), new Guid(2, 2, 0, new byte[8]));
        _brokers[2] = _brokers[2] with { LogDirectories = [online, failed] };
        var leader = Lead([1, 2]);
        leader.Appended(10);
        Fetch(leader, 2, 10);
        var registration = Registrations.Partition([1, 2, 3], [1], leader: 1, partitionEpoch: 1);
        leader.Adopt(registration with { Directories = registration.Directories.SetItem(1, failed) }, 1);
        Assert.Equal(10, leader.Appended(20));
        _brokers[2] = _brokers[2] with { LogDirectories = [online] };
        Assert.Equal(20, leader.Appended(20));
    }

    [Fact]
    public void Below_min_in_sync_replicas_nothing_new_is_committed()
    {
        var leader = Lead([1], minInSync: 2);
        Assert.True(leader.IsUnderMinIsr);
        Assert.Equal(0, leader.Appended(10));
        Assert.Equal(10, leader.HeldByIsr);
        Fetch(leader, 2, 10);
        Answer(leader, leader.Propose(0)!, ErrorCode.None);
        Assert.False(leader.IsUnderMinIsr);
        Assert.Equal(10, leader.HighWatermark);
    }

    [Fact]
    public void Min_in_sync_replicas_asks_for_no_more_than_there_are()
    {
        var leader = Lead([1], replicas: [1], minInSync: 2);
        Assert.False(leader.IsUnderMinIsr);
        Assert.Equal(5, leader.Appended(5));
    }

    [Fact]
    public void A_follower_joins_when_it_holds_what_is_committed()
    {
        var leader = Lead([1, 2]);
        leader.Appended(10);
        Fetch(leader, 2, 10);
        Fetch(leader, 3, 9);
        Assert.Null(leader.Propose(0));
        Fetch(leader, 3, 10);
        Assert.Equal([new(1, 10), new(2, 20), new IsrMember(3, 30)], leader.Propose(0)!.Isr.AsEnumerable());
    }

    [Fact]
    public void A_follower_joins_only_when_it_has_reached_the_epoch_of_its_leader()
    {
        var leader = Lead([1, 2], logEndOffset: 10, highWatermark: 4);
        Fetch(leader, 3, 9);
        Assert.Null(leader.Propose(0));
        Fetch(leader, 3, 10);
        Assert.NotNull(leader.Propose(0));
    }

    [Theory]
    [InlineData(true, false, 30)]
    [InlineData(false, true, 30)]
    [InlineData(false, false, 29)]
    public void A_follower_does_not_join_fenced_or_shutting_down_or_as_an_earlier_incarnation(bool fenced, bool shuttingDown, long epochOfFetch)
    {
        _brokers[3] = _brokers[3] with { Fenced = fenced, InControlledShutdown = shuttingDown };
        var leader = Lead([1, 2]);
        leader.Fetched(3, epochOfFetch, 0, 0);
        Assert.Null(leader.Propose(0));
    }

    [Fact]
    public void A_follower_leaves_when_it_has_not_caught_up_for_the_whole_lag_time()
    {
        var leader = Lead([1, 2, 3]);
        leader.Appended(10);
        Fetch(leader, 2, 10, nowMs: 500);
        Fetch(leader, 3, 5, nowMs: 500);
        Assert.Null(leader.Propose(MaxLagMs));
        Assert.Equal([1, 2], leader.Propose(MaxLagMs + 1)!.Isr.Select(member => member.BrokerId));
    }

    [Fact]
    public void A_follower_that_says_nothing_at_all_leaves_at_once_and_is_not_waited_for_afterwards()
    {
        var leader = Lead([1, 2, 3], minInSync: 2);
        leader.Appended(10);
        Fetch(leader, 2, 10);
        Fetch(leader, 3, 10);
        leader.Appended(12);
        Fetch(leader, 2, 12);
        _silent.Add(3);
        var proposal = leader.Propose(1)!;
        Assert.Equal([1, 2], proposal.Isr.Select(member => member.BrokerId));
        Assert.Equal(10, leader.HighWatermark);
        Answer(leader, proposal, ErrorCode.None);
        Assert.Equal(12, leader.HighWatermark);
    }

    [Fact]
    public void Those_who_say_nothing_stay_for_the_lag_time_where_without_them_too_few_would_be_left()
    {
        var leader = Lead([1, 2, 3], minInSync: 2);
        leader.Appended(10);
        _silent.UnionWith([2, 3]);
        Assert.Null(leader.Propose(MaxLagMs));
        Assert.Equal([1], leader.Propose(MaxLagMs + 1)!.Isr.Select(member => member.BrokerId));
    }

    [Fact]
    public void A_follower_that_is_always_a_little_behind_is_in_sync()
    {
        var leader = Lead([1, 2]);
        for (var second = 1; second <= 10; second++)
        {
            leader.Appended(10 * second);
            Fetch(leader, 2, 10 * (second - 1), nowMs: 900 * second);
            Assert.Null(leader.Propose(900 * second));
        }
    }

    [Fact]
    public void Nobody_leaves_an_idle_partition()
    {
        var leader = Lead([1, 2]);
        Fetch(leader, 2, 0);
        Assert.Null(leader.Propose(100 * MaxLagMs));
    }

    [Fact]
    public void Until_the_controller_has_committed_it_a_leaving_follower_holds_the_high_watermark_back()
    {
        var leader = Lead([1, 2]);
        leader.Appended(10);
        var proposal = leader.Propose(MaxLagMs + 1)!;
        Assert.Equal(0, leader.HighWatermark);
        Answer(leader, proposal, ErrorCode.None);
        Assert.Equal(10, leader.HighWatermark);
    }

    [Fact]
    public void From_its_proposal_on_a_joining_follower_holds_the_high_watermark_back()
    {
        var leader = Lead([1]);
        Fetch(leader, 2, 0);
        Assert.NotNull(leader.Propose(0));
        leader.Appended(10);
        Assert.Equal(0, leader.Passed(10 * MaxLagMs));
    }

    [Fact]
    public void A_proposed_member_does_not_count_towards_min_in_sync_replicas()
    {
        var leader = Lead([1], minInSync: 2);
        Fetch(leader, 2, 0);
        Assert.NotNull(leader.Propose(0));
        Assert.True(leader.IsUnderMinIsr);
    }

    [Fact]
    public void One_proposal_is_under_way_at_a_time()
    {
        var leader = Lead([1]);
        Fetch(leader, 2, 0);
        Assert.NotNull(leader.Propose(0));
        Fetch(leader, 3, 0);
        Assert.Null(leader.Propose(0));
    }

    [Theory]
    [InlineData(ErrorCode.InvalidUpdateVersion)]
    [InlineData(ErrorCode.FencedLeaderEpoch)]
    [InlineData(ErrorCode.NewLeaderElected)]
    [InlineData(ErrorCode.UnknownTopicOrPartition)]
    public void A_proposal_that_came_too_late_stays_in_force_until_the_metadata_tells_more(ErrorCode error)
    {
        var leader = Lead([1]);
        Fetch(leader, 2, 0);
        Answer(leader, leader.Propose(0)!, error);
        leader.Appended(10);
        Assert.Equal(0, leader.Passed(10 * MaxLagMs));
        Assert.Null(leader.Propose(10 * MaxLagMs));
        Assert.True(leader.Adopt(Registrations.Partition([1, 2, 3], [1], leader: 1, partitionEpoch: 1), 1));
        Assert.Equal(10, leader.HighWatermark);
    }

    [Theory]
    [InlineData(ErrorCode.IneligibleReplica)]
    [InlineData(ErrorCode.OperationNotAttempted)]
    public void A_proposal_that_was_refused_is_made_again_after_a_pause(ErrorCode error)
    {
        var leader = Lead([1]);
        Fetch(leader, 2, 0);
        Answer(leader, leader.Propose(0)!, error);
        Assert.Null(leader.Propose(1));
        Assert.NotNull(leader.Propose(MaxLagMs));
    }

    [Fact]
    public void An_answer_to_a_proposal_that_the_metadata_has_overtaken_says_nothing()
    {
        var leader = Lead([1, 2]);
        leader.Appended(10);
        var proposal = leader.Propose(MaxLagMs + 1)!;
        leader.Adopt(Registrations.Partition([1, 2, 3], [1, 2, 3], leader: 1, partitionEpoch: 4), 1);
        Answer(leader, proposal, ErrorCode.None);
        Assert.Equal([1, 2, 3], leader.Isr.AsEnumerable());
        Assert.Equal(4, leader.PartitionEpoch);
        Assert.Equal(0, leader.HighWatermark);
    }

    [Fact]
    public void Metadata_no_later_than_what_is_known_changes_nothing()
    {
        var leader = Lead([1, 2]);
        leader.Adopt(Registrations.Partition([1, 2, 3], [1, 2, 3], leader: 1, partitionEpoch: 2), 1);
        Assert.False(leader.Adopt(Registrations.Partition([1, 2, 3], [1], leader: 1, partitionEpoch: 1), 1));
        Assert.Equal([1, 2, 3], leader.Isr.AsEnumerable());
    }

    [Fact]
    public void A_later_partition_epoch_keeps_what_is_known_of_the_followers()
    {
        var leader = Lead([1, 2]);
        leader.Appended(10);
        Fetch(leader, 2, 6);
        Fetch(leader, 3, 8);
        leader.Adopt(Registrations.Partition([1, 2, 3], [1, 3], leader: 1, partitionEpoch: 1), 1);
        Assert.Equal(8, leader.Passed(MaxLagMs + 1));
    }

    [Fact]
    public void What_was_asked_for_before_the_isr_changed_is_not_asked_for_after_it()
    {
        var leader = Lead([1, 2], minInSync: 2);
        leader.Appended(10);
        Fetch(leader, 2, 0);
        Answer(leader, leader.Propose(MaxLagMs + 1)!, ErrorCode.None);
        Assert.Equal([1], leader.Isr.AsEnumerable());
        leader.Adopt(Registrations.Partition([1, 2, 3], [1, 2], leader: 1), 1);
        Assert.Equal(0, leader.Passed(MaxLagMs + 1));
        leader.Adopt(Registrations.Partition([1, 2, 3], [1], leader: 1, partitionEpoch: 1), 1);
        Assert.Equal(10, leader.Passed(MaxLagMs + 1));
    }

    [Theory]
    [InlineData(1, 0)]
    [InlineData(3, 0)]
    public void An_answer_may_rest_on_more_to_be_in_sync_and_never_counts_with_fewer(int later, long expected)
    {
        var leader = Lead([1, 2], minInSync: 2);
        leader.Appended(10);
        Fetch(leader, 2, 0);
        leader.AskForAtLeast(later);
        Answer(leader, leader.Propose(MaxLagMs + 1)!, ErrorCode.None);
        Assert.Equal(expected, leader.Passed(MaxLagMs + 1));
        Assert.True(leader.IsUnderMinIsr);
    }

    [Fact]
    public void Who_has_forgotten_what_it_proposed_waits_for_everybody_until_the_metadata_tells_more()
    {
        var leader = Lead([1], forgottenUpTo: 1);
        leader.Appended(10);
        Fetch(leader, 2, 10);
        Assert.Equal(0, leader.Passed(10 * MaxLagMs));
        leader.Adopt(Registrations.Partition([1, 2, 3], [1], leader: 1, partitionEpoch: 1), 1);
        Assert.Equal(0, leader.Passed(10 * MaxLagMs));
        Assert.Equal(1, leader.ProposedUpTo);
        leader.Adopt(Registrations.Partition([1, 2, 3], [1], leader: 1, partitionEpoch: 2), 1);
        Assert.Equal(10, leader.Passed(10 * MaxLagMs));
        Assert.Equal(2, leader.ProposedUpTo);
    }

    [Fact]
    public void Who_has_forgotten_what_it_proposed_waits_no_longer_when_a_later_proposal_is_granted()
    {
        var leader = Lead([1], forgottenUpTo: 0);
        leader.Appended(10);
        Fetch(leader, 2, 10);
        Answer(leader, leader.Propose(0)!, ErrorCode.None);
        Assert.Equal(10, leader.HighWatermark);
    }

    private PartitionLeader Lead(int[] isr, int[]? replicas = null, int minInSync = 1, long logEndOffset = 0, long highWatermark = 0, int forgottenUpTo = -1)
    {
        var registration = Registrations.Partition(replicas ?? [1, 2, 3], isr, leader: 1);
        var brokers = new FollowerBrokers(id => _brokers.GetValueOrDefault(id), _silent.Contains);
        return new(1, registration, minInSync, logEndOffset, highWatermark, 0, MaxLagMs, brokers, forgottenUpTo);
    }

    private static long Fetch(PartitionLeader leader, int follower, long offset, long nowMs = 0) => leader.Fetched(follower, 10 * follower, offset, nowMs);

    private static void Answer(PartitionLeader leader, IsrProposal proposal, ErrorCode error) => leader.Answered(
        proposal,
        new IsrAnswer(error, proposal.LeaderEpoch, proposal.PartitionEpoch + 1, [.. proposal.Isr.Select(member => member.BrokerId)]),
        proposal.LeaderEpoch);
}

/// <summary>What the committed metadata says, made up.</summary>
internal static class Registrations
{
    public static BrokerRegistration Broker(int id, long epoch) => new(
        id, epoch, Guid.Empty, [new BrokerEndPoint("PLAINTEXT", "broker", id, 0)], [], null, Fenced: false, InControlledShutdown: false);

    public static PartitionRegistration Partition(int[] replicas, int[] isr, int leader, int leaderEpoch = 0, int partitionEpoch = 0) => new(
        [.. replicas], [.. replicas.Select(_ => Guid.Empty)], [.. isr], [], [], [], [], leader, leaderEpoch, partitionEpoch);
}
