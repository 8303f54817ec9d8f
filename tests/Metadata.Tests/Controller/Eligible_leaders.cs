using Milena.Metadata.Controller;
using Milena.Metadata.Image;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Metadata.Tests.Controller;

/// <summary>Replicas that hold everything committed though they are not in sync (KIP-966). Two of three have to be in sync.</summary>
public sealed class Eligible_leaders
{
    private MetadataImage _image = Images.Of(Images.Broker(1, epoch: 31), Images.Broker(2, epoch: 32), Images.Broker(3, epoch: 33))
        .Apply(new FeatureLevelRecord { Name = Features.EligibleLeadersName, FeatureLevel = 1 }, Images.Config(ConfigResource.AllBrokers, "min.insync.replicas", "2"))
        .Apply(Images.Topic("orders", Images.Orders), Images.Partition(Images.Orders, 0, 1, 2, 3));

    private PartitionRegistration Partition => _image.FindTopic("orders")!.Partitions[0];

    [Fact]
    public void Who_leaves_is_eligible_when_too_few_are_left_in_sync()
    {
        Fence(3);
        Assert.Equal("isr 1,2 elr - last - leader 1/0", State);
        Fence(2);
        Assert.Equal("isr 1 elr 2 last - leader 1/0", State);
    }

    [Fact]
    public void A_leader_that_goes_on_alone_leaves_all_others_eligible()
    {
        Alter(1);
        Assert.Equal("isr 1 elr 2,3 last - leader 1/0", State);
    }

    [Fact]
    public void Nobody_is_eligible_any_more_when_enough_are_in_sync()
    {
        Alter(1);
        Alter(1, 3);
        Assert.Equal("isr 1,3 elr - last - leader 1/0", State);
    }

    [Fact]
    public void Who_is_eligible_leads_when_nobody_in_sync_can()
    {
        Alter(1);
        Fence(3);
        Fence(1);
        Assert.Equal("isr 2 elr 3,1 last - leader 2/1", State);
        Assert.Equal(0, Partition.LeaderRecoveryState);
    }

    [Fact]
    public void Who_is_in_sync_leads_before_who_is_only_eligible()
    {
        Configure("min.insync.replicas", "3");
        Alter(1, 3);
        Assert.Equal("isr 1,3 elr 2 last - leader 1/0", State);
        Fence(1);
        Assert.Equal("isr 3 elr 2,1 last - leader 3/1", State);
    }

    [Fact]
    public void An_isr_becomes_empty_and_the_first_eligible_one_that_comes_leads()
    {
        FenceAll();
        Assert.Equal("isr - elr 2,1 last 1 leader -1/1", State);
        Come(3);
        Assert.Equal("isr - elr 2,1 last 1 leader -1/1", State);
        Come(2);
        Assert.Equal("isr 2 elr 1 last 1 leader 2/2", State);
    }

    [Theory]
    [InlineData(32, "isr - elr 2,1 last 1 leader -1/1")]
    [InlineData(31, "isr - elr 1 last 1 leader -1/1")]
    [InlineData(-1, "isr - elr 1 last 1 leader -1/1")]
    public void A_broker_is_eligible_on_only_if_its_last_incarnation_closed_its_logs(long previousEpoch, string expected)
    {
        FenceAll();
        Register(2, previousEpoch);
        Assert.Equal(expected, State);
    }

    [Fact]
    public void A_broker_that_closed_its_logs_and_comes_back_without_one_of_their_directories_is_not_eligible()
    {
        FenceAll();
        Register(2, previousEpoch: 32, isEmptied: true);
        Assert.Equal("isr - elr 1 last 1 leader -1/1", State);
    }

    [Fact]
    public void A_broker_that_comes_back_without_having_closed_its_logs_leaves_the_isr_for_who_is_eligible()
    {
        Alter(1);
        Register(1, previousEpoch: -1);
        Assert.Equal("isr 2 elr 3 last - leader 2/1", State);
        Register(2, previousEpoch: -1);
        Assert.Equal("isr 3 elr - last - leader 3/2", State);
    }

    [Fact]
    public void A_broker_that_closed_its_logs_and_comes_back_unnoticed_leaves_the_isr_and_is_eligible()
    {
        Alter(1, 2);
        Register(1, previousEpoch: 31);
        Assert.Equal("isr 2 elr 1 last - leader 2/1", State);
    }

