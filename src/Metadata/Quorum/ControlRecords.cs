using System.Buffers.Binary;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Metadata.Quorum;

/// <summary>The quorum's own records in the metadata log, in control batches: who leads from here on, and who votes.</summary>
/// <remarks>Key: int16 version, int16 type. Value: the message, whose first field is the version it is written in.</remarks>
public static class ControlRecords
{
    private const int KeyBytes = 4;

    public static byte[] ToBatch(long nowMs, params IEnumerable<IMessage> records)
    {
        using var builder = new RecordBatchBuilder { IsControl = true };
        foreach (var record in records)
        {
            var (type, version) = TypeOf(record);
            var key = new byte[KeyBytes];
            BinaryPrimitives.WriteInt16BigEndian(key.AsSpan(2), (short)type);
            using var buffer = new MessageBuffer();
            var writer = new ProtocolWriter(buffer);
            record.Write(ref writer, version);
            builder.Add(nowMs, key, buffer.Written.ToArray());
        }

        return builder.Build();
    }

    /// <summary>The last voter set that a control batch declares, and its offset; null when it declares none.</summary>
    /// <exception cref="InvalidDataException">The batch holds a voters record that cannot be read: the log is not what it says.</exception>
    public static (long Offset, VoterSet Voters)? VotersIn(ReadOnlySpan<byte> batch, in RecordBatchHeader header)
    {
        (long, VoterSet)? found = null;
        var reader = new RecordReader(batch[RecordBatchHeader.Size..]);
        while (reader.TryRead(out var record))
        {
            if (record.Key.Length < KeyBytes || BinaryPrimitives.ReadInt16BigEndian(record.Key[2..]) != (short)ControlRecordType.KRaftVoters)
            {
                continue;
            }

            var offset = header.BaseOffset + record.OffsetDelta;
            found = VotersRecord.TryRead(record.Value.ToArray(), VotersRecord.HighestVersion, out var read) && VoterSet.FromRecord(read) is { } voters
                ? (offset, voters)
                : throw new InvalidDataException($"The voters record at offset {offset} of the metadata log cannot be read.");
        }

        return found;
    }

    private static (ControlRecordType Type, short Version) TypeOf(IMessage record) => record switch
    {
        LeaderChangeMessage change => (ControlRecordType.LeaderChange, change.Version),
        KRaftVersionRecord version => (ControlRecordType.KRaftVersion, version.Version),
        VotersRecord voters => (ControlRecordType.KRaftVoters, voters.Version),
        _ => throw new ArgumentException($"{record.GetType().Name} is no control record of the quorum."),
    };
}
