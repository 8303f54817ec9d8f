using System.Buffers.Binary;
using Milena.Metadata.Log;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Metadata.Snapshots;

/// <summary>A snapshot's bytes, batch by batch: a control batch with the header and the quorum's voters, batches of metadata records, a control batch with the footer.</summary>
/// <remarks>
/// Offsets count within the snapshot, from 0 without holes; every batch carries the snapshot's epoch. A control record's key is two int16,
/// version 0 and its type; its value is the record of KIP-630. What is needed of the records is one pass, and memory for one batch.
/// </remarks>
public static class SnapshotBatches
{
    /// <summary>A batch is closed when it has reached this size: small enough to hold in memory many times over.</summary>
    public const int BatchBytes = 256 << 10;

    private const int KeyBytes = 4;
    private const short KRaftVersion = 1;

    /// <param name="lastContainedTimestampMs">When the last record that the snapshot contains was written to the log.</param>
    /// <param name="voters">The quorum's, where there is one: the log that declared them may be gone (KIP-853).</param>
    public static IEnumerable<byte[]> Of(SnapshotId id, long lastContainedTimestampMs, IEnumerable<IMessage> records, VotersRecord? voters = null)
    {
        var header = (ControlRecordType.SnapshotHeader, (IMessage)new SnapshotHeaderRecord { LastContainedLogTimestamp = lastContainedTimestampMs });
        (ControlRecordType, IMessage)[] first = voters is null
            ? [header]
            : [header, (ControlRecordType.KRaftVersion, new KRaftVersionRecord { KRaftVersion = KRaftVersion }), (ControlRecordType.KRaftVoters, voters)];
        yield return Control(id, 0, lastContainedTimestampMs, first);
        var next = (long)first.Length;
        RecordBatchBuilder? batch = null;
        try
        {
            foreach (var record in records)
            {
                batch ??= new RecordBatchBuilder { BaseOffset = next, LeaderEpoch = id.Epoch };
                batch.Add(lastContainedTimestampMs, null, MetadataRecords.Encode(record));
                if (batch.UncompressedBytes >= BatchBytes)
                {
                    next += batch.RecordCount;
                    yield return Finish(ref batch);
                }
            }

            if (batch is not null)
            {
                next += batch.RecordCount;
                yield return Finish(ref batch);
            }
        }
        finally
        {
            batch?.Dispose();
        }

        yield return Control(id, next, lastContainedTimestampMs, (ControlRecordType.SnapshotFooter, new SnapshotFooterRecord()));
    }

    /// <summary>What kind of control record a key names; null when it is none that this version knows the shape of.</summary>
    internal static ControlRecordType? TypeOf(ReadOnlySpan<byte> key) =>
        key.Length == KeyBytes ? (ControlRecordType)BinaryPrimitives.ReadInt16BigEndian(key[2..]) : null;

    private static byte[] Finish(ref RecordBatchBuilder? batch)
    {
        using var finished = batch!;
        batch = null;
        return finished.Build();
    }

    /// <remarks>Every one of these records has one version only, 0.</remarks>
    private static byte[] Control(SnapshotId id, long offset, long timestampMs, params (ControlRecordType Type, IMessage Record)[] records)
    {
        using var builder = new RecordBatchBuilder { BaseOffset = offset, LeaderEpoch = id.Epoch, IsControl = true };
        foreach (var (type, record) in records)
        {
            var key = new byte[KeyBytes];
            BinaryPrimitives.WriteInt16BigEndian(key.AsSpan(2), (short)type);
            using var buffer = new MessageBuffer();
            var writer = new ProtocolWriter(buffer);
            record.Write(ref writer, version: 0);
            builder.Add(timestampMs, key, buffer.Written.ToArray());
        }

        return builder.Build();
    }
}
