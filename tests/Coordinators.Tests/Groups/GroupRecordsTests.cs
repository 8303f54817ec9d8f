using Milena.Coordinators.Groups;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Coordinators.Tests.Groups;

/// <summary>The records of <c>__consumer_offsets</c>, beside those that a Kafka 4.3.1 broker wrote.</summary>
public sealed class GroupRecordsTests
{
    private static readonly DateTimeOffset RecordTime = DateTimeOffset.UnixEpoch;

    private static List<(byte[] Key, byte[]? Value)> ReferenceRecords()
    {
        var log = File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "Reference", "consumer-offsets.log"));
        var records = new List<(byte[] Key, byte[]? Value)>();
        for (var position = 0; position < log.Length;)
        {
            Assert.Equal(ErrorCode.None, RecordBatchHeader.TryRead(log.AsSpan(position), out var header));
            var reader = new RecordReader(log.AsSpan(position + RecordBatchHeader.Size, header.SizeInBytes - RecordBatchHeader.Size));
            while (!reader.AtEnd)
            {
                Assert.True(reader.TryRead(out var record));
                records.Add((record.Key.ToArray(), record.HasValue ? record.Value.ToArray() : null));
            }

            position += header.SizeInBytes;
        }

        return records;
    }

    private static GroupCoordinator NewCoordinator() => new(new GroupSettings(), Guid.NewGuid);

    private static void Replay(GroupCoordinator coordinator, (byte[] Key, byte[]? Value) record) =>
        coordinator.Replay(record.Key, record.Value is null ? (ReadOnlyMemory<byte>?)null : record.Value, RecordTime);

    [Fact]
    public void What_a_Kafka_broker_recorded_is_understood()
    {
        var records = ReferenceRecords();
        Assert.Equal(5, records.Count);
        var coordinator = NewCoordinator();
        Replay(coordinator, records[0]);
        Assert.Equal((GroupState.Empty, 0), (coordinator.Snapshot().Single().State, coordinator.Snapshot().Single().Generation));
        Replay(coordinator, records[1]);
        var stable = coordinator.Snapshot().Single();
        Assert.Equal(("readers", GroupState.Stable, 1), (stable.GroupId, stable.State, stable.Generation));
        Assert.Equal(("consumer", "range"), (stable.ProtocolType, stable.ProtocolName));
        Assert.StartsWith("rdkafka-5ca71505", stable.LeaderId);
        Assert.Contains("client=rdkafka/127.0.0.1 timeouts=45000,300000", stable.Members);
        Replay(coordinator, records[2]);
        Replay(coordinator, records[3]);
        Replay(coordinator, records[4]);
        var empty = coordinator.Snapshot().Single();
        Assert.Equal((GroupState.Empty, 2), (empty.State, empty.Generation));
        Assert.Equal(("consumer", null, null), (empty.ProtocolType, empty.ProtocolName, empty.LeaderId));
        Assert.StartsWith("orders-0 CommittedOffset { Offset = 12024, LeaderEpoch = -1, Metadata = ", empty.Offsets);
        Assert.Contains("TopicId = 29c44f96-f5e0-4514-8259-bc5e73175c2a", empty.Offsets);
        Assert.Equal((0, 0), (coordinator.UnknownRecords, coordinator.MalformedRecords));
    }

    [Fact]
    public void The_same_story_gives_the_records_that_Kafka_wrote()
    {
        var reference = ReferenceRecords();
        var harness = new GroupHarness();
        harness.TopicIds["orders"] = new Guid("29c44f96-f5e0-4514-8259-bc5e73175c2a");
        var client = new GroupMemberClient(harness, "readers") { SessionTimeoutMs = 45_000, RebalanceTimeoutMs = 300_000, ClientId = "rdkafka" };
        var join = client.JoinWithNewId();
        harness.AdvanceUntilAnswered(join);
        client.TakeGeneration(join);
        client.Sync((client.MemberId, "share"));
        client.Commit("orders", 0, 100);
        client.Commit("orders", 0, 12_024);
        client.Leave();
        Assert.Equal(reference.Count, harness.Log.Count);
        foreach (var (theirs, ours) in reference.Zip(harness.Log))
        {
            Assert.Equal(Convert.ToHexString(theirs.Key), Convert.ToHexString(ours.Key));
            Assert.Equal(theirs.Value![..2], ours.Value![..2]);
        }

        // All but the time of the commit.
        Assert.Equal(Convert.ToHexString(reference[3].Value!.AsSpan(0, 15)), Convert.ToHexString(harness.Log[3].Value!.AsSpan(0, 15)));
        Assert.Equal(Convert.ToHexString(reference[3].Value!.AsSpan(23)), Convert.ToHexString(harness.Log[3].Value!.AsSpan(23)));
        // All but the time of the state.
        Assert.Equal(reference[4].Value!.Length, harness.Log[4].Value!.Length);
        Assert.Equal(Convert.ToHexString(reference[4].Value!.AsSpan(0, 20)), Convert.ToHexString(harness.Log[4].Value!.AsSpan(0, 20)));
        Assert.Equal(Convert.ToHexString(reference[0].Value!.AsSpan(0, 12)), Convert.ToHexString(harness.Log[0].Value!.AsSpan(0, 12)));
    }

    [Fact]
    public void Offsets_of_very_old_brokers_are_read()
    {
        var coordinator = NewCoordinator();
        var key = GroupHarness.Encode(new LegacyOffsetCommitKey { Group = "old", Topic = "orders", Partition = 2 }, 0);
        var value = GroupHarness.Encode(new LegacyOffsetCommitValue { Offset = 17, Metadata = "m", CommitTimestamp = 5 }, 0);
        coordinator.Replay((byte[])[0, 0, .. key], (byte[])[0, 0, .. value], RecordTime);
        Assert.Contains("orders-2 CommittedOffset { Offset = 17", coordinator.Snapshot().Single().Offsets);
    }

    [Fact]
    public void Records_of_other_protocols_are_counted_and_passed_over()
    {
        var coordinator = NewCoordinator();
        coordinator.Replay((byte[])[0, 3, 0, 1, (byte)'g'], (byte[])[0, 0, 0, 0, 0, 1], RecordTime);
        coordinator.Replay((byte[])[0x7F, 0xFF], null, RecordTime);
        Assert.Equal((2, 0, 0), (coordinator.UnknownRecords, coordinator.MalformedRecords, coordinator.GroupCount));
    }

    [Fact]
    public void Every_truncation_of_a_record_is_counted_and_harmless()
    {
        foreach (var (key, value) in ReferenceRecords())
        {
            for (var length = 0; length < key.Length; length++)
            {
                var coordinator = NewCoordinator();
                coordinator.Replay(key.AsMemory(0, length), value, RecordTime);
                Assert.Equal((1, 0), (coordinator.MalformedRecords, coordinator.GroupCount));
            }

            for (var length = 0; length < value!.Length; length++)
            {
                var coordinator = NewCoordinator();
                coordinator.Replay(key, value.AsMemory(0, length), RecordTime);
                Assert.Equal((1, 0), (coordinator.MalformedRecords, coordinator.GroupCount));
            }
        }
    }

    [Fact]
    public void Values_of_a_version_to_come_are_passed_over()
    {
        var (key, value) = ReferenceRecords()[0];
        value![1] = 9;
        var coordinator = NewCoordinator();
        Replay(coordinator, (key, value));
        Assert.Equal((1, 0), (coordinator.MalformedRecords, coordinator.GroupCount));
    }

    [Fact]
    public void Tombstones_remove_what_they_name()
    {
        var coordinator = NewCoordinator();
        var records = ReferenceRecords();
        records.ForEach(record => Replay(coordinator, record));
        Replay(coordinator, (records[3].Key, null));
        Assert.Equal("", coordinator.Snapshot().Single().Offsets);
        Replay(coordinator, (records[0].Key, null));
        Assert.Equal(0, coordinator.GroupCount);
        Replay(coordinator, (records[0].Key, null));
        Replay(coordinator, (records[3].Key, null));
        Assert.Equal(0, coordinator.GroupCount);
    }

    [Theory]
    [InlineData("", 50, 0)]
    [InlineData("group", 50, 47)]
    [InlineData("readers", 50, 28)]
    [InlineData("my-group", 50, 12)]
    [InlineData("polygenelubricants", 50, 0)]
    public void A_group_belongs_to_the_partition_that_Java_says(string group, int partitions, int expected) =>
        Assert.Equal(expected, GroupCoordinator.PartitionFor(group, partitions));
}
