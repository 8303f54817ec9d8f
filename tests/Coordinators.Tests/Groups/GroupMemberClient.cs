using Milena.Model;
using Milena.Protocol;

namespace Milena.Coordinators.Tests.Groups;

/// <summary>Sends what a client of one group sends, and remembers what a client remembers.</summary>
internal sealed class GroupMemberClient(GroupHarness harness, string group = "group", string? instanceId = null)
{
    public const short JoinVersion = 9;
    public const short SyncVersion = 5;

    public string Group => group;
    public string? InstanceId => instanceId;
    public string MemberId { get; set; } = "";
    public int Generation { get; set; } = -1;
    public string ProtocolType { get; init; } = "consumer";
    public string[] Protocols { get; set; } = ["range"];
    public string[] Topics { get; set; } = ["orders"];
    public byte[]? Metadata { get; init; }
    public int SessionTimeoutMs { get; set; } = 10_000;
    public int RebalanceTimeoutMs { get; set; } = 60_000;
    public short Version { get; init; } = JoinVersion;
    public string ClientId { get; init; } = "client";

    public Ticket Join() => harness.Send(
        new JoinGroupRequest
        {
            GroupId = group,
            SessionTimeoutMs = SessionTimeoutMs,
            RebalanceTimeoutMs = RebalanceTimeoutMs,
            MemberId = MemberId,
            GroupInstanceId = instanceId,
            ProtocolType = ProtocolType,
            Protocols = [.. Protocols.Select(name => new JoinGroupRequest.JoinGroupRequestProtocol
            {
                Name = name, Metadata = Metadata ?? Subscription(Topics),
            })],
        },
        Version,
        ClientId);

    /// <summary>A dynamic member's two requests: the first is answered with the member id that the second one uses.</summary>
    public Ticket JoinWithNewId()
    {
        var refused = Join().Answer<JoinGroupResponse>();
        Assert.Equal(ErrorCode.MemberIdRequired, refused.ErrorCode);
        MemberId = refused.MemberId;
        return Join();
    }

    public JoinGroupResponse TakeGeneration(Ticket join)
    {
        var joined = join.Answer<JoinGroupResponse>();
        Assert.Equal(ErrorCode.None, joined.ErrorCode);
        (MemberId, Generation) = (joined.MemberId, joined.GenerationId);
        return joined;
    }

    public Ticket Sync(params (string MemberId, string Assignment)[] assignments) => harness.Send(
        new SyncGroupRequest
        {
            GroupId = group,
            GenerationId = Generation,
            MemberId = MemberId,
            GroupInstanceId = instanceId,
            ProtocolType = ProtocolType,
            ProtocolName = Protocols[0],
            Assignments = [.. assignments.Select(one => new SyncGroupRequest.SyncGroupRequestAssignment
            {
                MemberId = one.MemberId, Assignment = System.Text.Encoding.UTF8.GetBytes(one.Assignment),
            })],
        },
        SyncVersion);

    public ErrorCode Heartbeat() => harness.Send(
        new HeartbeatRequest { GroupId = group, GenerationId = Generation, MemberId = MemberId, GroupInstanceId = instanceId }, 4)
        .Answer<HeartbeatResponse>().ErrorCode;

    public ErrorCode Leave()
    {
        var response = harness.Send(
            new LeaveGroupRequest { GroupId = group, Members = [new() { MemberId = MemberId, GroupInstanceId = instanceId }] },
            5).Answer<LeaveGroupResponse>();
        return response.Members.Single().ErrorCode;
    }

    public ErrorCode Commit(string topic, int partition, long offset, short version = 9, string? metadata = null) =>
        Commits.Send(harness, group, topic, partition, offset, version, Generation, MemberId, version >= 7 ? instanceId : null, metadata);

    public static string AssignmentOf(Ticket sync)
    {
        var response = sync.Answer<SyncGroupResponse>();
        Assert.Equal(ErrorCode.None, response.ErrorCode);
        return System.Text.Encoding.UTF8.GetString(response.Assignment.Span);
    }

    public static byte[] Subscription(params string[] topics)
    {
        var body = GroupHarness.Encode(new ConsumerProtocolSubscription { Topics = [.. topics] }, 3);
        return [0, 3, .. body];
    }
}

internal static class Commits
{
    public static ErrorCode Send(
        GroupHarness harness,
        string group,
        string topic,
        int partition,
        long offset,
        short version = 9,
        int generation = -1,
        string memberId = "",
        string? instanceId = null,
        string? metadata = null,
        long retentionTimeMs = -1,
        Guid topicId = default)
    {
        var response = harness.Send(
            new OffsetCommitRequest
            {
                GroupId = group,
                GenerationIdOrMemberEpoch = generation,
                MemberId = memberId,
                GroupInstanceId = instanceId,
                RetentionTimeMs = retentionTimeMs,
                Topics =
                [
                    new OffsetCommitRequest.OffsetCommitRequestTopic
                    {
                        Name = topic,
                        TopicId = topicId,
                        Partitions = [new() { PartitionIndex = partition, CommittedOffset = offset, CommittedMetadata = metadata }],
                    },
                ],
            },
            version).Answer<OffsetCommitResponse>();
        return response.Topics.Single().Partitions.Single().ErrorCode;
    }

    /// <summary>The committed offset, -1 where there is none.</summary>
    public static long Fetch(GroupHarness harness, string group, string topic, int partition) =>
        FetchTopic(harness, group, topic, partition).CommittedOffset;

    public static OffsetFetchResponse.OffsetFetchResponsePartitions FetchTopic(GroupHarness harness, string group, string topic, int partition)
    {
        var response = harness.Send(
            new OffsetFetchRequest
            {
                Groups = [new() { GroupId = group, Topics = [new() { Name = topic, PartitionIndexes = [partition] }] }],
            },
            9).Answer<OffsetFetchResponse>();
        return response.Groups.Single().Topics.Single().Partitions.Single();
    }
}

/// <summary>Groups in the state that a test begins with.</summary>
internal static class Scenes
{
    /// <summary>A stable group of new members, the first of which leads; each is assigned its own member id.</summary>
    public static GroupMemberClient[] Stable(GroupHarness harness, int members, Func<int, GroupMemberClient>? make = null)
    {
        var clients = Enumerable.Range(0, members).Select(make ?? (_ => new GroupMemberClient(harness))).ToArray();
        var joins = clients.Select(client => client.InstanceId is null ? client.JoinWithNewId() : client.Join()).ToArray();
        harness.AdvanceUntilAnswered(joins);
        foreach (var (client, join) in clients.Zip(joins))
        {
            client.TakeGeneration(join);
        }

        SyncAll(clients);
        return clients;
    }

    /// <summary>All send SyncGroup, the leader among them.</summary>
    public static Ticket[] SyncAll(params GroupMemberClient[] clients)
    {
        var assignments = clients.Select(client => (client.MemberId, client.MemberId)).ToArray();
        return [.. clients.Select((client, index) => client.Sync(assignments))];
    }
}
