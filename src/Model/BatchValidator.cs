using System.Buffers.Binary;

namespace Milena.Model;

/// <summary>Checks one batch as Kafka does before it appends it, in a single walk, and corrects in place what Kafka corrects.</summary>
/// <remarks>
/// Corrected: a wrong maximum timestamp, LogAppendTime where the topic wants it (both rewrite the CRC), the codec where the topic has
/// its own. Kafka leaves the offset deltas of uncompressed records unchecked; here a gap is refused in every codec, because lookups rely on them.
/// </remarks>
public static class BatchValidator
{
    private const int MaxRecordErrorsInMessage = 3;

    private struct Walk
    {
        public long MaxTimestamp;
        public int OffsetDeltaOfMaxTimestamp;
        public bool InvalidTimestamp;
        public List<RecordError>? Errors;
    }

    /// <param name="batch">Exactly one batch. Its header may be rewritten.</param>
    public static BatchValidation Validate(Span<byte> batch, in BatchRules rules)
    {
        var error = CheckHeader(batch, rules, out var header, out var message);
        if (error != ErrorCode.None) return Refuse(error, message);

        var records = batch[RecordBatchHeader.Size..];
        if (header.Codec == CompressionCodec.None)
        {
            var plain = CheckRecords(records, header, rules, out var walk);
            return plain.IsValid ? Finish(batch, header, records, rules, walk) : plain;
        }
        var bound = rules.MaxDecompressedBytes > 0 ? rules.MaxDecompressedBytes : Compression.DecompressedBound(records.Length);
        if (!Compression.TryDecompress(header.Codec, records, bound, out var unpacked, out var reason))
        {
            return Refuse(ErrorCode.CorruptMessage, reason);
        }
        using (unpacked)
        {
            var result = CheckRecords(unpacked!.Span, header, rules, out var walk);
            return result.IsValid ? Finish(batch, header, unpacked.Span, rules, walk) : result;
        }
    }

    private static ErrorCode CheckHeader(ReadOnlySpan<byte> batch, in BatchRules rules, out RecordBatchHeader header, out string message)
    {
        header = default;
        message = "";
        if (batch.Length <= RecordBatchHeader.MagicAt)
        {
            message = $"The batch of {batch.Length} bytes is shorter than a batch header.";
            return ErrorCode.CorruptMessage;
        }
        var magic = (sbyte)batch[RecordBatchHeader.MagicAt];
        if (magic is 0 or 1)
        {
            message = $"Batches of magic {magic} are no longer accepted; only magic {RecordBatchHeader.CurrentMagic} is.";
            return ErrorCode.InvalidRecord;
        }
        if (RecordBatchHeader.TryRead(batch, out header) != ErrorCode.None || header.SizeInBytes != batch.Length)
        {
            message = $"The batch's magic ({magic}) or length does not fit its {batch.Length} bytes.";
            return ErrorCode.CorruptMessage;
        }
        if (header.BaseOffset != 0 && !rules.FromCoordinator)
        {
            message = $"The base offset of a produced batch should be 0, but it is {header.BaseOffset}.";
            return ErrorCode.InvalidRecord;
        }
        if (batch.Length > rules.MaxMessageBytes)
        {
            message = $"The batch of {batch.Length} bytes is larger than max.message.bytes ({rules.MaxMessageBytes}).";
            return ErrorCode.MessageTooLarge;
        }
        var crc = RecordBatchHeader.ComputeCrc(batch);
        if (crc != header.Crc)
        {
            message = $"The batch is corrupt: its stored CRC is {header.Crc}, the computed one {crc}.";
            return ErrorCode.CorruptMessage;
        }
        message = HeaderFault(header, rules);
        return message.Length == 0 ? ErrorCode.None : ErrorCode.InvalidRecord;
    }

    private static string HeaderFault(in RecordBatchHeader header, in BatchRules rules)
    {
        if (!Compression.IsKnown(header.Codec)) return $"Unknown compression codec {(int)header.Codec}.";
        if (header.LastOffsetDelta < 0) return $"The batch's last offset delta is {header.LastOffsetDelta}.";
        if (header.RecordCount <= 0) return $"The batch declares {header.RecordCount} records.";
        if (header.RecordCount != header.LastOffsetDelta + 1L)
        {
            return $"The batch declares {header.RecordCount} records, but its offsets cover {header.LastOffsetDelta + 1L}.";
        }
        if (rules.FromCoordinator) return "";
        if (header.IsControl) return "Clients are not allowed to write control records.";
        if (header.HasProducerId && header.BaseSequence < 0)
        {
            return $"Invalid sequence number {header.BaseSequence} in a batch with producer id {header.ProducerId}.";
        }
        if (header.HasProducerId && header.ProducerEpoch < 0)
        {
            return $"Invalid epoch {header.ProducerEpoch} in a batch with producer id {header.ProducerId}.";
        }
        return "";
    }

