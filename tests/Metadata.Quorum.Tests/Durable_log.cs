using System.Text;
using Milena.Metadata.Log;
using Milena.Metadata.Snapshots;
using Milena.Model;
using Milena.Protocol;
using Milena.Storage;
using Milena.Testing;

namespace Milena.Metadata.Quorum.Tests;

public sealed class Durable_log : IDiskErrorSink
{
    private static readonly string Directory = Path.GetFullPath("/data");
    private static readonly string StatePath = Path.Combine(Directory, "__cluster_metadata-0", QuorumStateFile.FileName);

    private readonly FaultyDisk _disk = new();
    private readonly List<Exception> _failures = [];

    private LogEnvironment Environment => new(_disk, new ManualTime(), new Random(1), this);

    void IDiskErrorSink.DiskFailed(string logDirectory, Exception error) => _failures.Add(error);

    [Fact]
    public void The_election_state_is_Kafkas_file()
    {
        using var log = QuorumLog.Open(Directory, true, Environment, new MetadataLogSettings());
        var state = new ElectionState(7, 2, new ReplicaKey(2, new Guid("00112233-4455-6677-8899-aabbccddeeff")));
        log.WriteElectionState(state);
        Assert.Equal(
            """{"leaderId":2,"leaderEpoch":7,"votedId":2,"votedDirectoryId":"ABEiM0RVZneImaq7zN3u_w","data_version":1}""",
            Encoding.UTF8.GetString(_disk.Content(StatePath)));
        Assert.Equal(state, log.ReadElectionState());
    }

