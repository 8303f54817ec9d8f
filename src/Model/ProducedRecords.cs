using System.Buffers.Binary;

namespace Milena.Model;

/// <summary>The records field of a produce request, before its batch is validated.</summary>
public static class ProducedRecords
{
    // A length below the smallest message of any format is no length at all; one between that and a v2 header is the validator's to refuse.
    private const int SmallestMessage = 14;

    /// <summary>Whether the field begins with a length and a magic that some format has: what is looked at before anything else.</summary>
    public static bool BeginsWell(ReadOnlySpan<byte> records) => NextLength(records, out _) == ErrorCode.None;

    /// <summary>Finds the one batch that Produce v3 and up must hold, as Kafka splits the field.</summary>
    /// <param name="length">Bytes of the batch from the field's start. An incomplete batch behind it is dropped, as Kafka does.</param>
    /// <returns><see cref="ErrorCode.InvalidRecord"/> for no whole batch, several, or another magic than 2;
    /// <see cref="ErrorCode.CorruptMessage"/> for a length or magic that no format has.</returns>
    public static ErrorCode FindBatch(ReadOnlySpan<byte> records, out int length, out string message)
    {
        message = "";
        var error = NextLength(records, out length);
        if (error != ErrorCode.None)
        {
            message = "The first batch has an impossible length or magic.";
        }
        else if (length == 0)
        {
            message = "Produce requests must have one record batch per partition.";
            error = ErrorCode.InvalidRecord;
        }
        else if (records[RecordBatchHeader.MagicAt] != RecordBatchHeader.CurrentMagic)
        {
            message = $"Produce requests are only allowed to contain record batches with magic {RecordBatchHeader.CurrentMagic}.";
            error = ErrorCode.InvalidRecord;
        }
        else if (NextLength(records[length..], out var second) is var rest and not ErrorCode.None)
        {
            message = "The bytes after the first batch have an impossible length or magic.";
            error = rest;
        }
        else if (second > 0)
        {
            message = "Produce requests must have exactly one record batch per partition.";
            error = ErrorCode.InvalidRecord;
        }
        if (error != ErrorCode.None) length = 0;
        return error;
    }

    private static ErrorCode NextLength(ReadOnlySpan<byte> bytes, out int length)
    {
        length = 0;
        if (bytes.Length < RecordBatchHeader.LogOverhead) return ErrorCode.None;
        var declared = BinaryPrimitives.ReadInt32BigEndian(bytes[RecordBatchHeader.BatchLengthAt..]);
        if (declared < SmallestMessage) return ErrorCode.CorruptMessage;
        if (bytes.Length <= RecordBatchHeader.MagicAt) return ErrorCode.None;
        if (bytes[RecordBatchHeader.MagicAt] > RecordBatchHeader.CurrentMagic) return ErrorCode.CorruptMessage;
        if ((long)declared + RecordBatchHeader.LogOverhead <= bytes.Length) length = declared + RecordBatchHeader.LogOverhead;
        return ErrorCode.None;
    }
}
