using System.Buffers.Binary;

namespace Milena.Model;

/// <summary>What a topic asks of the batches that are produced to it.</summary>
/// <param name="TargetCodec">The codec that batches are stored in; null keeps the producer's.</param>
/// <param name="Compacted">Records need keys.</param>
/// <param name="MaxTimestampAheadMs">How far after now a record's time may lie; likewise <paramref name="MaxTimestampBehindMs"/> before.</param>
public sealed record BatchRules(
    int MaxMessageBytes,
    bool LogAppendTime,
    long MaxTimestampBehindMs,
    long MaxTimestampAheadMs,
    bool Compacted,
    CompressionCodec? TargetCodec,
    int? CompressionLevel);

/// <summary>One record that is refused, by its place in the batch.</summary>
public readonly record struct RecordError(int BatchIndex, string Message);

/// <summary>The result of a validation: the batch to append, or why there is none.</summary>
/// <param name="LogAppendTimeMs">The time that was stamped on the batch, -1 where the producer's times stay.</param>
public readonly record struct BatchValidation(
    ErrorCode Error, string? Message, IReadOnlyList<RecordError>? RecordErrors, Memory<byte> Batch, long LogAppendTimeMs)
{
    public static BatchValidation Refuse(ErrorCode error, string message, IReadOnlyList<RecordError>? records = null) =>
        new(error, message, records, default, -1);
}

/// <summary>Verifies one produced batch in place, as Kafka's leader does, before it is given to a log. Walks the records once.</summary>
/// <remarks>Pure but for what it stamps into the batch: the append time, or a maximum timestamp that the producer had wrong.</remarks>
public static class BatchValidator
{
    public static BatchValidation Validate(Memory<byte> bytes, BatchRules rules, long nowMs)
    {
        if (bytes.Length < RecordBatchHeader.Bytes)
        {
            return BatchValidation.Refuse(bytes.Length == 0 ? ErrorCode.InvalidRecord : ErrorCode.CorruptMessage, "A produce request needs one record batch per partition.");
        }

        if (!RecordBatchHeader.TryRead(bytes.Span, out var header))
        {
            return BatchValidation.Refuse(
                bytes.Span[16] is 0 or 1 ? ErrorCode.InvalidRecord : ErrorCode.CorruptMessage, "Only record batches of version 2 are written.");
        }

        if (header.Size > bytes.Length)
        {
            return BatchValidation.Refuse(ErrorCode.CorruptMessage, "The record batch is longer than the bytes that were sent.");
        }

        if (header.Size < bytes.Length)
        {
            return BatchValidation.Refuse(ErrorCode.InvalidRecord, "A produce request may hold only one record batch per partition.");
        }

        if (header.Size > rules.MaxMessageBytes)
        {
            return BatchValidation.Refuse(
                ErrorCode.MessageTooLarge, $"The record batch has {header.Size} bytes, more than the topic's max.message.bytes of {rules.MaxMessageBytes}.");
        }

        if (!RecordBatchHeader.HasValidCrc(bytes.Span))
        {
            return BatchValidation.Refuse(ErrorCode.CorruptMessage, "The record batch's checksum does not fit its bytes.");
        }

        if (CheckHeader(header) is { } wrong)
        {
            return BatchValidation.Refuse(ErrorCode.InvalidRecord, wrong);
        }

        return WalkAndStamp(bytes, header, rules, nowMs);
    }

    private static string? CheckHeader(in RecordBatchHeader header) => header switch
    {
        { IsControl: true } => "Clients are not allowed to write control records.",
        { RecordCount: <= 0 } => "A record batch needs at least one record.",
        _ when header.LastOffsetDelta != header.RecordCount - 1 =>
            $"The last offset delta {header.LastOffsetDelta} does not fit the record count {header.RecordCount}.",
        { ProducerId: >= 0 } when header.ProducerEpoch < 0 || header.BaseSequence < 0 => "A producer id needs an epoch and a sequence.",
        { ProducerId: < 0, IsTransactional: true } => "A transactional batch needs a producer id.",
        _ when (int)header.Codec > (int)CompressionCodec.Zstd => $"Unknown compression codec {(int)header.Codec}.",
        _ => null,
    };