    [Theory]
    [InlineData(1, 2, 3)]
    [InlineData(3, 2, 1)]
    public void When_all_come_back_without_having_closed_their_logs_the_last_to_lead_leads(int first, int second, int third)
    {
        foreach (var broker in new[] { first, second, third })
        {
            Register(broker, previousEpoch: -1);
        }

        Assert.Equal($"isr - elr - last {third} leader -1", State[..State.IndexOf('/')]);
        Come(second);
        Assert.Equal(PartitionRegistration.NoLeader, Partition.Leader);
        Come(third);
        Assert.Equal($"isr {third} elr - last - leader {third}", State[..State.IndexOf('/')]);
        Assert.Equal(1, Partition.LeaderRecoveryState);
        // It has recovered when it says who else is in sync.
        Alter(third, second);
        Assert.Equal(0, Partition.LeaderRecoveryState);
    }

    [Fact]
    public void A_leader_that_claims_to_recover_without_having_lost_anything_is_refused() =>
        Assert.Equal(ErrorCode.InvalidRequest, AlterTo([1], recoveryState: 1));

    [Fact]
    public void An_unclean_election_leaves_nobody_eligible()
    {
        FenceAll();
        Configure("unclean.leader.election.enable", "true");
        Come(3);
        Assert.Equal("isr 3 elr - last - leader 3/2", State);
        Assert.Equal(1, Partition.LeaderRecoveryState);
    }

    [Theory]
    [InlineData("1", "isr 1 elr - last - leader 1/0")]
    [InlineData("2", "isr 1 elr 2,3 last - leader 1/0")]
    [InlineData("3", "isr 1 elr 2,3 last - leader 1/0")]
    public void Where_fewer_have_to_be_in_sync_those_that_are_may_commit_what_the_eligible_lack(string minInSync, string expected)
    {
        Alter(1);
        Configure("min.insync.replicas", minInSync);
        Assert.Equal(expected, State);
        var epoch = Partition.PartitionEpoch;
        Configure("min.insync.replicas", minInSync);
        Assert.Equal(epoch, Partition.PartitionEpoch);
    }

    [Fact]
    public void A_setting_of_all_brokers_counts_and_a_topics_own_counts_more()
    {
        Alter(1);
        Configure("min.insync.replicas", "2");
        Configure(ConfigResource.AllBrokers, "min.insync.replicas", "1");
        Assert.Equal("isr 1 elr 2,3 last - leader 1/0", State);
        Configure("min.insync.replicas", null);
        Assert.Equal("isr 1 elr - last - leader 1/0", State);
    }

    [Fact]
    public void A_replica_that_is_assigned_elsewhere_is_not_eligible()
    {
        Alter(1);
        var request = new AlterPartitionReassignmentsRequest { Topics = [new() { Name = "orders", Partitions = [new() { Replicas = [1, 2] }] }] };
        Apply(AlterPartitionReassignmentsDecision.Decide(_image, request, Decisions.Context()));
        Assert.Equal("isr 1 elr 2 last - leader 1/1", State);
    }

    [Fact]
    public void No_more_have_to_be_in_sync_than_there_are()
    {
        _image = _image.Apply(Images.Topic("single", Images.Payments), Images.Partition(Images.Payments, 0, 1));
        Fence(1);
        var single = _image.FindTopic("single")!.Partitions[0];
        Assert.Equal([1], single.EligibleLeaderReplicas.AsEnumerable());
        Come(1);
        single = _image.FindTopic("single")!.Partitions[0];
        Assert.Equal(("1", 1, 0), (string.Join(',', single.Isr), single.Leader, single.EligibleLeaderReplicas.Length));
    }

    [Theory]
    [InlineData(false, ErrorCode.InvalidRegistration)]
    [InlineData(true, ErrorCode.None)]
    public void An_emptied_broker_is_not_taken_for_the_last_complete_copy(bool isAnotherEligible, ErrorCode expected)
    {
        FenceAll();
        if (!isAnotherEligible)
        {
            Register(1, previousEpoch: -1);
        }

        Assert.Equal(expected, Register(2, previousEpoch: -1, isEmptied: true));
    }

    [Fact]
    public void A_broker_that_is_forgotten_is_not_eligible()
    {
        FenceAll();
        Apply(UnregisterBrokerDecision.Decide(_image, new() { BrokerId = 2 }, Decisions.Context()));
        Assert.Equal("isr - elr 1 last 1 leader -1/1", State);
    }

    [Fact]
    public void Without_them_again_the_eligible_are_in_sync_where_nobody_else_is()
    {
        FenceAll();
        Level(0);
        Assert.Equal("isr 2,1 elr - last - leader -1/1", State);
        Come(1);
        Assert.Equal("isr 2,1 elr - last - leader 1/2", State);
    }

