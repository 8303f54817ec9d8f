using Milena.Faults.Checking;
using Milena.Model;

namespace Milena.Faults.Tests;

/// <summary>Segment files as the checker reads them.</summary>
public sealed class Reading_replicas : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("milena-replica-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Records_come_with_their_offsets_from_all_segments_in_order()
    {
        Write(0, Batch(0, 3), Batch(3, 2));
        Write(5, Batch(5, 1));
        var replica = ReplicaReader.Read(node: 2, _folder);
        Assert.Equal(2, replica.Node);
        Assert.Equal(Enumerable.Range(0, 6).Select(number => ((long)number, new Value(7, number))), replica.Records.Select(one => (one.Offset, one.Value)));
    }

    [Fact]
    public void A_changed_byte_changes_the_digest()
    {
        Write(0, Batch(0, 3));
        var before = ReplicaReader.Read(node: 1, _folder).Digest;
        Assert.Equal(before, ReplicaReader.Read(node: 1, _folder).Digest);
        var file = Assert.Single(Directory.GetFiles(_folder));
        var bytes = File.ReadAllBytes(file);
        bytes[^1] ^= 1;
        File.WriteAllBytes(file, bytes);
        Assert.NotEqual(before, ReplicaReader.Read(node: 1, _folder).Digest);
    }

    [Fact]
    public void Bytes_that_are_no_batch_are_an_error()
    {
        Write(0, Batch(0, 3), new byte[20]);
        Assert.Contains("20 bytes", Assert.Throws<InvalidDataException>(() => ReplicaReader.Read(node: 1, _folder)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(11)]
    public void A_value_that_no_writer_wrote_is_told_apart(int size) => Assert.Equal(-1, Value.From(new byte[size]).Writer);

    private static byte[] Batch(long baseOffset, int records)
    {
        using var builder = new RecordBatchBuilder { BaseOffset = baseOffset };
        for (var i = 0; i < records; i++)
        {
            builder.Add(timestampMs: 1, null, new Value(7, baseOffset + i).ToBytes(size: 100));
        }

        return builder.Build();
    }

    private void Write(long baseOffset, params byte[][] batches) => File.WriteAllBytes(Path.Combine(_folder, $"{baseOffset:D20}.log"), [.. batches.SelectMany(batch => batch)]);
}
