using Milena.Metadata.Controller;
using Milena.Metadata.Image;
using Milena.Metadata.Settings;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Metadata.Tests.Controller;

public sealed class Altering_settings
{
    private const sbyte Set = 0;
    private const sbyte Delete = 1;
    private const sbyte Append = 2;
    private const sbyte Subtract = 3;

    private static readonly ConfigResource Topic = ConfigResource.Topic("orders");

    private static readonly MetadataImage Image = Images.WithBrokers((1, null)).Apply(
        Images.Topic("orders", Images.Orders), Images.Partition(Images.Orders, 0, 1),
        Images.Config(Topic, "retention.ms", "5"), Images.Config(Topic, "cleanup.policy", "delete"));

    [Fact]
    public void Incremental_changes_touch_what_they_name()
    {
        var (error, image) = Alter(Topic, ("retention.bytes", Set, "7"), ("retention.ms", Delete, null), ("cleanup.policy", Append, "compact"));
        Assert.Equal(ErrorCode.None, error);
        Assert.Equal([new("cleanup.policy", "delete,compact"), new("retention.bytes", "7")], image.ConfigOf(Topic));
    }

    [Fact]
    public void Members_of_a_list_come_once_and_go()
    {
        Assert.Equal("delete", Alter(Topic, ("cleanup.policy", Append, "delete")).Image.ConfigOf(Topic)["cleanup.policy"]);
        Assert.Equal("", Alter(Topic, ("cleanup.policy", Subtract, "delete")).Image.ConfigOf(Topic)["cleanup.policy"]);
        // What is not set begins with the default.
        var (error, image) = Alter(ConfigResource.AllBrokers, ("log.cleanup.policy", Append, "compact"));
        Assert.Equal((ErrorCode.None, "delete,compact"), (error, image.ConfigOf(ConfigResource.AllBrokers)["log.cleanup.policy"]));
    }

    [Fact]
    public void A_value_that_is_there_already_writes_nothing()
    {
        var decision = AlterConfigsDecision.Decide(Image, Request(Topic, ("retention.ms", Set, "5"), ("retention.bytes", Delete, null)), Decisions.Context());
        Assert.Empty(decision.Records);
    }

    public static TheoryData<ConfigResourceType, string, string, sbyte, string?, ErrorCode> Refused => new()
    {
        { ConfigResourceType.Topic, "orders", "no.such.setting", Set, "1", ErrorCode.InvalidConfig },
        { ConfigResourceType.Topic, "orders", "retention.ms", Set, "soon", ErrorCode.InvalidConfig },
        { ConfigResourceType.Topic, "orders", "retention.ms", Set, null, ErrorCode.InvalidRequest },
        { ConfigResourceType.Topic, "orders", "retention.ms", Append, "1", ErrorCode.InvalidConfig },
        { ConfigResourceType.Topic, "orders", "retention.ms", 9, "1", ErrorCode.InvalidConfig },
        { ConfigResourceType.Topic, "orders", "cleanup.policy", Append, "burn", ErrorCode.InvalidConfig },
        { ConfigResourceType.Topic, "orders", "max.compaction.lag.ms", Set, "0", ErrorCode.InvalidConfig },
        { ConfigResourceType.Topic, "nothing", "retention.ms", Set, "1", ErrorCode.UnknownTopicOrPartition },
        { ConfigResourceType.Topic, "bad name", "retention.ms", Set, "1", ErrorCode.InvalidTopicException },
        { ConfigResourceType.Broker, "9", "log.retention.ms", Set, "1", ErrorCode.BrokerIdNotRegistered },
        { ConfigResourceType.Broker, "one", "log.retention.ms", Set, "1", ErrorCode.BrokerIdNotRegistered },
        { ConfigResourceType.Broker, "1", "socket.request.max.bytes", Set, "1000", ErrorCode.InvalidRequest },
        { ConfigResourceType.Broker, "1", "retention.ms", Set, "1", ErrorCode.InvalidRequest },
        { ConfigResourceType.ClientMetrics, "x", "interval.ms", Set, "1", ErrorCode.InvalidRequest },
        { ConfigResourceType.Group, "x", "consumer.session.timeout.ms", Set, "1", ErrorCode.InvalidRequest },
    };