    private static BatchValidation WalkAndStamp(Memory<byte> bytes, in RecordBatchHeader header, BatchRules rules, long nowMs)
    {
        var section = bytes[RecordBatchHeader.Bytes..header.Size];
        ReadOnlyMemory<byte> records = section;
        if (header.Codec != CompressionCodec.None)
        {
            if (!Compression.TryDecompress(header.Codec, section, out var unpacked))
            {
                return BatchValidation.Refuse(ErrorCode.CorruptMessage, "The record batch cannot be decompressed.");
            }

            records = unpacked.GetBuffer().AsMemory(0, (int)unpacked.Length);
        }

        if (Walk(records.Span, header, rules, nowMs, out var maxTimestamp) is { } refusal)
        {
            return refusal;
        }

        var target = rules.TargetCodec ?? header.Codec;
        var batch = target == header.Codec ? bytes : Recompress(bytes, records.Span, target, rules.CompressionLevel);
        if (rules.LogAppendTime)
        {
            RecordBatchHeader.StampLogAppendTime(batch.Span, nowMs);
        }
        else if (maxTimestamp != header.MaxTimestamp || header.IsLogAppendTime || target != header.Codec)
        {
            ClearTimestampType(batch.Span);
            RecordBatchHeader.StampMaxTimestamp(batch.Span, maxTimestamp);
        }

        return new BatchValidation(ErrorCode.None, null, null, batch, rules.LogAppendTime ? nowMs : -1);
    }

    private static BatchValidation? Walk(ReadOnlySpan<byte> records, in RecordBatchHeader header, BatchRules rules, long nowMs, out long maxTimestamp)
    {
        var reader = new RecordReader(records);
        List<RecordError>? missingKeys = null;
        List<RecordError>? wrongTimes = null;
        maxTimestamp = -1;
        for (var index = 0; index < header.RecordCount; index++)
        {
            if (!reader.TryRead(out var record) || record.OffsetDelta != index)
            {
                return BatchValidation.Refuse(ErrorCode.InvalidRecord, $"Record {index} of the batch is malformed or out of place.");
            }

            var timestamp = header.BaseTimestamp + record.TimestampDelta;
            maxTimestamp = Math.Max(maxTimestamp, timestamp);
            if (rules.Compacted && record.KeyIsNull)
            {
                (missingKeys ??= []).Add(new RecordError(index, "Compacted topic cannot accept message without key."));
            }

            // Written as differences that cannot overflow: the bounds reach to the largest long there is.
            if (!rules.LogAppendTime && timestamp >= 0 && (nowMs - timestamp > rules.MaxTimestampBehindMs || timestamp - nowMs > rules.MaxTimestampAheadMs))
            {
                (wrongTimes ??= []).Add(new RecordError(index, $"Timestamp {timestamp} of message is out of range."));
            }
        }

        if (!reader.IsAtEnd)
        {
            return BatchValidation.Refuse(ErrorCode.InvalidRecord, "The batch holds bytes after its last record.");
        }

        if (missingKeys is not null)
        {
            return BatchValidation.Refuse(ErrorCode.InvalidRecord, "One or more records have been rejected.", missingKeys);
        }

        return wrongTimes is null
            ? null
            : BatchValidation.Refuse(ErrorCode.InvalidTimestamp, "One or more records have been rejected due to invalid timestamp.", wrongTimes);
    }

    private static Memory<byte> Recompress(Memory<byte> batch, ReadOnlySpan<byte> records, CompressionCodec target, int? level)
    {
        var section = Compression.Compress(target, records, level);
        var rewritten = new byte[RecordBatchHeader.Bytes + section.Length];
        batch.Span[..RecordBatchHeader.Bytes].CopyTo(rewritten);
        section.CopyTo(rewritten, RecordBatchHeader.Bytes);
        BinaryPrimitives.WriteInt32BigEndian(rewritten.AsSpan(8), rewritten.Length - RecordBatchHeader.LogOverhead);
        var attributes = BinaryPrimitives.ReadInt16BigEndian(rewritten.AsSpan(21));
        BinaryPrimitives.WriteInt16BigEndian(rewritten.AsSpan(21), (short)((attributes & ~0x07) | (int)target));
        return rewritten;
    }

    private static void ClearTimestampType(Span<byte> batch)
    {
        var attributes = BinaryPrimitives.ReadInt16BigEndian(batch[21..]);
        BinaryPrimitives.WriteInt16BigEndian(batch[21..], (short)(attributes & ~0x08));
    }
}
