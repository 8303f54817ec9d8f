using System.Globalization;

namespace Milena.Coordinators.Groups;

/// <summary>What the log says of one group, comparable: two coordinators of one log must agree in it.</summary>
/// <param name="Members">One a line, in order of id: what is recorded of them.</param>
/// <param name="Offsets">One a line, in order of topic and partition.</param>
/// <remarks>A group in the middle of a rebalance has state that is not in the log, and shows it; it must not be compared.</remarks>
public sealed record GroupSnapshot(
    string GroupId,
    GroupState State,
    int Generation,
    string? ProtocolType,
    string? ProtocolName,
    string? LeaderId,
    long? StateTimestampMs,
    string Members,
    string Offsets)
{
    internal static GroupSnapshot Of(Group group) => new(
        group.Id,
        group.State,
        group.Generation,
        group.ProtocolType,
        group.ProtocolName,
        group.LeaderId,
        group.StateTimestampMs,
        string.Join('\n', group.Members.OrderBy(member => member.Id, StringComparer.Ordinal).Select(member => Line(group, member))),
        string.Join('\n', group.Offsets.Topics.SelectMany(topic => topic.Value.Select(one => Line(topic.Key, one.Key, one.Value)))));

    private static string Line(Group group, GroupMember member) => string.Create(
        CultureInfo.InvariantCulture,
        $"{member.Id} instance={member.InstanceId} client={member.ClientId}{member.ClientHost} "
        + $"timeouts={member.SessionTimeoutMs},{member.RebalanceTimeoutMs} "
        + $"subscription={Convert.ToHexString(member.MetadataFor(group.ProtocolName).Span)} "
        + $"assignment={Convert.ToHexString(member.Assignment.Span)}");

    private static string Line(string topic, int partition, in CommittedOffset committed) =>
        string.Create(CultureInfo.InvariantCulture, $"{topic}-{partition} {committed}");
}
