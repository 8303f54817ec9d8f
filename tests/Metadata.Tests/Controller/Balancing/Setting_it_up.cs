using Milena.Metadata.Controller;
using Milena.Metadata.Controller.Balancing;
using Milena.Metadata.Image;
using Milena.Metadata.Settings;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Metadata.Tests.Controller.Balancing;

public sealed class Setting_it_up
{
    private static readonly MetadataImage Image = Images.WithBrokers((1, null), (2, null));

    [Theory]
    [InlineData("", "milena.balancer.enable", "true", ErrorCode.None)]
    [InlineData("", "milena.balancer.enable", "perhaps", ErrorCode.InvalidRequest)]
    [InlineData("1", "milena.balancer.enable", "true", ErrorCode.InvalidRequest)]
    [InlineData("", "milena.balancer.partitions.in.flight", "1", ErrorCode.None)]
    [InlineData("", "milena.balancer.partitions.in.flight", "0", ErrorCode.InvalidRequest)]
    [InlineData("", "milena.balancer.settle.ms", "9223372036854775807", ErrorCode.None)]
    [InlineData("", "milena.leader.return.ms", "-1", ErrorCode.None)]
    [InlineData("", "milena.leader.return.ms", "-2", ErrorCode.InvalidRequest)]
    [InlineData("1", "milena.leader.return.ms", "0", ErrorCode.InvalidRequest)]
    [InlineData("1", "milena.broker.decommission", "TRUE", ErrorCode.None)]
    [InlineData("", "milena.broker.decommission", "true", ErrorCode.InvalidRequest)]
    [InlineData("9", "milena.broker.decommission", "true", ErrorCode.BrokerIdNotRegistered)]
    public void Each_setting_has_its_place_and_its_values(string broker, string name, string value, ErrorCode expected)
    {
        var (error, image) = Set(broker, name, value);
        Assert.Equal(expected, error);
        Assert.Equal(expected == ErrorCode.None ? value : null, image.ConfigOf(new ConfigResource(ConfigResourceType.Broker, broker)).GetValueOrDefault(name));
    }

    [Fact]
    public void What_is_set_holds_and_what_is_not_has_a_default()
    {
        Assert.Equal((false, 10, TimeSpan.FromMinutes(1)), (BalancerSettings.IsEnabled(Image), BalancerSettings.PartitionsInFlight(Image), BalancerSettings.Settle(Image)));
        var image = Set("", "milena.balancer.settle.ms", "9223372036854775807").Image;
        Assert.InRange(BalancerSettings.Settle(image), TimeSpan.FromDays(20), TimeSpan.MaxValue);
        Assert.Equal([2], BalancerSettings.Leaving(Set("2", "milena.broker.decommission", "True").Image));
        Assert.Empty(BalancerSettings.Leaving(Set("2", "milena.broker.decommission", "false").Image));
    }

    [Fact]
    public void Each_is_of_one_broker_or_of_all_and_never_of_both() =>
        Assert.All(OwnBrokerSettings.All, setting => Assert.NotEqual(DynamicBrokerSettings.IsOfOneBroker(setting.Name), DynamicBrokerSettings.IsOfAllBrokers(setting.Name)));

    [Fact]
    public void No_configuration_file_has_them_since_nodes_could_differ() =>
        Assert.All(OwnBrokerSettings.All, setting => Assert.NotNull(StaticSettings.Check(setting.Name, setting.Default!)));

    private static (ErrorCode Error, MetadataImage Image) Set(string broker, string name, string value)
    {
        var request = new IncrementalAlterConfigsRequest
        {
            Resources = [new() { ResourceType = (sbyte)ConfigResourceType.Broker, ResourceName = broker, Configs = [new() { Name = name, Value = value }] }],
        };
        var decision = AlterConfigsDecision.Decide(Image, request, Decisions.Context());
        return (((IncrementalAlterConfigsResponse)decision.Response).Responses.Single().ErrorCode, Image.Apply([.. decision.Records]));
    }
}
