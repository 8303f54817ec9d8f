using System.Diagnostics.CodeAnalysis;
using Milena.Metadata.Log;
using Milena.Model;
using Milena.Protocol;
using Milena.Storage;

namespace Milena.Metadata.Snapshots;

/// <summary>A snapshot that was read from its header to its footer.</summary>
/// <param name="LastContainedTimestampMs">When the last record that it contains was written to the log.</param>
/// <param name="Voters">Who votes in the quorum; null where the snapshot does not say so.</param>
public sealed record Snapshot(SnapshotId Id, long LastContainedTimestampMs, IReadOnlyList<IMessage> Records, VotersRecord? Voters);

/// <summary>Reads a snapshot's bytes and believes none of them: CRCs, offsets, header and footer are checked before a record is given out.</summary>
/// <remarks>Control records other than header, footer and a quorum's voters are passed over. Not for reuse.</remarks>
public sealed class SnapshotReader
{
    private readonly List<IMessage> _records = [];
    private long _nextOffset;
    private long? _timestampMs;
    private VotersRecord? _voters;
    private bool _finished;

    /// <param name="problem">What is wrong with the bytes, in a sentence, when the answer is false: they were torn or have rotted.</param>
    /// <exception cref="InvalidDataException">The bytes are intact, and a record in them is one that this version does not know.</exception>
    public static bool TryRead(IDiskFile file, long length, SnapshotId id, [NotNullWhen(true)] out Snapshot? snapshot, out string problem)
    {
        snapshot = null;
        var reader = new SnapshotReader();
        for (long position = 0; position < length;)
        {
            if (!TryReadBatch(file, position, length, out var header, out var batch, out problem))
            {
                return false;
            }

            if ((reader.Take(header, batch) ?? (header.LeaderEpoch == id.Epoch ? null : "is of another epoch than the name says")) is { } wrong)
            {
                problem = $"The batch at byte {position} {wrong}.";
                return false;
            }

            position += batch.Length;
        }

        problem = reader._finished ? "" : "It has no footer: it was not written to its end.";
        snapshot = reader._finished ? new Snapshot(id, reader._timestampMs!.Value, reader._records, reader._voters) : null;
        return reader._finished;
    }

    /// <summary>The time of the last record that a snapshot contains, from its header alone; null when that is damaged.</summary>
    public static long? TryReadTimestamp(IDiskFile file, long length)
    {
        var reader = new SnapshotReader();
        return TryReadBatch(file, 0, length, out var header, out var batch, out _) && reader.Take(header, batch) is null ? reader._timestampMs : null;
    }

    private static bool TryReadBatch(IDiskFile file, long position, long length, out RecordBatchHeader header, out byte[] batch, out string problem)
    {
        batch = [];
        Span<byte> head = stackalloc byte[RecordBatchHeader.Size];
        if (file.Read(position, head) < head.Length || RecordBatchHeader.TryRead(head, out header) != ErrorCode.None || header.SizeInBytes > length - position)
        {
            header = default;
            problem = $"There is no whole batch at byte {position}.";
            return false;
        }

        batch = new byte[header.SizeInBytes];
        var intact = file.Read(position, batch) == batch.Length && RecordBatchHeader.ComputeCrc(batch) == header.Crc;
        problem = intact ? "" : $"The batch at byte {position} does not match its CRC.";
        return intact;
    }

    /// <returns>Null when the batch stands where it may, else what is wrong with it.</returns>
    private string? Take(in RecordBatchHeader header, byte[] batch)
    {
        if (_finished)
        {
            return "stands behind the footer";
        }

        if (header.BaseOffset != _nextOffset)
        {
            return $"begins at offset {header.BaseOffset} and not at {_nextOffset}";
        }

        _nextOffset = header.NextOffset;
        if (header.Codec == CompressionCodec.None)
        {
            return TakeRecords(header, batch.AsSpan(RecordBatchHeader.Size));
        }

        if (!Compression.TryDecompress(header.Codec, batch.AsSpan(RecordBatchHeader.Size), Compression.MaxDecompressedBound, out var unpacked, out var reason))
        {
            return $"cannot be unpacked: {reason}";
        }

        using (unpacked)
        {
            return TakeRecords(header, unpacked!.Span);
        }
    }

    private string? TakeRecords(in RecordBatchHeader header, ReadOnlySpan<byte> section)
    {
        var reader = new RecordReader(section);
        while (reader.TryRead(out var record))
        {
            if ((header.IsControl ? TakeControl(record) : TakeData(record)) is { } wrong)
            {
                return wrong;
            }
        }

        return reader.Failed ? "holds a malformed record" : null;
    }

    private string? TakeControl(in RecordView record)
    {
        var type = SnapshotBatches.TypeOf(record.Key);
        if (_timestampMs is null != (type == ControlRecordType.SnapshotHeader))
        {
            return "holds a header that is not the first record, or a first record that is not the header";
        }

        if (type == ControlRecordType.SnapshotHeader)
        {
            var reader = new ProtocolReader(record.Value.ToArray());
            if (!SnapshotHeaderRecord.TryRead(ref reader, SnapshotHeaderRecord.HighestVersion, out var header))
            {
                return "holds a malformed header";
            }

            _timestampMs = header.LastContainedLogTimestamp;
        }

        if (type == ControlRecordType.KRaftVoters && !VotersRecord.TryRead(record.Value.ToArray(), VotersRecord.HighestVersion, out _voters))
        {
            return "holds a malformed voters record";
        }

        _finished |= type == ControlRecordType.SnapshotFooter;
        return null;
    }

    private string? TakeData(in RecordView record)
    {
        if (_timestampMs is null)
        {
            return "stands before the header";
        }

        _records.Add(MetadataRecords.TryDecode(record.Value.ToArray(), out var decoded)
            ? decoded
            : throw new InvalidDataException("The snapshot is intact, and holds a record that this version cannot read: it was written by a later one."));
        return null;
    }
}
