using Milena.Model;

namespace Milena.Metadata.Quorum;

/// <summary>Checks what a leader sent before it becomes part of the log.</summary>
public static class FetchedBatches
{
    /// <summary>Bytes of the whole batches that follow on <paramref name="endOffset"/> without a gap; a batch that is cut off is left out.</summary>
    /// <param name="leaderEpoch">No batch can be of a later epoch than its leader's.</param>
    /// <returns>False when the bytes are not what a leader's log holds; then nothing of them is to be used.</returns>
    public static bool TryCheck(ReadOnlySpan<byte> bytes, long endOffset, int lastEpoch, int leaderEpoch, out int wholeBytes)
    {
        wholeBytes = 0;
        while (RecordBatchHeader.TryRead(bytes[wholeBytes..], out var header) == ErrorCode.None && header.SizeInBytes <= bytes.Length - wholeBytes)
        {
            var batch = bytes.Slice(wholeBytes, header.SizeInBytes);
            if (header.BaseOffset != endOffset || header.LastOffsetDelta < 0 || header.LeaderEpoch < lastEpoch
                || header.LeaderEpoch > leaderEpoch || RecordBatchHeader.ComputeCrc(batch) != header.Crc)
            {
                return false;
            }

            (endOffset, lastEpoch) = (header.NextOffset, header.LeaderEpoch);
            wholeBytes += header.SizeInBytes;
        }

        return wholeBytes > 0 || bytes.Length < RecordBatchHeader.Size;
    }
}
