using Milena.Metadata.Settings;

namespace Milena.Metadata.Tests.Settings;

public sealed class Checking_values
{
    [Theory]
    [InlineData(SettingType.Boolean, "", "true|FALSE", "yes|1|")]
    [InlineData(SettingType.Short, "", "-32768|32767| 5 ", "32768|x||1.5")]
    [InlineData(SettingType.Int, "1..10", "1|10", "0|11|-1|2147483648")]
    [InlineData(SettingType.Int, "-1..", "-1|2147483647", "-2")]
    [InlineData(SettingType.Int, "", "-2147483648|2147483647", "2147483648|1e3")]
    [InlineData(SettingType.Long, "0..", "0|9223372036854775807", "-1|9223372036854775808")]
    [InlineData(SettingType.Double, "0..1", "0|0.5|1|1e-3", "-0.1|1.1|NaN|half|")]
    [InlineData(SettingType.Int, "gzip-level", "-1|1|9", "0|10|-2")]
    [InlineData(SettingType.String, "in a,b", "a|b", "A|c||a,b")]
    [InlineData(SettingType.String, "in-any-case A,b", "a|B", "c|")]
    [InlineData(SettingType.String, "nonempty", "x", "")]
    [InlineData(SettingType.String, "", "|anything", null)]
    [InlineData(SettingType.List, "in a,b", "|a|a,b| b , a ", "c|a,c")]
    [InlineData(SettingType.List, "throttled-replicas", "*|0:1,1:2|", "0|a:b|0:1:2")]
    [InlineData(SettingType.Class, "", "org.example.Some", null)]
    [InlineData(SettingType.Password, "", "secret", null)]
    public void Every_type_takes_its_values_and_refuses_others(SettingType type, string valid, string good, string? bad)
    {
        var setting = new SettingDefinition("some.setting", type, null, valid, []);
        Assert.NotNull(setting.Check(null));
        Assert.All(good.Split('|'), value => Assert.Null(setting.Check(value)));
        Assert.All(bad?.Split('|') ?? [], value => Assert.Contains("some.setting", setting.Check(value)!));
    }

    [Fact]
    public void A_secret_is_never_repeated() =>
        Assert.DoesNotContain("hunter2", new SettingDefinition("key.password", SettingType.Password, null, "in a", []).Check("hunter2")!);

    [Fact]
    public void Every_default_in_the_tables_passes_its_own_check()
    {
        foreach (var setting in SettingTable.Topic.All.Concat(SettingTable.Broker.All).Where(setting => setting.Default is not null))
        {
            Assert.True(setting.Check(setting.Default) is null, setting.Check(setting.Default));
        }
    }

    [Fact]
    public void Every_synonym_of_a_topic_setting_is_a_broker_setting_of_a_fitting_type()
    {
        foreach (var setting in SettingTable.Topic.All)
        {
            Assert.All(setting.BrokerSynonyms, synonym => Assert.True(SettingTable.Broker.Find(synonym) is not null, $"{setting.Name}: {synonym}"));
        }
    }

    [Fact]
    public void An_unknown_setting_names_its_nearest()
    {
        Assert.Equal("Unknown setting 'log.retention.hour'. The nearest known one is 'log.retention.hours'.", StaticSettings.Check("log.retention.hour", "1"));
        Assert.Equal("num.partitions", SettingTable.Broker.Nearest("num.partition"));
        Assert.Null(StaticSettings.Check("log.retention.hours", "1"));
        Assert.NotNull(StaticSettings.Check("log.retention.hours", "soon"));
    }

    [Fact]
    public void Static_settings_lie_over_the_defaults()
    {
        var settings = new StaticSettings([new("num.partitions", "7"), new("auto.create.topics.enable", "False")]);
        Assert.Equal((7, false, 4096), (settings.GetInt("num.partitions"), settings.GetBool("auto.create.topics.enable"), settings.GetInt("log.index.interval.bytes")));
        Assert.Equal(("7", null), (settings.FindSet("num.partitions"), settings.FindSet("log.index.interval.bytes")));
        Assert.Null(settings.Find("broker.rack"));
        Assert.Throws<InvalidOperationException>(() => settings.GetString("broker.rack"));
        Assert.Throws<ArgumentException>(() => settings.Find("no.such.setting"));
    }
}
