using Milena.Coordinators.Groups;
using Milena.Protocol;

namespace Milena.Coordinators.Tests.Groups;

/// <summary>Requests that make no sense, in every version: answered or parked, never an exception, and the log still says what is.</summary>
public sealed class HostileRequestTests
{
    private const int Requests = 4_000;

    private static readonly int[] Numbers = [int.MinValue, -2, -1, 0, 1, 2, 3, 6_000, 60_000, int.MaxValue];
    private static readonly long[] LongNumbers = [long.MinValue, -2, -1, 0, 1, 1_000, long.MaxValue];
    private static readonly string[] Words =
        ["", "g", "group", "consumer", "range", "sticky", "orders", "payments", "ü\0€", new('x', 5_000), new('ß', 16_001)];
    private static readonly byte[][] Bytes = [[], [0], [0, 3, 0xFF, 0xFF, 0xFF, 0xFF], GroupMemberClient.Subscription("orders"), new byte[3_000]];

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Any_request_in_any_version_is_taken(int seed)
    {
        var random = new Random(seed);
        var settings = new GroupSettings { MaxSize = 5, MaxBatchBytes = 20_000, OffsetsRetention = TimeSpan.FromMinutes(15) };
        var harness = new GroupHarness(settings, seed);
        var memberIds = new List<string> { "stranger" };
        harness.Answered += ticket =>
        {
            if (ticket.Response is JoinGroupResponse { MemberId.Length: > 0 } joined && memberIds.Count < 50)
            {
                memberIds.Add(joined.MemberId);
            }
        };
        var generator = new Generator(random, memberIds);
        for (var index = 0; index < Requests; index++)
        {
            var (request, version) = generator.Next();
            var ticket = harness.Send(request, version, random.Next(50) == 0 ? new string('c', 32_001) : "client");
            Assert.True(ticket.IsAnswered || request is JoinGroupRequest or SyncGroupRequest, $"{request.GetType().Name} has no answer.");
            harness.Advance(TimeSpan.FromMilliseconds(random.Next(3_000)));
        }

        harness.Advance(TimeSpan.FromDays(30));
        Assert.All(harness.Tickets, ticket => Assert.True(ticket.IsAnswered, $"{ticket.Request.GetType().Name} has no answer."));
        Assert.Equal(harness.Live.Snapshot(), harness.Replayed().Snapshot());
        Assert.True(harness.Log.Count > 100, "Hardly anything was recorded: the requests were too wild to matter.");
    }

    private sealed class Generator(Random random, List<string> memberIds)
    {
        public (IRequestMessage Request, short Version) Next() => random.Next(12) switch
        {
            < 3 => Join(),
            3 => Versioned(5, version => new SyncGroupRequest
            {
                GroupId = Group(),
                GenerationId = Generation(),
                MemberId = Member(),
                GroupInstanceId = version >= 3 ? Nullable() : null,
                ProtocolType = Nullable(),
                ProtocolName = Nullable(),
                Assignments = Many(() => new SyncGroupRequest.SyncGroupRequestAssignment { MemberId = Member(), Assignment = Pick(Bytes) }),
            }),
            4 => Versioned(4, version => new HeartbeatRequest
            {
                GroupId = Group(),
                GenerationId = Generation(),
                MemberId = Member(),
                GroupInstanceId = version >= 3 ? Nullable() : null,
            }),
            5 => Versioned(5, version => new LeaveGroupRequest
            {
                GroupId = Group(),
                MemberId = version < 3 ? Member() : "",
                Members = version < 3 ? [] : Many(() => new LeaveGroupRequest.MemberIdentity { MemberId = Member(), GroupInstanceId = Nullable() }),
            }),
            6 or 7 => Commit(),
            8 => Fetch(),
            9 => (new OffsetDeleteRequest
            {
                GroupId = Group(),
                Topics = Many(() => new OffsetDeleteRequest.OffsetDeleteRequestTopic
                {
                    Name = Short(),
                    Partitions = Many(() => new OffsetDeleteRequest.OffsetDeleteRequestPartition { PartitionIndex = Pick(Numbers) }),
                }),
            }, 0),
            10 => Versioned(6, _ => new DescribeGroupsRequest { Groups = Many(Group) }),
            _ => random.Next(3) == 0
                ? Versioned(2, _ => new DeleteGroupsRequest { GroupsNames = Many(Group) })
                : Versioned(5, version => new ListGroupsRequest
                {
                    StatesFilter = version >= 4 ? Many(Short) : [],
                    TypesFilter = version >= 5 ? Many(Short) : [],
                }),
        };

