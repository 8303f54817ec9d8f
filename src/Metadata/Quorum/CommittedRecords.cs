using Milena.Metadata.Log;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Metadata.Quorum;

/// <summary>The metadata records of decided batches. A control batch has none, but moves the offset all the same.</summary>
internal static class CommittedRecords
{
    /// <exception cref="InvalidDataException">A record that this version cannot read: the node must not go on without it.</exception>
    public static List<IMessage> Of(ReadOnlySpan<byte> batch, in RecordBatchHeader header)
    {
        List<IMessage> records = [];
        if (header.IsControl)
        {
            return records;
        }

        if (header.Codec != CompressionCodec.None)
        {
            throw new InvalidDataException($"The batch at offset {header.BaseOffset} of the metadata log is compressed, as none of ours is.");
        }

        var reader = new RecordReader(batch[RecordBatchHeader.Size..]);
        while (reader.TryRead(out var record))
        {
            records.Add(MetadataRecords.TryDecode(record.Value.ToArray(), out var decoded)
                ? decoded
                : throw new InvalidDataException($"The metadata log holds a record at offset {header.BaseOffset + record.OffsetDelta} that this version cannot read."));
        }

        return reader.Failed ? throw new InvalidDataException($"The batch at offset {header.BaseOffset} holds a malformed record.") : records;
    }
}
