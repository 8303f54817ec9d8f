using System.Collections.Immutable;
using System.Globalization;
using Milena.Metadata.Image;
using Milena.Metadata.Settings;

namespace Milena.Metadata.Controller.Balancing;

/// <summary>What an image says of balancing: whether it is wanted, how fast, and which brokers are to be emptied.</summary>
public static class BalancerSettings
{
    public static bool IsEnabled(MetadataImage image) => bool.Parse(Of(image, OwnBrokerSettings.BalancerEnable));

    public static int PartitionsInFlight(MetadataImage image) => int.Parse(Of(image, OwnBrokerSettings.PartitionsInFlight), CultureInfo.InvariantCulture);

    public static TimeSpan Settle(MetadataImage image) =>
        TimeSpan.FromMilliseconds(Math.Min(long.Parse(Of(image, OwnBrokerSettings.SettleMs), CultureInfo.InvariantCulture), int.MaxValue));

    /// <summary>For how long a broker that comes leads nothing that others lead; negative: until the next round.</summary>
    public static TimeSpan LeaderReturn(MetadataImage image) => TimeSpan.FromMilliseconds(int.Parse(Of(image, OwnBrokerSettings.LeaderReturnMs), CultureInfo.InvariantCulture));

    /// <summary>Whether the broker is to be emptied.</summary>
    public static bool IsLeaving(MetadataImage image, int brokerId) =>
        image.ConfigOf(ConfigResource.Broker(brokerId)).TryGetValue(OwnBrokerSettings.Decommission, out var value) && bool.Parse(value);

    /// <summary>The registered brokers that are to be emptied.</summary>
    public static ImmutableSortedSet<int> Leaving(MetadataImage image) => [.. image.Brokers.Keys.Where(id => IsLeaving(image, id))];

    private static string Of(MetadataImage image, string name) =>
        image.ConfigOf(ConfigResource.AllBrokers).GetValueOrDefault(name) ?? DynamicBrokerSettings.Find(name)!.Default!;
}
