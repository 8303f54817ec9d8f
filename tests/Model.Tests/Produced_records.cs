using System.Buffers.Binary;

namespace Milena.Model.Tests;

public sealed class Produced_records
{
    private static readonly byte[] Batch = new RecordBatchBuilder().Add(1, null, new byte[20]).Build();

    [Fact]
    public void One_batch_is_found_also_with_an_incomplete_one_behind_it()
    {
        for (var tail = 0; tail < Batch.Length; tail++)
        {
            Assert.Equal(ErrorCode.None, ProducedRecords.FindBatch([.. Batch, .. Batch[..tail]], out var length, out _));
            Assert.Equal(Batch.Length, length);
        }
    }

    [Fact]
    public void No_whole_batch_and_two_batches_are_invalid()
    {
        for (var cut = 0; cut < Batch.Length; cut++) Assert.Equal(ErrorCode.InvalidRecord, Find(Batch[..cut]));
        Assert.Equal(ErrorCode.InvalidRecord, Find([.. Batch, .. Batch]));
    }

    [Theory]
    [InlineData(0, ErrorCode.InvalidRecord)]
    [InlineData(1, ErrorCode.InvalidRecord)]
    [InlineData(3, ErrorCode.CorruptMessage)]
    [InlineData(255, ErrorCode.CorruptMessage)]
    public void Other_magics_are_refused(byte magic, ErrorCode expected)
    {
        var bytes = Batch.ToArray();
        bytes[RecordBatchHeader.MagicAt] = magic;
        Assert.Equal(expected, Find(bytes));
    }

    [Theory]
    [InlineData(13)]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(int.MinValue)]
    public void Impossible_lengths_are_corrupt(int length)
    {
        var bytes = Batch.ToArray();
        BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(RecordBatchHeader.BatchLengthAt), length);
        Assert.Equal(ErrorCode.CorruptMessage, Find(bytes));
        Assert.Equal(ErrorCode.CorruptMessage, Find([.. Batch, .. bytes]));
    }

    [Fact]
    public void The_largest_length_is_just_not_there()
    {
        var bytes = Batch.ToArray();
        BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(RecordBatchHeader.BatchLengthAt), int.MaxValue);
        Assert.Equal(ErrorCode.InvalidRecord, Find(bytes));
    }

    private static ErrorCode Find(ReadOnlySpan<byte> bytes)
    {
        var error = ProducedRecords.FindBatch(bytes, out var length, out var message);
        Assert.Equal(error == ErrorCode.None, length > 0);
        Assert.Equal(error == ErrorCode.None, message.Length == 0);
        return error;
    }
}
