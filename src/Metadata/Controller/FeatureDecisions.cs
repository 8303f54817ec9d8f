using System.Globalization;
using Milena.Metadata.Image;
using Milena.Metadata.Quorum;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Metadata.Controller;

/// <param name="Min">The lowest level this version still works at.</param>
/// <param name="Max">The level that a cluster of only this version works at.</param>
public sealed record Feature(string Name, short Min, short Max);

/// <summary>Kafka's feature levels that exist here; a feature whose code is not written yet is not in the list.</summary>
public static class Features
{
    public const string MetadataVersionName = "metadata.version";

    /// <summary>Kafka 4.3's own level of metadata.version: clients and tools show it, and choose record formats by it.</summary>
    public const short MetadataVersion = 30;

    /// <summary>From this level of metadata.version on, brokers tell which of their log directories are cordoned (KIP-1066).</summary>
    public const short CordonedDirectoriesVersion = 30;

    /// <summary>At level 1 replicas outside the ISR are remembered that hold all that was committed (KIP-966).</summary>
    public const string EligibleLeadersName = "eligible.leader.replicas.version";

    /// <summary>Those that brokers register, and whose levels are decided by the controller.</summary>
    public static IReadOnlyList<Feature> Supported { get; } = [new(EligibleLeadersName, 0, 1), new(MetadataVersionName, 7, MetadataVersion)];

    /// <summary>The quorum's own: its level is in its control records, always the highest, and not in the image.</summary>
    public static Feature Quorum { get; } = new(QuorumApis.KRaftVersion, 0, VoterSet.KRaftVersion);

    public static bool KeepsEligibleLeaders(MetadataImage image) => image.Features.GetValueOrDefault(EligibleLeadersName) > 0;

    public static bool CordonsDirectories(MetadataImage image) => image.Features.GetValueOrDefault(MetadataVersionName) >= CordonedDirectoriesVersion;
}

/// <summary>Raises and lowers the levels at which the cluster works (KIP-584, KIP-778): all that are asked for, or none.</summary>
/// <remarks>A level is taken only when this controller and every registered broker know it, also those that are away: they will come back.</remarks>
public static class UpdateFeaturesDecision
{
    private const sbyte Upgrade = 1;
    private const sbyte UnsafeDowngrade = 3;

    /// <summary>A cluster begins at the highest levels.</summary>
    internal static IEnumerable<IMessage> OfNewCluster(MetadataImage image, ControllerContext context) =>
        [.. Features.Supported.Select(feature => new FeatureLevelRecord { Name = feature.Name, FeatureLevel = feature.Max }), .. OneMinInSyncForAll(image, context)];

    public static Decision Decide(MetadataImage image, UpdateFeaturesRequest request, ControllerContext context)
    {
        var records = new List<IMessage>();
        // One that is named twice counts as it is named last, as with Kafka.
        foreach (var update in request.FeatureUpdates.GroupBy(update => update.Feature).Select(same => same.Last()))
        {
            if (Refusal(image, update) is { } reason)
            {
                return Decision.Refuse(new UpdateFeaturesResponse
                {
                    ErrorCode = ErrorCode.InvalidUpdateVersion,
                    ErrorMessage = ErrorText.Clip($"No feature was changed, for {update.Feature} cannot go to level {update.MaxVersionLevel}: {reason}"),
                });
            }

            if (update.MaxVersionLevel != LevelOf(image, update.Feature))
            {
                records.Add(new FeatureLevelRecord { Name = update.Feature, FeatureLevel = update.MaxVersionLevel });
            }
        }

        return new Decision(request.ValidateOnly ? [] : [.. records, .. WithEligibleLeaders(image, records, context)], new UpdateFeaturesResponse());
    }

    /// <summary>What comes with the first level of eligible leader replicas, and with its end.</summary>
    private static IEnumerable<IMessage> WithEligibleLeaders(MetadataImage image, List<IMessage> records, ControllerContext context)
    {
        var updated = image.With(records);
        return (Features.KeepsEligibleLeaders(image), Features.KeepsEligibleLeaders(updated)) switch
        {
            (false, true) => OneMinInSyncForAll(image, context),
            (true, false) => context.Changes(updated, _ => true).EligibilityChanged(),
            _ => [],
        };
    }

    /// <summary>
    /// Who leads commits nothing below min.insync.replicas, and the controller takes it at its word: both have to go by the same number, so there
    /// is one for all brokers, and none of a single broker's own.
    /// </summary>
    private static IEnumerable<IMessage> OneMinInSyncForAll(MetadataImage image, ControllerContext context)
    {
        const string setting = InternalTopics.MinInSyncReplicas;
        foreach (var (resource, settings) in image.Configs.OrderBy(one => one.Key.Name, StringComparer.Ordinal))
        {
            if (resource.Type == ConfigResourceType.Broker && resource != ConfigResource.AllBrokers && settings.ContainsKey(setting))
            {
                yield return new ConfigRecord { ResourceType = (sbyte)resource.Type, ResourceName = resource.Name, Name = setting, Value = null };
            }
        }

        if (!image.ConfigOf(ConfigResource.AllBrokers).ContainsKey(setting))
        {
            yield return new ConfigRecord
            {
                ResourceType = (sbyte)ConfigResourceType.Broker,
                ResourceName = ConfigResource.AllBrokers.Name,
                Name = setting,
                Value = context.Settings.GetInt(setting).ToString(CultureInfo.InvariantCulture),
            };
        }
    }

    /// <returns>0 where it is not finalized.</returns>
    private static short LevelOf(MetadataImage image, string name) => name == Features.Quorum.Name ? Features.Quorum.Max : image.Features.GetValueOrDefault(name);

    private static string? Refusal(MetadataImage image, UpdateFeaturesRequest.FeatureUpdateKey update)
    {
        var (level, type) = (update.MaxVersionLevel, update.UpgradeType);
        if (type is < Upgrade or > UnsafeDowngrade)
        {
            return $"{type} is no type of upgrade.";
        }

        if (Features.Supported.Append(Features.Quorum).FirstOrDefault(one => one.Name == update.Feature) is not { } feature)
        {
            return "this version does not know it.";
        }

        if (level < feature.Min || level > feature.Max)
        {
            return $"this version knows the levels {feature.Min} to {feature.Max}.";
        }

        if (feature != Features.Quorum && image.Brokers.Values.FirstOrDefault(broker => !Knows(broker, feature.Name, level)) is { } unable)
        {
            return $"broker {unable.Id} does not know it.";
        }

        var current = LevelOf(image, update.Feature);
        return level < current ? WhyNotLower(feature, type)
            : level > current && type != Upgrade ? "this would be an upgrade."
            : null;
    }

    private static bool Knows(BrokerRegistration broker, string name, short level) =>
        level == 0 || broker.Features.Any(one => one.Name == name && one.Min <= level && level <= one.Max);

    /// <remarks>
    /// As in Kafka, no level of metadata.version below 30 holds what 30 does, and kraft.version cannot go back: there are voters with directory ids.
    /// </remarks>
    private static string? WhyNotLower(Feature feature, sbyte type) =>
        type == Upgrade ? "this would be a downgrade, which has to be asked for as one."
        : feature == Features.Quorum || feature.Name == Features.MetadataVersionName ? "a downgrade would lose metadata."
        : null;
}
