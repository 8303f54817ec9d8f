using Milena.Metadata.Image;
using Milena.Metadata.Snapshots;
using Milena.Model;
using Milena.Protocol;
using Milena.Storage;
using Milena.Testing;

namespace Milena.Metadata.Tests.Snapshots;

public sealed class SnapshotTests
{
    private const string Folder = "/data/__cluster_metadata-0";
    private static readonly SnapshotId Id = new(100, 7);

    private readonly FaultyDisk _disk = new();
    private readonly SnapshotFolder _snapshots;

    public SnapshotTests()
    {
        _disk.CreateFolder(Folder);
        _snapshots = new SnapshotFolder(_disk, Folder);
    }

    private static string PathOf(SnapshotId id) => Path.Combine(Folder, id.FileName);

    [Fact]
    public void Its_name_is_Kafkas()
    {
        Assert.Equal("00000000000000000100-0000000007.checkpoint", Id.FileName);
        Assert.True(SnapshotId.TryParse("/x/00000000000000000100-0000000007.checkpoint", out var id));
        Assert.Equal(Id, id);
        foreach (var other in (string[])["00000000000000000100.log", "00000000000000000100-0000000007.checkpoint.part", "leader-epoch-checkpoint", "0000000000000000010x-0000000007.checkpoint"])
        {
            Assert.False(SnapshotId.TryParse(other, out _), other);
        }
    }

    [Fact]
    public void Any_image_written_and_read_is_the_same_image()
    {
        for (var seed = 0; seed < 200; seed++)
        {
            var image = Images.Random(new Random(seed));
            var id = new SnapshotId(image.Offset + 1, image.Epoch);
            _snapshots.Write(id, 1234, ImageRecords.Of(image));
            Assert.True(_snapshots.TryRead(id, out var snapshot, out var problem), $"Seed {seed}: {problem}");
            Assert.Equal((id, 1234), (snapshot.Id, snapshot.LastContainedTimestampMs));
            var again = Images.Of([.. snapshot.Records]);
            Assert.True(image.Describe() == again.Describe(), $"Seed {seed}: the image changed on the way.");
            Assert.Equal(image.TopicsByName.Keys.Order(), again.TopicsByName.Keys.Order());
            _snapshots.Delete(id);
        }
    }

    [Fact]
    public void An_empty_image_is_a_header_and_a_footer()
    {
        _snapshots.Write(Id, 5, ImageRecords.Of(MetadataImage.Empty));
        var batches = Batches(_disk.Content(PathOf(Id)));
        Assert.Equal([0L, 1L], batches.Select(batch => batch.BaseOffset));
        Assert.All(batches, batch => Assert.True(batch.IsControl && batch.LeaderEpoch == 7));
        Assert.True(_snapshots.TryRead(Id, out var snapshot, out _));
        Assert.Empty(snapshot.Records);
    }

    [Fact]
    public void A_large_image_is_cut_into_batches_whose_offsets_have_no_holes()
    {
        _snapshots.Write(Id, 5, ImageRecords.Of(Large()));
        var batches = Batches(_disk.Content(PathOf(Id)));
        Assert.True(batches.Count > 4, $"{batches.Count} batches");
        Assert.True(batches.All(batch => batch.SizeInBytes < SnapshotBatches.BatchBytes + 1000));
        Assert.Equal(batches.Skip(1).Select(batch => batch.BaseOffset), batches.SkipLast(1).Select(batch => batch.NextOffset));
        Assert.True(_snapshots.TryRead(Id, out var snapshot, out _));
        Assert.Equal(20_001, snapshot.Records.Count);
    }

    [Fact]
    public void A_torn_snapshot_is_found_out_wherever_it_was_torn()
    {
        _snapshots.Write(Id, 5, ImageRecords.Of(Images.Random(new Random(1))));
        var whole = _disk.Content(PathOf(Id));
        for (var length = 0; length < whole.Length; length++)
        {
            _disk.SetContent(PathOf(Id), whole[..length]);
            Assert.False(_snapshots.TryRead(Id, out _, out var problem), $"{length} of {whole.Length} bytes were believed.");
            Assert.NotEmpty(problem);
        }
    }

    [Fact]
    public void A_rotten_byte_is_found_out_wherever_it_is()
    {
        _snapshots.Write(Id, 5, ImageRecords.Of(Images.Random(new Random(2))));
        var whole = _disk.Content(PathOf(Id));
        for (var position = 0; position < whole.Length; position++)
        {
            _disk.SetContent(PathOf(Id), whole);
            _disk.CorruptByte(PathOf(Id), position);
            Assert.False(_snapshots.TryRead(Id, out _, out _), $"Byte {position} was believed.");
        }
    }

    [Fact]
    public void Bytes_behind_the_footer_and_a_wrong_name_are_found_out()
    {
        _snapshots.Write(Id, 5, ImageRecords.Of(MetadataImage.Empty));
        var whole = _disk.Content(PathOf(Id));
        _disk.SetContent(PathOf(Id), [.. whole, .. whole]);
        Assert.False(_snapshots.TryRead(Id, out _, out var problem));
        Assert.Contains("behind the footer", problem);
        var other = new SnapshotId(100, 8);
        _disk.SetContent(PathOf(other), whole);
        Assert.False(_snapshots.TryRead(other, out _, out problem));
        Assert.Contains("another epoch", problem);
    }