    [Theory]
    [MemberData(nameof(Refused))]
    public void What_cannot_hold_is_refused(ConfigResourceType type, string resource, string name, sbyte operation, string? value, ErrorCode error)
    {
        var (actual, image) = Alter(new ConfigResource(type, resource), (name, operation, value));
        Assert.Equal(error, actual);
        Assert.Equal(Image.Describe(), image.Describe());
    }

    [Fact]
    public void One_wrong_change_stops_all_changes_of_its_resource_and_of_no_other()
    {
        var request = Request(Topic, ("retention.bytes", Set, "7"), ("retention.ms", Set, "soon"));
        request.Resources.Add(Request(ConfigResource.AllBrokers, ("log.retention.ms", Set, "9")).Resources[0]);
        var decision = AlterConfigsDecision.Decide(Image, request, Decisions.Context());
        Assert.Equal([ErrorCode.InvalidConfig, ErrorCode.None], ((IncrementalAlterConfigsResponse)decision.Response).Responses.Select(one => one.ErrorCode));
        Assert.Equal("log.retention.ms", Assert.IsType<ConfigRecord>(Assert.Single(decision.Records)).Name);
    }

    [Fact]
    public void A_key_or_a_resource_twice_is_refused()
    {
        Assert.Equal(ErrorCode.InvalidRequest, Alter(Topic, ("retention.ms", Set, "1"), ("retention.ms", Set, "2")).Error);
        var request = Request(Topic, ("retention.ms", Set, "1"));
        request.Resources.Add(Request(Topic, ("retention.bytes", Set, "1")).Resources[0]);
        var decision = AlterConfigsDecision.Decide(Image, request, Decisions.Context());
        Assert.All(((IncrementalAlterConfigsResponse)decision.Response).Responses, one => Assert.Equal(ErrorCode.InvalidRequest, one.ErrorCode));
        Assert.Empty(decision.Records);
    }

    [Fact]
    public void Validating_only_writes_nothing()
    {
        var request = Request(Topic, ("retention.ms", Set, "1"));
        request.ValidateOnly = true;
        Assert.Empty(AlterConfigsDecision.Decide(Image, request, Decisions.Context()).Records);
    }

    [Fact]
    public void Two_settings_are_checked_against_what_is_already_set()
    {
        var image = Image.Apply(Images.Config(Topic, "min.compaction.lag.ms", "100"));
        var decision = AlterConfigsDecision.Decide(image, Request(Topic, ("max.compaction.lag.ms", Set, "50")), Decisions.Context());
        Assert.Equal(ErrorCode.InvalidConfig, ((IncrementalAlterConfigsResponse)decision.Response).Responses[0].ErrorCode);
    }

    [Theory]
    [InlineData("1", Set, "3", ErrorCode.InvalidConfig)]
    [InlineData("1", Delete, null, ErrorCode.InvalidConfig)]
    [InlineData("", Delete, null, ErrorCode.InvalidConfig)]
    [InlineData("", Set, "3", ErrorCode.None)]
    public void With_eligible_leaders_all_brokers_go_by_one_number_that_has_to_be_in_sync(string broker, sbyte operation, string? value, ErrorCode expected)
    {
        var request = Request(new ConfigResource(ConfigResourceType.Broker, broker), ("min.insync.replicas", operation, value));
        Assert.Equal(ErrorCode.None, Error(AlterConfigsDecision.Decide(Image, request, Decisions.Context())));
        var image = Image.Apply(new FeatureLevelRecord { Name = Features.EligibleLeadersName, FeatureLevel = 1 }, Images.Config(ConfigResource.AllBrokers, "min.insync.replicas", "2"));
        Assert.Equal(expected, Error(AlterConfigsDecision.Decide(image, request, Decisions.Context())));
        // The older form would take away what it does not name.
        var replacing = new AlterConfigsRequest { Resources = [new() { ResourceType = (sbyte)ConfigResourceType.Broker, ResourceName = "", Configs = [] }] };
        Assert.Equal(ErrorCode.InvalidConfig, ((AlterConfigsResponse)AlterConfigsDecision.Decide(image, replacing, Decisions.Context()).Response).Responses[0].ErrorCode);
    }

