using System.Buffers.Binary;
using System.Text;
using Milena.Coordinators.Runtime;
using Milena.Protocol;

namespace Milena.Coordinators.Groups;

/// <summary>Groups and offsets as records of <c>__consumer_offsets</c>, in Kafka's schemas, so that its tools can read them.</summary>
internal static class GroupRecords
{
    /// <summary>A group's members and generation.</summary>
    public const short GroupKeyType = GroupMetadataKey.ApiKey;

    /// <summary>A committed offset.</summary>
    public const short OffsetKeyType = OffsetCommitKey.ApiKey;

    /// <summary>A committed offset as very old brokers wrote it; the layout is the same.</summary>
    public const short LegacyOffsetKeyType = LegacyOffsetCommitKey.ApiKey;

    private const short GroupValueVersion = 3;

    /// <summary>The version that carries the topic id, which 4.3 brokers write.</summary>
    private const short OffsetValueVersion = 4;

    /// <summary>The only version that carries an expiry of its own.</summary>
    private const short ExpiringOffsetValueVersion = 1;

    /// <summary>What a record and its fields take besides the text and bytes in them; generous, for it guards a bound.</summary>
    private const int FixedBytes = 96;

    public static CoordinatorRecord OfGroup(Group group)
    {
        var value = new GroupMetadataValue
        {
            ProtocolType = group.ProtocolType ?? "",
            Generation = group.Generation,
            Protocol = group.ProtocolName,
            Leader = group.LeaderId,
            CurrentStateTimestamp = group.StateTimestampMs ?? -1,
        };
        foreach (var member in group.Members)
        {
            value.Members.Add(new GroupMetadataValue.MemberMetadata
            {
                MemberId = member.Id,
                GroupInstanceId = member.InstanceId,
                ClientId = member.ClientId,
                ClientHost = member.ClientHost,
                RebalanceTimeout = member.RebalanceTimeoutMs,
                SessionTimeout = member.SessionTimeoutMs,
                Subscription = member.MetadataFor(group.ProtocolName),
                Assignment = member.Assignment,
            });
        }

        return new CoordinatorRecord(GroupKeyType, new GroupMetadataKey { Group = group.Id }, value, GroupValueVersion);
    }

    /// <summary>A group that somebody knocked at: it exists, and a restart must not forget that.</summary>
    public static CoordinatorRecord OfNewGroup(string groupId, long nowMs) => new(
        GroupKeyType,
        new GroupMetadataKey { Group = groupId },
        new GroupMetadataValue { Protocol = null, Leader = null, CurrentStateTimestamp = nowMs },
        GroupValueVersion);

    public static CoordinatorRecord GroupTombstone(string groupId) => new(GroupKeyType, new GroupMetadataKey { Group = groupId }, null, 0);

    public static CoordinatorRecord OfOffset(string groupId, string topic, int partition, in CommittedOffset committed) => new(
        OffsetKeyType,
        OffsetKey(groupId, topic, partition),
        new OffsetCommitValue
        {
            Offset = committed.Offset,
            LeaderEpoch = committed.LeaderEpoch,
            Metadata = committed.Metadata,
            CommitTimestamp = committed.CommitTimestampMs,
            ExpireTimestamp = committed.ExpireTimestampMs ?? -1,
            TopicId = committed.TopicId,
        },
        committed.ExpireTimestampMs is null ? OffsetValueVersion : ExpiringOffsetValueVersion);

    public static CoordinatorRecord OffsetTombstone(string groupId, string topic, int partition) =>
        new(OffsetKeyType, OffsetKey(groupId, topic, partition), null, 0);

    /// <summary>What a replay of the record gives: the version that carries an expiry drops the leader epoch and the topic id.</summary>
    public static CommittedOffset AsStored(in CommittedOffset committed) =>
        committed.ExpireTimestampMs is null ? committed : committed with { LeaderEpoch = -1, TopicId = Guid.Empty };

    /// <summary>An upper bound of what the group's record takes in a batch.</summary>
    public static long MaxBytesOf(Group group)
    {
        var bytes = FixedBytes + TextBytes(group.Id) + TextBytes(group.ProtocolType) + TextBytes(group.ProtocolName) + TextBytes(group.LeaderId);
        foreach (var member in group.Members)
        {
            bytes += FixedBytes + TextBytes(member.Id) + TextBytes(member.InstanceId) + TextBytes(member.ClientId) + TextBytes(member.ClientHost)
                + member.MetadataFor(group.ProtocolName).Length + member.Assignment.Length;
        }

        return bytes;
    }

    /// <summary>An upper bound of what one committed offset takes in a batch.</summary>
    public static long MaxBytesOfOffset(string groupId, string topic, string metadata) =>
        FixedBytes + TextBytes(groupId) + TextBytes(topic) + TextBytes(metadata);

    public static long MaxBytesOfTombstone(string groupId, string topic) => MaxBytesOfOffset(groupId, topic, metadata: "");

    /// <summary>Splits the leading int16 off a key or value.</summary>
    public static bool TryReadVersion(ReadOnlyMemory<byte> bytes, out short version, out ReadOnlyMemory<byte> body)
    {
        version = -1;
        body = default;
        if (bytes.Length < sizeof(short))
        {
            return false;
        }

        version = BinaryPrimitives.ReadInt16BigEndian(bytes.Span);
        body = bytes[sizeof(short)..];
        return true;
    }

    /// <summary>Builds the group that a record describes, without offsets.</summary>
    public static Group ToGroup(string groupId, GroupMetadataValue value)
    {
        var group = new Group(groupId)
        {
            Generation = value.Generation,
            ProtocolType = value.ProtocolType.Length == 0 ? null : value.ProtocolType,
            ProtocolName = value.Protocol,
        };
        foreach (var member in value.Members)
        {
            group.Add(new GroupMember(member.MemberId, member.GroupInstanceId, member.ClientId, member.ClientHost)
            {
                RebalanceTimeoutMs = member.RebalanceTimeout < 0 ? member.SessionTimeout : member.RebalanceTimeout,
                SessionTimeoutMs = member.SessionTimeout,
                Protocols = [new GroupProtocol(value.Protocol ?? "", member.Subscription.ToArray())],
                Assignment = member.Assignment.ToArray(),
            });
        }

        group.LeaderId = value.Leader;
        group.Restore(
            value.Members.Count == 0 ? GroupState.Empty : GroupState.Stable,
            value.CurrentStateTimestamp < 0 ? null : value.CurrentStateTimestamp);
        group.ReadSubscriptions();
        return group;
    }

    public static CommittedOffset ToOffset(OffsetCommitValue value) => new(
        value.Offset,
        value.LeaderEpoch,
        value.Metadata,
        value.CommitTimestamp,
        value.ExpireTimestamp < 0 ? null : value.ExpireTimestamp,
        value.TopicId);

    private static OffsetCommitKey OffsetKey(string groupId, string topic, int partition) =>
        new() { Group = groupId, Topic = topic, Partition = partition };

    private static long TextBytes(string? text) => text is null ? 0 : Encoding.UTF8.GetByteCount(text);
}
