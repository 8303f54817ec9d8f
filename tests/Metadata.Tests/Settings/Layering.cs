using Milena.Metadata.Image;
using Milena.Metadata.Settings;

namespace Milena.Metadata.Tests.Settings;

public sealed class Layering
{
    private static readonly SettingDefinition Retention = SettingTable.Topic.Find("retention.ms")!;

    [Fact]
    public void The_nearest_layer_wins_and_all_of_them_are_told()
    {
        var configs = new ConfigResolver(new StaticSettings([new("log.retention.hours", "2")]), brokerId: 1);
        var image = MetadataImage.Empty;
        Assert.Equal(("7200000", ConfigSource.StaticBroker), Value(configs, image));
        image = image.Apply(Images.Config(ConfigResource.AllBrokers, "log.retention.minutes", "3"));
        Assert.Equal(("180000", ConfigSource.DynamicDefaultBroker), Value(configs, image));
        image = image.Apply(Images.Config(ConfigResource.Broker(1), "log.retention.minutes", "4"));
        Assert.Equal(("240000", ConfigSource.DynamicBroker), Value(configs, image));
        image = image.Apply(Images.Config(ConfigResource.Broker(2), "log.retention.ms", "9"));
        Assert.Equal(("240000", ConfigSource.DynamicBroker), Value(configs, image));
        image = image.Apply(Images.Config(ConfigResource.AllBrokers, "log.retention.ms", "5"));
        // Of several names for one thing the finest unit wins, whatever layer it is set in.
        Assert.Equal(("5", ConfigSource.DynamicDefaultBroker), Value(configs, image));
        image = image.Apply(Images.Config(ConfigResource.Topic("orders"), "retention.ms", "6"));
        Assert.Equal(("6", ConfigSource.Topic), Value(configs, image));
        Assert.Equal(
            [
                new("retention.ms", "6", ConfigSource.Topic),
                new("log.retention.ms", "5", ConfigSource.DynamicDefaultBroker),
                new("log.retention.minutes", "3", ConfigSource.DynamicDefaultBroker),
                new("log.retention.hours", "2", ConfigSource.StaticBroker),
                new("log.retention.hours", "168", ConfigSource.Default),
            ],
            configs.Topic(image, "orders", Retention).Synonyms);
        // As in Kafka, what stands before the setting's own name in the order of sources is not told: here this broker's 4 minutes.
        Assert.Equal("5", configs.TopicValue(image, "other", "retention.ms"));
    }

    [Fact]
    public void Without_any_layer_the_default_holds()
    {
        var configs = new ConfigResolver(StaticSettings.Defaults, 1);
        Assert.Equal(("604800000", ConfigSource.Default), Value(configs, MetadataImage.Empty));
        foreach (var setting in SettingTable.Topic.All)
        {
            Assert.Equal(setting.Default, configs.TopicValue(MetadataImage.Empty, "orders", setting.Name));
        }
    }

    [Fact]
    public void No_limit_stays_no_limit_in_any_unit()
    {
        var configs = new ConfigResolver(new StaticSettings([new("log.retention.hours", "-1")]), 1);
        Assert.Equal("-1", configs.TopicValue(MetadataImage.Empty, "orders", "retention.ms"));
    }

    [Fact]
    public void A_brokers_setting_has_layers_too()
    {
        var configs = new ConfigResolver(new StaticSettings([new("max.connections", "10")]), 1);
        var image = MetadataImage.Empty.Apply(
            Images.Config(ConfigResource.AllBrokers, "max.connections", "20"), Images.Config(ConfigResource.Broker(1), "max.connections", "30"));
        var resolved = configs.Broker(image, SettingTable.Broker.Find("max.connections")!);
        Assert.Equal(("30", ConfigSource.DynamicBroker), (resolved.Value, resolved.Source));
        Assert.Equal(
            [ConfigSource.DynamicBroker, ConfigSource.DynamicDefaultBroker, ConfigSource.StaticBroker, ConfigSource.Default],
            resolved.Synonyms.Select(synonym => synonym.Source));
        Assert.Equal("20", new ConfigResolver(StaticSettings.Defaults, 2).BrokerValue(image, "max.connections"));
    }

    private static (string? Value, ConfigSource Source) Value(ConfigResolver configs, MetadataImage image)
    {
        var resolved = configs.Topic(image, "orders", Retention);
        return (resolved.Value, resolved.Source);
    }
}