    [Fact]
    public void The_election_state_of_an_older_Kafka_is_read()
    {
        using var log = QuorumLog.Open(Directory, true, Environment, new MetadataLogSettings());
        _disk.SetContent(StatePath, """{"clusterId":"","leaderId":-1,"leaderEpoch":3,"votedId":1,"appliedOffset":0,"currentVoters":[{"voterId":1}],"data_version":0}"""u8.ToArray());
        Assert.Equal(new ElectionState(3, null, new ReplicaKey(1, Guid.Empty)), log.ReadElectionState());
    }

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("""{"leaderId":1,"votedId":1,"votedDirectoryId":"AAAAAAAAAAAAAAAAAAAAAA","data_version":1}""")]
    [InlineData("""{"leaderId":1,"leaderEpoch":"x","votedId":1,"votedDirectoryId":"AAAAAAAAAAAAAAAAAAAAAA","data_version":1}""")]
    [InlineData("""{"leaderId":1,"leaderEpoch":1,"votedId":1,"votedDirectoryId":"?","data_version":1}""")]
    [InlineData("""{"leaderId":1,"leaderEpoch":1,"votedId":1,"votedDirectoryId":"AAAAAAAAAAAAAAAAAAAAAA","data_version":2}""")]
    public void A_vote_that_cannot_be_read_is_not_taken_for_none(string content)
    {
        using var log = QuorumLog.Open(Directory, true, Environment, new MetadataLogSettings());
        _disk.SetContent(StatePath, Encoding.UTF8.GetBytes(content));
        Assert.Throws<InvalidDataException>(() => log.ReadElectionState());
    }

    [Fact]
    public void A_crash_loses_nothing_that_was_flushed_and_no_vote()
    {
        for (var seed = 0; seed < 50; seed++)
        {
            var random = new Random(seed);
            var log = QuorumLog.Open(Directory, false, Environment, new MetadataLogSettings());
            var outline = log.Outline(VoterSet.Empty);
            var epoch = outline.LastEpoch + 1;
            log.WriteElectionState(new ElectionState(epoch, null, MachineFixture.KeyOf(seed)));
            var flushed = outline.EndOffset;
            for (var i = random.Next(10); i >= 0; i--)
            {
                log.Append(MachineFixture.Batch(outline.EndOffset, epoch, records: 2));
                outline.Appended(MachineFixture.Batch(outline.EndOffset, epoch, records: 2));
                if (random.Next(3) == 0)
                {
                    log.Flush();
                    flushed = outline.EndOffset;
                }
            }

            log.Dispose();
            _disk.Crash(random);
            using var reopened = QuorumLog.Open(Directory, false, Environment, new MetadataLogSettings());
            var end = reopened.Outline(VoterSet.Empty).EndOffset;
            Assert.True(end >= flushed && end <= outline.EndOffset, $"seed {seed}: {end} after a crash, where {flushed} of {outline.EndOffset} were flushed");
            Assert.Equal(new ElectionState(epoch, null, MachineFixture.KeyOf(seed)), reopened.ReadElectionState());
        }
    }

    [Fact]
    public void A_crash_while_a_snapshot_takes_the_logs_place_leaves_the_old_history_or_the_new_one()
    {
        var (kept, replaced) = (0, 0);
        for (var seed = 0; seed < 300; seed++)
        {
            var (disk, random) = (new FaultyDisk(), new Random(seed));
            var environment = new LogEnvironment(disk, new ManualTime(), random, this);
            var settings = new MetadataLogSettings { SegmentBytes = 200 };
            var id = new SnapshotId(6, 5);
            var log = QuorumLog.Open(Directory, false, environment, settings);
            // Of an epoch that the cluster went past, and mostly longer than the snapshot.
            for (var offset = 0; offset < 10; offset++)
            {
                log.Append(MachineFixture.Batch(offset, 3));
            }

            log.Flush();
            var left = random.Next(40);
            disk.Fault = (_, _) =>
            {
                if (left-- <= 0)
                {
                    throw new IOException("The machine is gone.");
                }
            };
            var flushed = 0L;
            try
            {
                using (var part = log.BeginSnapshot(id))
                {
                    foreach (var batch in SnapshotBatches.Of(id, 1, [new NoOpRecord()], VoterSet.Of(MachineFixture.VoterOf(1)).ToRecord()))
                    {
                        part.Append(batch);
                    }

                    part.Freeze();
                }

                log.GoOnFrom(id);
                log.Append(MachineFixture.Batch(6, 5));
                log.Append(MachineFixture.Batch(7, 6));
                log.Flush();
                flushed = 8;
            }
            catch (IOException)
            {
                // It died somewhere on the way.
            }

            // The machine is gone for whatever is still to be deleted, too.
            Assert.True(Record.Exception(log.Dispose) is null or IOException);
            disk.Fault = null;
            disk.Crash(random);
            using var reopened = QuorumLog.Open(Directory, false, environment, settings);
            var outline = reopened.Outline(VoterSet.Empty);
            if (reopened.TakeRestored() is null)
            {
                Assert.True((0L, 10L, 3, 0L) == (outline.StartOffset, outline.EndOffset, outline.LastEpoch, flushed), $"seed {seed}: the old log is not whole");
                kept++;
                continue;
            }

            Assert.True(outline.StartOffset == 6 && outline.Voters.Count == 1, $"seed {seed}: a snapshot, and a log from {outline.StartOffset} with the voters {outline.Voters}");
            Assert.True(outline.EndOffset >= Math.Max(6, flushed) && outline.LastEpoch == (int)outline.EndOffset - (outline.EndOffset == 6 ? 1 : 2), $"seed {seed}: the log ends at {outline.EndOffset} in epoch {outline.LastEpoch}");
            replaced++;
        }

        Assert.True(kept > 30 && replaced > 30, $"{kept} old histories and {replaced} new ones: both have to be seen");
    }

    [Fact]
    public void A_disk_that_refuses_the_vote_is_reported()
    {
        using var log = QuorumLog.Open(Directory, true, Environment, new MetadataLogSettings());
        _disk.Fault = (operation, path) =>
        {
            if (operation == DiskOperation.Sync && path.StartsWith(StatePath, StringComparison.Ordinal))
            {
                throw new IOException("the disk is gone");
            }
        };
        Assert.Throws<LogIOException>(() => log.WriteElectionState(new ElectionState(1, null, null)));
        Assert.Single(_failures);
    }

    [Fact]
    public async Task A_directory_of_a_quorum_of_one_is_opened_with_its_records_and_epochs()
    {
        Assert.True(LogDirectory.TryOpen(Directory, "cluster", 1, Environment, out var directory, out var problem), problem);
        var local = LocalMetadataLog.Open(directory!, Environment, new MetadataLogSettings());
        local.Start(new Ignoring());
        local.Append(1, [new TopicRecord { Name = "orders", TopicId = Guid.NewGuid() }]);
        await local.DisposeAsync();
        using var log = QuorumLog.Open(Directory, true, Environment, new MetadataLogSettings());
        Assert.Equal(1, log.Outline(VoterSet.Empty).EndOffset);
        Assert.Equal(new ElectionState(1, null, null), log.ReadElectionState());
    }

    private sealed class Ignoring : IMetadataLogListener
    {
        public void Committed(IReadOnlyList<IMessage> records, long lastOffset, int epoch, bool isSnapshot)
        {
        }

        public void BecameLeader(int epoch)
        {
        }

        public void LostLeadership(Exception? cause)
        {
        }
    }
}
