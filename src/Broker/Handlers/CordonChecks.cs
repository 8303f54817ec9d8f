using System.Globalization;
using Milena.Metadata.Image;
using Milena.Metadata.Settings;
using Milena.Model;

namespace Milena.Broker.Handlers;

/// <summary>Looks at what is to be set of cordoned log directories before the controller does, which knows no broker's paths.</summary>
/// <remarks>A broker vouches for its own paths. Of another one, which may be gone for good, it hands on what only uncordons.</remarks>
internal static class CordonChecks
{
    /// <summary>IncrementalAlterConfigs' operations that bring something new (KIP-339).</summary>
    public const sbyte Set = 0;
    public const sbyte Append = 2;

    /// <param name="given">What the resource is given under this name; null where it is given nothing.</param>
    /// <returns>Why not, in a sentence; null where the controller may decide.</returns>
    public static string? Refusal(BrokerContext broker, sbyte type, string resource, sbyte operation, string? given)
    {
        if ((ConfigResourceType)type != ConfigResourceType.Broker || resource.Length == 0 || given is null || operation is not (Set or Append))
        {
            return null;
        }

        var before = broker.Image.ConfigOf(new ConfigResource(ConfigResourceType.Broker, resource)).GetValueOrDefault(CordonedLogDirs.Setting) ?? "";
        var after = operation == Append ? $"{before},{given}" : given;
        return resource == broker.BrokerId.ToString(CultureInfo.InvariantCulture) ? CordonedLogDirs.Check(after, broker.Replicas.LogDirectories.Paths)
            : CordonedLogDirs.OnlyUncordons(before, after) ? null
            : $"Broker {resource} itself has to be asked for {CordonedLogDirs.Setting}: no other one knows its log directories.";
    }

    /// <summary>The answers in the order of what was asked: the controller's, with those that were given without it in between.</summary>
    /// <param name="refused">One for each resource, null where the controller answered.</param>
    public static List<T> Merge<T>(IReadOnlyList<T?> refused, IEnumerable<T> answered)
        where T : class
    {
        using var rest = answered.GetEnumerator();
        return [.. refused.Select(one => one ?? (rest.MoveNext() ? rest.Current : throw new InvalidOperationException("The controller left a resource unanswered.")))];
    }
}
