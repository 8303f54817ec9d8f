using Milena.Metadata.Controller;
using Milena.Metadata.Image;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Metadata.Tests.Controller;

public sealed class Updating_features
{
    private const sbyte Up = 1;
    private const sbyte Down = 2;
    private const sbyte DownWhateverIsLost = 3;

    [Theory]
    [InlineData("metadata.version", 29, Up)]
    [InlineData("metadata.version", 29, Down)]
    [InlineData("metadata.version", 29, DownWhateverIsLost)]
    [InlineData("metadata.version", 31, Up)]
    [InlineData("metadata.version", 6, Down)]
    [InlineData("metadata.version", 0, Down)]
    [InlineData("metadata.version", -1, Up)]
    [InlineData("metadata.version", 30, 0)]
    [InlineData("metadata.version", 30, 4)]
    [InlineData("kraft.version", 2, Up)]
    [InlineData("kraft.version", 0, Down)]
    [InlineData("no.such.version", 1, Up)]
    [InlineData("no.such.version", 0, Down)]
    [InlineData("", 1, Up)]
    public void A_level_that_cannot_be_is_refused(string feature, short level, sbyte type)
    {
        var decision = UpdateFeaturesDecision.Decide(At(30), Request((feature, level, type)), Decisions.Context());
        Assert.Equal(ErrorCode.InvalidUpdateVersion, Error(decision));
        Assert.Empty(decision.Records);
    }

    [Theory]
    [InlineData("metadata.version", 30, Up)]
    [InlineData("metadata.version", 30, Down)]
    [InlineData("kraft.version", 1, Up)]
    public void The_level_that_is_in_force_already_changes_nothing(string feature, short level, sbyte type)
    {
        var decision = UpdateFeaturesDecision.Decide(At(30), Request((feature, level, type)), Decisions.Context());
        Assert.Equal(ErrorCode.None, Error(decision));
        Assert.Empty(decision.Records);
    }

    [Fact]
    public void A_level_that_every_broker_knows_is_taken()
    {
        var decision = UpdateFeaturesDecision.Decide(At(20), Request(("metadata.version", 30, Up)), Decisions.Context());
        Assert.Equal(ErrorCode.None, Error(decision));
        Assert.Equal(30, At(20).Apply([.. decision.Records]).Features["metadata.version"]);
    }

    [Fact]
    public void What_is_only_to_be_checked_is_not_done()
    {
        var request = Request(("metadata.version", 30, Up));
        request.ValidateOnly = true;
        var decision = UpdateFeaturesDecision.Decide(At(20), request, Decisions.Context());
        Assert.Equal(ErrorCode.None, Error(decision));
        Assert.Empty(decision.Records);
        request.FeatureUpdates[0].MaxVersionLevel = 31;
        Assert.Equal(ErrorCode.InvalidUpdateVersion, Error(UpdateFeaturesDecision.Decide(At(20), request, Decisions.Context())));
    }

    [Theory]
    [InlineData(29, false, ErrorCode.InvalidUpdateVersion)]
    [InlineData(29, true, ErrorCode.InvalidUpdateVersion)]
    [InlineData(30, true, ErrorCode.None)]
    public void A_level_that_a_broker_does_not_know_is_refused_also_while_it_is_away(short highest, bool isAway, ErrorCode expected)
    {
        var second = Images.Broker(2, fenced: isAway);
        second.Features[0].MaxSupportedVersion = highest;
        var decision = UpdateFeaturesDecision.Decide(At(20).Apply(second), Request(("metadata.version", 30, Up)), Decisions.Context());
        Assert.Equal(expected, Error(decision));
        Assert.Equal(expected == ErrorCode.None ? 1 : 0, decision.Records.Count);
    }

    [Fact]
    public void One_that_is_wrong_stops_all()
    {
        var decision = UpdateFeaturesDecision.Decide(At(20), Request(("metadata.version", 30, Up), ("no.such.version", 1, Up)), Decisions.Context());
        Assert.Equal(ErrorCode.InvalidUpdateVersion, Error(decision));
        Assert.Empty(decision.Records);
    }

    [Fact]
    public void One_that_is_named_twice_counts_as_it_is_named_last()
    {
        var decision = UpdateFeaturesDecision.Decide(At(20), Request(("metadata.version", 31, Up), ("metadata.version", 25, Up)), Decisions.Context());
        Assert.Equal(25, At(20).Apply([.. decision.Records]).Features["metadata.version"]);
    }

    [Fact]
    public void A_cluster_that_has_begun_takes_no_level_because_a_broker_comes()
    {
        var request = new BrokerRegistrationRequest
        {
            BrokerId = 2,
            ClusterId = "cluster",
            IncarnationId = Images.Orders,
            Features = [new() { Name = "metadata.version", MinSupportedVersion = 7, MaxSupportedVersion = 30 }],
        };
        var image = Images.Of(Images.Broker(1), new FeatureLevelRecord { Name = "another.version", FeatureLevel = 1 });
        request.Features.Add(new() { Name = "another.version", MinSupportedVersion = 0, MaxSupportedVersion = 1 });
        var decision = RegisterBrokerDecision.Decide(image, request, Decisions.Context(), nextOffset: 42, "cluster");
        Assert.Equal(ErrorCode.None, ((BrokerRegistrationResponse)decision.Response).ErrorCode);
        Assert.Empty(decision.Records.OfType<FeatureLevelRecord>());
        request.Features.RemoveAt(1);
        var refused = RegisterBrokerDecision.Decide(image, request, Decisions.Context(), nextOffset: 42, "cluster");
        Assert.Equal(ErrorCode.UnsupportedVersion, ((BrokerRegistrationResponse)refused.Response).ErrorCode);
    }

    [Theory]
    [InlineData(null, "1")]
    [InlineData("3", "3")]
    public void With_eligible_leaders_one_number_that_has_to_be_in_sync_takes_the_place_of_each_brokers_own(string? before, string after)
    {
        var broker = Images.Broker(1);
        broker.Features.Add(new() { Name = Features.EligibleLeadersName, MaxSupportedVersion = 1 });
        var image = At(30).Apply(
            broker, Images.Config(ConfigResource.Broker(1), "min.insync.replicas", "2"), Images.Config(ConfigResource.Broker(9), "min.insync.replicas", "2"),
            Images.Config(ConfigResource.AllBrokers, "min.insync.replicas", before));
        var decision = UpdateFeaturesDecision.Decide(image, Request((Features.EligibleLeadersName, 1, Up)), Decisions.Context());
        image = image.Apply([.. decision.Records]);
        Assert.Equal(1, image.Features[Features.EligibleLeadersName]);
        Assert.Equal([new("min.insync.replicas", after)], Assert.Single(image.Configs).Value);
        Assert.Empty(UpdateFeaturesDecision.Decide(image, Request((Features.EligibleLeadersName, 1, Up)), Decisions.Context()).Records);
    }

    private static MetadataImage At(short level) => Images.Of(Images.Broker(1), new FeatureLevelRecord { Name = "metadata.version", FeatureLevel = level });

    private static UpdateFeaturesRequest Request(params (string Feature, short Level, sbyte Type)[] updates) => new()
    {
        FeatureUpdates = [.. updates.Select(one => new UpdateFeaturesRequest.FeatureUpdateKey { Feature = one.Feature, MaxVersionLevel = one.Level, UpgradeType = one.Type })],
    };

    private static ErrorCode Error(Decision decision) => ((UpdateFeaturesResponse)decision.Response).ErrorCode;
}
