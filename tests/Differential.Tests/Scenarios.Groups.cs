using Milena.Model;
using Milena.Protocol;

namespace Milena.Differential.Tests;

/// <summary>Scenarios of groups and their offsets.</summary>
public static partial class Scenarios
{
    private static IEnumerable<Func<Session, IRequestMessage>> FindCoordinator(short version)
    {
        FindCoordinatorRequest Of(sbyte type, params string[] keys) => version >= 4
            ? new() { KeyType = type, CoordinatorKeys = [.. keys] }
            : new() { KeyType = version >= 1 ? type : (sbyte)0, Key = keys[0] };
        yield return _ => Of(0, $"found-{version}");
        yield return _ => Of(0, "");
        if (version >= 4)
        {
            yield return _ => Of(0, "one", "two", "three");
            yield return _ => Of(0);
        }
    }

    private static IEnumerable<Func<Session, IRequestMessage>> JoinGroup(short version)
    {
        JoinGroupRequest Of(string group, string member = "", int session = 10_000, string type = "consumer", bool protocols = true) => new()
        {
            GroupId = group,
            MemberId = member,
            SessionTimeoutMs = session,
            RebalanceTimeoutMs = version >= 1 ? 10_000 : -1,
            ProtocolType = type,
            Protocols = protocols ? [new() { Name = "range", Metadata = new byte[] { 0, 1, 0, 0, 0, 0, 0, 0, 0, 0 } }] : [],
        };
        yield return session =>
        {
            Coordinated(session);
            return Of($"join-{version}");
        };
        if (version >= 4)
        {
            yield return session => Of($"join-{version}", ((JoinGroupResponse)session.Last!).MemberId);
        }

        yield return _ => Of("");
        yield return _ => Of($"join-{version}", "nobody");
        yield return _ => Of($"join-x-{version}", "nobody");
        yield return _ => Of($"join-x-{version}", session: 1);
        yield return _ => Of($"join-x-{version}", session: int.MaxValue);
        yield return _ => Of($"join-x-{version}", type: "");
        yield return _ => Of($"join-x-{version}", protocols: false);
        yield return _ => Of($"join-{version}", type: "connect");
    }

    private static IEnumerable<Func<Session, IRequestMessage>> SyncGroup(short version)
    {
        SyncGroupRequest Of(string group, string member) => new() { GroupId = group, MemberId = member, GenerationId = 1 };
        yield return session =>
        {
            Coordinated(session);
            return Of("no-such-group", "nobody");
        };
        yield return _ => Of("", "nobody");
        yield return session => Of(Joined(session, $"sync-{version}"), "nobody");
    }

    private static IEnumerable<Func<Session, IRequestMessage>> Heartbeat(short version)
    {
        HeartbeatRequest Of(string group, string member) => new() { GroupId = group, MemberId = member, GenerationId = 1 };
        yield return session =>
        {
            Coordinated(session);
            return Of("no-such-group", "nobody");
        };
        yield return _ => Of("", "nobody");
        yield return session => Of(Joined(session, $"beat-{version}"), "nobody");
    }

    private static IEnumerable<Func<Session, IRequestMessage>> LeaveGroup(short version)
    {
        LeaveGroupRequest Of(string group, string member) => version >= 3
            ? new() { GroupId = group, Members = [new() { MemberId = member }] }
            : new() { GroupId = group, MemberId = member };
        yield return session =>
        {
            Coordinated(session);
            return Of("no-such-group", "nobody");
        };
        yield return _ => Of("", "nobody");
        yield return session => Of(Joined(session, $"leave-{version}"), "nobody");
    }

    private static IEnumerable<Func<Session, IRequestMessage>> OffsetCommit(short version)
    {
        var topic = $"commit-{version}";
        OffsetCommitRequest Of(Session session, string group, long offset, string? name = null, int partition = 0, int generation = -1, string member = "", string? metadata = "m") => new()
        {
            GroupId = group,
            GenerationIdOrMemberEpoch = generation,
            MemberId = member,
            Topics =
            [
                new()
                {
                    Name = version >= 10 ? "" : name ?? topic,
                    TopicId = version >= 10 ? (name is null ? session.Topic(topic) : Guid.NewGuid()) : Guid.Empty,
                    Partitions = [new() { PartitionIndex = partition, CommittedOffset = offset, CommittedMetadata = metadata }],
                },
            ],
        };
        yield return session =>
        {
            Coordinated(session);
            session.Topic(topic);
            return Of(session, $"commit-{version}", 5);
        };
        yield return session => Of(session, $"commit-{version}", 6, metadata: null);
        yield return session => Of(session, $"commit-{version}", 6, name: "no-such-topic");
        yield return session => Of(session, $"commit-{version}", 6, partition: 8);
        yield return session => Of(session, $"commit-{version}", 6, metadata: new string('x', 5000));
        yield return session => Of(session, $"commit-{version}", 6, generation: 3, member: "nobody");
        yield return session => Of(session, $"commit-none-{version}", 6, generation: 3, member: "nobody");
        yield return session => Of(session, $"commit-{version}", -5);
        yield return session => Of(session, "", 5);
    }