    [Fact]
    public void Without_them_again_the_last_to_lead_is_in_sync_where_nobody_is_eligible_either()
    {
        FenceAll();
        Register(2, previousEpoch: -1);
        Register(1, previousEpoch: -1);
        Level(0);
        Assert.Equal("isr 1 elr - last - leader -1/1", State);
    }

    private string State => $"isr {List(Partition.Isr)} elr {List(Partition.EligibleLeaderReplicas)} last {List(Partition.LastKnownElr)} leader {Partition.Leader}/{Partition.LeaderEpoch}";

    private static string List(IReadOnlyCollection<int> replicas) => replicas.Count == 0 ? "-" : string.Join(',', replicas);

    private void Apply(Decision decision) => _image = _image.Apply([.. decision.Records]);

    private void FenceAll()
    {
        Fence(3);
        Fence(2);
        Fence(1);
    }

    private void Fence(int broker) => Beat(new() { BrokerId = broker, WantFence = true });

    private void Come(int broker) => Beat(new() { BrokerId = broker, CurrentMetadataOffset = long.MaxValue });

    private void Beat(BrokerHeartbeatRequest request)
    {
        request.BrokerEpoch = _image.Brokers[request.BrokerId].Epoch;
        Apply(BrokerHeartbeatDecision.Decide(_image, request, Decisions.Context()));
    }

    private ErrorCode Register(int broker, long previousEpoch, bool isEmptied = false)
    {
        var request = new BrokerRegistrationRequest
        {
            BrokerId = broker,
            ClusterId = "cluster",
            IncarnationId = Guid.NewGuid(),
            PreviousBrokerEpoch = previousEpoch,
            LogDirs = isEmptied ? [Images.Payments] : [.. _image.Brokers[broker].LogDirectories],
            Features = [new() { Name = Features.EligibleLeadersName, MaxSupportedVersion = 1 }],
        };
        var decision = RegisterBrokerDecision.Decide(_image, request, Decisions.Context(), nextOffset: 100 + broker, "cluster");
        Apply(decision);
        return ((BrokerRegistrationResponse)decision.Response).ErrorCode;
    }

    private void Alter(params int[] isr) => Assert.Equal(ErrorCode.None, AlterTo(isr));

    private ErrorCode AlterTo(int[] isr, sbyte recoveryState = 0)
    {
        foreach (var fenced in isr.Where(id => _image.Brokers[id].Fenced))
        {
            Come(fenced);
        }

        var request = new AlterPartitionRequest
        {
            BrokerId = Partition.Leader,
            BrokerEpoch = _image.Brokers[Partition.Leader].Epoch,
            Topics =
            [
                new()
                {
                    TopicId = Images.Orders,
                    Partitions =
                    [
                        new() { LeaderEpoch = Partition.LeaderEpoch, PartitionEpoch = Partition.PartitionEpoch, NewIsr = [.. isr], LeaderRecoveryState = recoveryState },
                    ],
                },
            ],
        };
        var decision = AlterPartitionDecision.Decide(_image, request, Decisions.Context());
        Apply(decision);
        return ((AlterPartitionResponse)decision.Response).Topics[0].Partitions[0].ErrorCode;
    }

    private void Configure(string name, string? value) => Configure(ConfigResource.Topic("orders"), name, value);

    private void Configure(ConfigResource resource, string name, string? value)
    {
        var request = new IncrementalAlterConfigsRequest
        {
            Resources =
            [
                new()
                {
                    ResourceType = (sbyte)resource.Type,
                    ResourceName = resource.Name,
                    Configs = [new() { Name = name, Value = value, ConfigOperation = (sbyte)(value is null ? 1 : 0) }],
                },
            ],
        };
        var decision = AlterConfigsDecision.Decide(_image, request, Decisions.Context());
        Assert.Equal(ErrorCode.None, ((IncrementalAlterConfigsResponse)decision.Response).Responses[0].ErrorCode);
        Apply(decision);
    }

    private void Level(short level)
    {
        var request = new UpdateFeaturesRequest { FeatureUpdates = [new() { Feature = Features.EligibleLeadersName, MaxVersionLevel = level, UpgradeType = 2 }] };
        var decision = UpdateFeaturesDecision.Decide(_image, request, Decisions.Context());
        Assert.Equal(ErrorCode.None, ((UpdateFeaturesResponse)decision.Response).ErrorCode);
        Apply(decision);
    }
}