        private (IRequestMessage Request, short Version) Join() => Versioned(9, version => new JoinGroupRequest
        {
            GroupId = Group(),
            SessionTimeoutMs = Pick(Numbers),
            RebalanceTimeoutMs = Pick(Numbers),
            MemberId = random.Next(2) == 0 ? "" : Member(),
            GroupInstanceId = version >= 5 ? Nullable() : null,
            ProtocolType = random.Next(4) == 0 ? Short() : "consumer",
            Protocols = Many(() => new JoinGroupRequest.JoinGroupRequestProtocol
            {
                Name = random.Next(2) == 0 ? "range" : Short(),
                Metadata = Pick(Bytes),
            }),
        });

        private (IRequestMessage Request, short Version) Commit() => Versioned(9, version => new OffsetCommitRequest
        {
            GroupId = Group(),
            GenerationIdOrMemberEpoch = Generation(),
            MemberId = Member(),
            GroupInstanceId = version >= 7 ? Nullable() : null,
            RetentionTimeMs = version <= 4 ? Pick(LongNumbers) : -1,
            Topics = Many(() => new OffsetCommitRequest.OffsetCommitRequestTopic
            {
                Name = Short(),
                Partitions = Many(() => new OffsetCommitRequest.OffsetCommitRequestPartition
                {
                    PartitionIndex = Pick(Numbers),
                    CommittedOffset = Pick(LongNumbers),
                    CommittedLeaderEpoch = Pick(Numbers),
                    CommittedMetadata = Nullable(),
                }),
            }),
        }, lowest: 2);

        private (IRequestMessage Request, short Version) Fetch()
        {
            var version = (short)random.Next(1, 10);
            return version >= 8
                ? (new OffsetFetchRequest
                {
                    Groups = Many(() => new OffsetFetchRequest.OffsetFetchRequestGroup
                    {
                        GroupId = Group(),
                        Topics = random.Next(2) == 0 ? null : Many(() => new OffsetFetchRequest.OffsetFetchRequestTopics
                        {
                            Name = Short(),
                            PartitionIndexes = Many(() => Pick(Numbers)),
                        }),
                    }),
                }, version)
                : (new OffsetFetchRequest
                {
                    GroupId = Group(),
                    Topics = version >= 2 && random.Next(2) == 0 ? null : Many(() => new OffsetFetchRequest.OffsetFetchRequestTopic
                    {
                        Name = Short(),
                        PartitionIndexes = Many(() => Pick(Numbers)),
                    }),
                }, version);
        }

        private (IRequestMessage Request, short Version) Versioned(short highest, Func<short, IRequestMessage> make, short lowest = 0)
        {
            var version = (short)random.Next(lowest, highest + 1);
            return (make(version), version);
        }

        private T Pick<T>(T[] from) => from[random.Next(from.Length)];

        private List<T> Many<T>(Func<T> make) => [.. Enumerable.Range(0, random.Next(4)).Select(_ => make())];

        private string Group() => random.Next(8) == 0 ? Short() : $"group-{random.Next(3)}";

        private string Member() => random.Next(4) == 0 ? Short() : memberIds[random.Next(memberIds.Count)];

        private int Generation() => random.Next(2) == 0 ? Pick(Numbers) : random.Next(10);

        private string? Nullable() => random.Next(2) == 0 ? null : Short();

        private string Short() => Pick(Words);
    }
}