    [Theory]
    [InlineData("leader.replication.throttled.rate")]
    [InlineData("follower.replication.throttled.rate")]
    [InlineData("replica.alter.log.dirs.io.max.bytes.per.second")]
    public void A_limit_of_replication_is_set_while_a_broker_runs_and_taken_back(string name)
    {
        Assert.NotNull(StaticSettings.Check(name, "1000"));
        Assert.Equal(ErrorCode.InvalidRequest, Alter(ConfigResource.Broker(1), (name, Set, "-1")).Error);
        var (error, image) = Alter(ConfigResource.Broker(1), (name, Set, "1000"));
        Assert.Equal((ErrorCode.None, "1000"), (error, new ConfigResolver(StaticSettings.Defaults, 1).BrokerValue(image, name)));
        Assert.Equal(long.MaxValue.ToString(System.Globalization.CultureInfo.InvariantCulture), new ConfigResolver(StaticSettings.Defaults, 2).BrokerValue(image, name));
        Assert.Equal(ErrorCode.None, Error(AlterConfigsDecision.Decide(image, Request(ConfigResource.Broker(1), (name, Delete, null)), Decisions.Context())));
    }

    [Fact]
    public void The_older_form_replaces_everything_that_is_set()
    {
        var request = new AlterConfigsRequest
        {
            Resources = [new() { ResourceType = (sbyte)Topic.Type, ResourceName = Topic.Name, Configs = [new() { Name = "retention.bytes", Value = "7" }] }],
        };
        var decision = AlterConfigsDecision.Decide(Image, request, Decisions.Context());
        Assert.Equal(ErrorCode.None, ((AlterConfigsResponse)decision.Response).Responses[0].ErrorCode);
        Assert.Equal([new("retention.bytes", "7")], Image.Apply([.. decision.Records]).ConfigOf(Topic));

        request.Resources[0].Configs[0].Value = "many";
        decision = AlterConfigsDecision.Decide(Image, request, Decisions.Context());
        Assert.Equal(ErrorCode.InvalidConfig, ((AlterConfigsResponse)decision.Response).Responses[0].ErrorCode);
        Assert.Empty(decision.Records);
    }

    [Fact]
    public void The_older_form_refuses_a_resource_that_comes_twice()
    {
        AlterConfigsRequest.AlterConfigsResource Resource(string value) =>
            new() { ResourceType = (sbyte)Topic.Type, ResourceName = Topic.Name, Configs = [new() { Name = "retention.bytes", Value = value }] };
        var decision = AlterConfigsDecision.Decide(Image, new AlterConfigsRequest { Resources = [Resource("1"), Resource("2")] }, Decisions.Context());
        Assert.All(((AlterConfigsResponse)decision.Response).Responses, one => Assert.Equal(ErrorCode.InvalidRequest, one.ErrorCode));
        Assert.Empty(decision.Records);
    }

    private static IncrementalAlterConfigsRequest Request(ConfigResource resource, params (string Name, sbyte Operation, string? Value)[] changes) => new()
    {
        Resources =
        [
            new()
            {
                ResourceType = (sbyte)resource.Type,
                ResourceName = resource.Name,
                Configs = [.. changes.Select(change => new IncrementalAlterConfigsRequest.AlterableConfig
                {
                    Name = change.Name,
                    ConfigOperation = change.Operation,
                    Value = change.Value,
                })],
            },
        ],
    };

    private static ErrorCode Error(Decision decision) => Assert.Single(((IncrementalAlterConfigsResponse)decision.Response).Responses).ErrorCode;

    private static (ErrorCode Error, MetadataImage Image) Alter(ConfigResource resource, params (string Name, sbyte Operation, string? Value)[] changes)
    {
        var decision = AlterConfigsDecision.Decide(Image, Request(resource, changes), Decisions.Context());
        return (Assert.Single(((IncrementalAlterConfigsResponse)decision.Response).Responses).ErrorCode, Image.Apply([.. decision.Records]));
    }
}