    [Fact]
    public void An_intact_record_of_a_later_version_is_no_damage_but_stops_the_reader()
    {
        _snapshots.Write(Id, 5, [new NoOpRecord()]);
        var bytes = _disk.Content(PathOf(Id));
        var start = Batches(bytes)[0].SizeInBytes;
        var batch = bytes.AsSpan(start, Batches(bytes)[1].SizeInBytes);
        // The record's value is 1, 20, 0, 0 and then the count of its headers: frame version, type, version, no tagged fields.
        batch[^4] = 99;
        RecordBatchHeader.SetCrc(batch);
        _disk.SetContent(PathOf(Id), bytes);
        Assert.Throws<InvalidDataException>(() => _snapshots.TryRead(Id, out _, out _));
    }

    [Fact]
    public void A_quorums_voters_stand_behind_the_header_and_are_given_out()
    {
        var voters = new VotersRecord { Voters = [new() { VoterId = 3, VoterDirectoryId = Guid.NewGuid(), Endpoints = [new() { Name = "QUORUM", Host = "three", Port = 9 }], KRaftVersionFeature = new() }] };
        _snapshots.Write(Id, 5, [new NoOpRecord()], voters);
        Assert.True(_snapshots.TryRead(Id, out var snapshot, out var problem), problem);
        Assert.Equal((3, voters.Voters[0].VoterDirectoryId), (snapshot.Voters!.Voters[0].VoterId, snapshot.Voters.Voters[0].VoterDirectoryId));
        Assert.Equal("three", snapshot.Voters.Voters[0].Endpoints[0].Host);
        Assert.Single(snapshot.Records);
        // Header, version and voters are one batch, then come the records and the footer.
        Assert.Equal([0L, 3, 4], Batches(_disk.Content(PathOf(Id))).Select(batch => batch.BaseOffset));
    }

    [Fact]
    public void A_crash_at_any_write_leaves_the_whole_snapshot_or_none()
    {
        var image = Large();
        for (var seed = 0; seed < 60; seed++)
        {
            var disk = new FaultyDisk();
            disk.CreateFolder(Folder);
            var random = new Random(seed);
            var left = random.Next(12);
            disk.Fault = (_, _) =>
            {
                if (left-- <= 0)
                {
                    throw new IOException("The machine is gone.");
                }
            };
            var snapshots = new SnapshotFolder(disk, Folder);
            var thrown = Record.Exception(() => snapshots.Write(Id, 5, ImageRecords.Of(image)));
            disk.Fault = null;
            disk.Crash(random);
            snapshots.DeleteParts();
            Assert.True(thrown is null or IOException, $"Seed {seed}: {thrown}");
            Assert.DoesNotContain(disk.AllFiles, file => file.EndsWith(SnapshotPart.Suffix, StringComparison.Ordinal));
            Assert.True(snapshots.All().Count == 0 || snapshots.TryRead(Id, out _, out _), $"Seed {seed}: a torn snapshot has its name.");
            Assert.True(thrown is not null || snapshots.All().Count == 1, $"Seed {seed}: a snapshot that was written is gone.");
        }
    }

    [Fact]
    public void A_snapshot_fetched_piece_by_piece_is_the_same_file()
    {
        _snapshots.Write(Id, 5, ImageRecords.Of(Large()));
        _disk.CreateFolder("/follower");
        var follower = new SnapshotFolder(_disk, "/follower");
        using (var part = follower.Begin(Id))
        {
            var piece = new byte[10_000];
            while (part.Length < _snapshots.LengthOf(Id))
            {
                part.Append(piece.AsSpan(0, _snapshots.Read(Id, part.Length, piece)));
            }

            Assert.Empty(follower.All());
            part.Freeze();
        }

        Assert.Equal([Id], follower.All());
        Assert.Equal(_disk.Content(PathOf(Id)), _disk.Content(Path.Combine("/follower", Id.FileName)));
        Assert.Equal(5, follower.TryReadTimestamp(Id));
    }

    [Fact]
    public void A_part_that_is_given_up_leaves_nothing()
    {
        using (var part = _snapshots.Begin(Id))
        {
            part.Append([1, 2, 3]);
        }

        Assert.Empty(_disk.AllFiles);
    }

    internal static MetadataImage Large()
    {
        var records = new List<IMessage> { Images.Topic("orders", Images.Orders) };
        records.AddRange(Enumerable.Range(0, 20_000).Select(index => Images.Partition(Images.Orders, index, 1, 2, 3)));
        return Images.Of([.. records]);
    }

    private static List<RecordBatchHeader> Batches(ReadOnlySpan<byte> bytes)
    {
        var found = new List<RecordBatchHeader>();
        while (!bytes.IsEmpty)
        {
            Assert.Equal(ErrorCode.None, RecordBatchHeader.TryRead(bytes, out var header));
            found.Add(header);
            bytes = bytes[header.SizeInBytes..];
        }

        return found;
    }
}