    private static IEnumerable<Func<Session, IRequestMessage>> OffsetFetch(short version)
    {
        var (group, topic) = ($"offsets-{version}", $"offsets-{version}");
        OffsetFetchRequest Of(Session session, string of, bool all, string? name = null)
        {
            if (version >= 8)
            {
                return new()
                {
                    Groups =
                    [
                        new()
                        {
                            GroupId = of,
                            Topics = all ? null : [new() { Name = version >= 10 ? "" : name ?? topic, TopicId = version >= 10 ? (name is null ? session.Topic(topic) : Guid.NewGuid()) : Guid.Empty, PartitionIndexes = [0, 1, 7] }],
                        },
                    ],
                };
            }

            return new() { GroupId = of, Topics = all ? null : [new() { Name = name ?? topic, PartitionIndexes = [0, 1, 7] }] };
        }

        yield return session =>
        {
            Coordinated(session);
            Committed(session, group, topic);
            return Of(session, group, all: false);
        };
        if (version >= 2)
        {
            yield return session => Of(session, group, all: true);
            yield return session => Of(session, "no-such-group", all: true);
        }

        yield return session => Of(session, "no-such-group", all: false);
        yield return session => Of(session, group, all: false, name: "no-such-topic");
        yield return session => Of(session, "", all: false);
    }

    private static IEnumerable<Func<Session, IRequestMessage>> OffsetDelete(short version)
    {
        var (group, topic) = ($"forget-{version}", $"forget-{version}");
        OffsetDeleteRequest Of(string of, string name, int partition) => new()
        {
            GroupId = of,
            Topics = [new() { Name = name, Partitions = [new() { PartitionIndex = partition }] }],
        };
        yield return session =>
        {
            Coordinated(session);
            Committed(session, group, topic);
            return Of(group, topic, 0);
        };
        yield return _ => Of(group, topic, 9);
        yield return _ => Of(group, "no-such-topic", 0);
        yield return _ => Of("no-such-group", topic, 0);
    }

    private static IEnumerable<Func<Session, IRequestMessage>> DescribeGroups(short version)
    {
        DescribeGroupsRequest Of(params string[] groups) => new() { Groups = [.. groups], IncludeAuthorizedOperations = version >= 3 };
        yield return session =>
        {
            Coordinated(session);
            Committed(session, $"described-{version}", $"described-{version}");
            return Of($"described-{version}");
        };
        yield return _ => Of("no-such-group");
        yield return _ => Of();
        yield return _ => Of($"described-{version}", "no-such-group");
    }

    private static IEnumerable<Func<Session, IRequestMessage>> DeleteGroups(short version)
    {
        DeleteGroupsRequest Of(params string[] groups) => new() { GroupsNames = [.. groups] };
        yield return session =>
        {
            Coordinated(session);
            Committed(session, $"gone-{version}", $"gone-{version}");
            return Of($"gone-{version}", "no-such-group");
        };
        yield return _ => Of($"gone-{version}");
        yield return session => Of(Joined(session, $"busy-{version}"));
        yield return _ => Of("");
    }

    internal static void Coordinated(Session session)
    {
        // The offsets topic is made on the way, and its coordinators load a moment later.
        Session.Await("a coordinator", () =>
        {
            var found = session.Prepare<FindCoordinatorResponse>(ApiKey.FindCoordinator, 4, new FindCoordinatorRequest { CoordinatorKeys = ["any"] });
            var listed = session.Prepare<HeartbeatResponse>(ApiKey.Heartbeat, 4, new HeartbeatRequest { GroupId = "any", MemberId = "nobody" });
            return found.Coordinators[0].ErrorCode == ErrorCode.None
                && listed.ErrorCode is not (ErrorCode.NotCoordinator or ErrorCode.CoordinatorNotAvailable or ErrorCode.CoordinatorLoadInProgress);
        });
    }

    internal static void Committed(Session session, string group, string topic)
    {
        session.Topic(topic, 2);
        session.Prepare<OffsetCommitResponse>(ApiKey.OffsetCommit, 8, new OffsetCommitRequest
        {
            GroupId = group,
            Topics = [new() { Name = topic, Partitions = [new() { PartitionIndex = 0, CommittedOffset = 42, CommittedMetadata = "note" }] }],
        });
    }

    /// <summary>A group with one member, which has its assignment.</summary>
    private static string Joined(Session session, string group)
    {
        var join = new JoinGroupRequest
        {
            GroupId = group,
            SessionTimeoutMs = 30_000,
            RebalanceTimeoutMs = 30_000,
            ProtocolType = "consumer",
            Protocols = [new() { Name = "range", Metadata = new byte[] { 0, 1, 0, 0, 0, 0, 0, 0, 0, 0 } }],
        };
        join.MemberId = session.Prepare<JoinGroupResponse>(ApiKey.JoinGroup, 4, join).MemberId;
        var joined = session.Prepare<JoinGroupResponse>(ApiKey.JoinGroup, 4, join);
        session.Prepare<SyncGroupResponse>(ApiKey.SyncGroup, 3, new SyncGroupRequest { GroupId = group, MemberId = join.MemberId, GenerationId = joined.GenerationId });
        return group;
    }
}