    private static BatchValidation CheckRecords(ReadOnlySpan<byte> records, in RecordBatchHeader header, in BatchRules rules, out Walk walk)
    {
        walk = new Walk { MaxTimestamp = RecordBatchHeader.None };
        var checkTimestamps = rules.TimestampType == TimestampType.CreateTime;
        var claimsAppendTime = header.TimestampType == TimestampType.LogAppendTime;
        // Saturating: the defaults reach to the ends of a long.
        var earliest = rules.NowMs < long.MinValue + rules.TimestampBeforeMaxMs ? long.MinValue : rules.NowMs - rules.TimestampBeforeMaxMs;
        var latest = rules.NowMs > long.MaxValue - rules.TimestampAfterMaxMs ? long.MaxValue : rules.NowMs + rules.TimestampAfterMaxMs;
        var reader = new RecordReader(records);
        for (var index = 0; index < header.RecordCount; index++)
        {
            if (!reader.TryRead(out var record))
            {
                return Refuse(ErrorCode.InvalidRecord, reader.Failed
                    ? $"Record {index} of the batch is malformed."
                    : $"The batch declares {header.RecordCount} records, but holds {index}.");
            }
            if (record.OffsetDelta != index)
            {
                return Refuse(ErrorCode.InvalidRecord, $"Record {index} of the batch has the offset delta {record.OffsetDelta}.");
            }
            var timestamp = header.BaseTimestamp + record.TimestampDelta;
            if (timestamp > walk.MaxTimestamp)
            {
                walk.MaxTimestamp = timestamp;
                walk.OffsetDeltaOfMaxTimestamp = index;
            }
            if (rules.Compacted && !record.HasKey)
            {
                (walk.Errors ??= []).Add(new RecordError(index, "Compacted topic cannot accept message without key."));
            }
            else if (checkTimestamps && timestamp != RecordBatchHeader.None)
            {
                if (timestamp >= earliest && timestamp <= latest) continue;
                walk.InvalidTimestamp = true;
                (walk.Errors ??= []).Add(new RecordError(
                    index, $"Timestamp {timestamp} of message {index} is out of range. It should be within [{earliest}, {latest}]."));
            }
            else if (claimsAppendTime)
            {
                walk.InvalidTimestamp = true;
                (walk.Errors ??= []).Add(new RecordError(index, "Producer should not set timestamp type to LogAppendTime."));
            }
        }
        if (!reader.AtEnd) return Refuse(ErrorCode.InvalidRecord, $"Bytes remain after the {header.RecordCount} records of the batch.");
        return walk.Errors is null ? default : Refuse(walk);
    }

    private static BatchValidation Finish(
        Span<byte> batch, in RecordBatchHeader header, ReadOnlySpan<byte> plainRecords, in BatchRules rules, in Walk walk)
    {
        var appendTime = rules.TimestampType == TimestampType.LogAppendTime;
        var maxTimestamp = appendTime ? rules.NowMs : walk.MaxTimestamp;
        // A marker is read by brokers without unpacking: it stays as its coordinator wrote it.
        var codec = header.IsControl ? header.Codec : rules.TargetCodec ?? header.Codec;
        var attributes = (short)((header.Attributes & ~(RecordBatchHeader.CodecMask | RecordBatchHeader.TimestampTypeBit))
            | (int)codec | (appendTime ? RecordBatchHeader.TimestampTypeBit : 0));
        PooledBytes? replacement = null;
        if (codec != header.Codec)
        {
            replacement = Recompress(header, attributes, maxTimestamp, codec, plainRecords, rules);
            if (replacement.Length > rules.MaxMessageBytes)
            {
                var size = replacement.Length;
                replacement.Dispose();
                return Refuse(ErrorCode.MessageTooLarge, $"The recompressed batch of {size} bytes exceeds {rules.MaxMessageBytes}.");
            }
        }
        else if (attributes != header.Attributes || maxTimestamp != header.MaxTimestamp)
        {
            BinaryPrimitives.WriteInt16BigEndian(batch[RecordBatchHeader.AttributesAt..], attributes);
            RecordBatchHeader.SetMaxTimestamp(batch, maxTimestamp);
        }
        return new BatchValidation
        {
            MaxTimestamp = maxTimestamp,
            OffsetDeltaOfMaxTimestamp = appendTime ? header.LastOffsetDelta : walk.OffsetDeltaOfMaxTimestamp,
            RecordCount = header.RecordCount,
            Replacement = replacement,
        };
    }

    private static PooledBytes Recompress(
        in RecordBatchHeader header, short attributes, long maxTimestamp, CompressionCodec codec, ReadOnlySpan<byte> records, in BatchRules rules)
    {
        var output = new PooledBytes(RecordBatchHeader.Size + records.Length);
        output.Advance(RecordBatchHeader.Size);
        Compression.Compress(codec, rules.CompressionLevel ?? Compression.DefaultLevel(codec), records, output);
        var rewritten = header with
        {
            BatchLength = output.Length - RecordBatchHeader.LogOverhead,
            Attributes = attributes,
            MaxTimestamp = maxTimestamp,
        };
        rewritten.Write(output.Span);
        RecordBatchHeader.SetCrc(output.Span);
        return output;
    }

    private static BatchValidation Refuse(ErrorCode error, string message) => new() { Error = error, Message = message };

    private static BatchValidation Refuse(in Walk walk) => new()
    {
        Error = walk.InvalidTimestamp ? ErrorCode.InvalidTimestamp : ErrorCode.InvalidRecord,
        Message = walk.InvalidTimestamp
            ? "One or more records have been rejected due to invalid timestamp"
            : $"One or more records have been rejected due to {walk.Errors!.Count} record errors in total, the first being: "
                + string.Join("; ", walk.Errors.Take(MaxRecordErrorsInMessage).Select(each => $"{each.BatchIndex}: {each.Message}")),
        RecordErrors = walk.Errors,
    };
}
