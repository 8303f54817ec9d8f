using Milena.Metadata.Settings;

namespace Milena.Metadata.Tests.Settings;

/// <summary>No setting is ignored in silence: it is read somewhere in the program, refused, or on a list that is told to the user.</summary>
public sealed class Settings_and_the_program
{
    /// <summary>Topic settings that are stored and reported while nothing acts on them: the cleaner does not exist yet.</summary>
    private static readonly string[] Waiting = ["delete.retention.ms", "max.compaction.lag.ms", "min.cleanable.dirty.ratio", "min.compaction.lag.ms"];

    /// <summary>LogSettingsSource puts three of these names together, and the controller reads the last.</summary>
    private static readonly string[] Composed =
        ["compression.gzip.level", "compression.lz4.level", "compression.zstd.level", "unclean.leader.election.enable"];

    private static readonly string Source = ReadSource("src");
    private static readonly string LogSettings = ReadSource(Path.Combine("src", "Replication"));

    [Fact]
    public void Every_topic_setting_is_honoured_refused_or_known_to_wait()
    {
        foreach (var setting in SettingTable.Topic.All)
        {
            var honoured = IsHonoured(setting.Name);
            Assert.True(
                honoured ^ IsRefused(setting) ^ Waiting.Contains(setting.Name),
                $"{setting.Name}: read by Replication {honoured}, refused {IsRefused(setting)}, waiting {Waiting.Contains(setting.Name)}.");
        }
    }

    [Fact]
    public void The_list_of_broker_settings_without_effect_is_exact()
    {
        var throughTopics = SettingTable.Topic.All.Where(setting => IsHonoured(setting.Name)).SelectMany(setting => setting.BrokerSynonyms).ToHashSet();
        var unread = SettingTable.Broker.All.Select(setting => setting.Name).Where(name => !throughTopics.Contains(name) && !Source.Contains($"\"{name}\"", StringComparison.Ordinal));
        Assert.Equal(unread.Order(StringComparer.Ordinal), SettingsWithoutEffect.All.Order(StringComparer.Ordinal));
    }

    private static bool IsHonoured(string name) => LogSettings.Contains($"\"{name}\"", StringComparison.Ordinal) || Composed.Contains(name);

    private static bool IsRefused(SettingDefinition setting)
    {
        string[] values = setting.Type == SettingType.Boolean ? ["true", "false"] : setting.Type == SettingType.List ? ["*", ""] : ["1", "-2"];
        return values.Any(value => TopicSettingRules.Check(setting.Name, value)?.Contains("not supported", StringComparison.Ordinal) == true);
    }

    private static string ReadSource(string folder)
    {
        var root = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(root.FullName, "Cluster.sln")))
        {
            root = root.Parent ?? throw new DirectoryNotFoundException($"No Cluster.sln above {AppContext.BaseDirectory}.");
        }

        var files = Directory.EnumerateFiles(Path.Combine(root.FullName, folder), "*.cs", SearchOption.AllDirectories)
            .Where(file => !file.Contains($"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}", StringComparison.Ordinal));
        return string.Concat(files.Select(File.ReadAllText));
    }
}
