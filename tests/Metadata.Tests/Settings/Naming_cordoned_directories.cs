using Milena.Metadata.Settings;

namespace Milena.Metadata.Tests.Settings;

public sealed class Naming_cordoned_directories
{
    private static readonly string[] Both = ["/data/1", "/data/2"];

    [Theory]
    [InlineData("")]
    [InlineData("*")]
    [InlineData("/data/1")]
    [InlineData(" /data/2 , /data/1 ")]
    [InlineData("/data/2/")]
    [InlineData("/data/other/../2")]
    public void Some_or_all_directories_of_a_broker_are_named(string value) => Assert.Null(CordonedLogDirs.Check(value, Both.Select(path => $"{path}/")));

    [Theory]
    [InlineData("/data/3", "/data/3")]
    [InlineData("/data/1,/data,data/1", "/data, data/1")]
    [InlineData("/data/1/orders-0", "/data/1/orders-0")]
    [InlineData("*,/data/1", "stands alone")]
    [InlineData("/data/\0", "/data/\0")]
    public void What_is_no_directory_of_the_broker_is_told_in_one_line(string value, string told)
    {
        var wrong = CordonedLogDirs.Check(value, Both)!;
        Assert.StartsWith($"Invalid value {value} for configuration cordoned.log.dirs: ", wrong);
        Assert.EndsWith($"{told}.", wrong);
        Assert.DoesNotContain('\n', wrong);
    }

    [Theory]
    [InlineData("", "")]
    [InlineData("*", "/data/1,/data/2")]
    [InlineData("/data/2,/data/3", "/data/2")]
    [InlineData("/data/1/", "/data/1")]
    public void What_a_broker_does_not_have_is_not_cordoned(string value, string expected) =>
        Assert.Equal(SettingDefinition.SplitList(expected), CordonedLogDirs.Of(value, Both).Order());

    [Theory]
    [InlineData("/data/1,/data/2", "/data/2", true)]
    [InlineData("/data/1", "", true)]
    [InlineData("*", "*", true)]
    [InlineData("*", "/data/1", false)]
    [InlineData("/data/1", "/data/1,/data/2", false)]
    [InlineData("", "*", false)]
    public void Whoever_knows_no_directories_sees_whether_a_value_only_uncordons(string before, string after, bool onlyUncordons) =>
        Assert.Equal(onlyUncordons, CordonedLogDirs.OnlyUncordons(before, after));
}
