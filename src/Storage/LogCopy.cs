using System.Buffers;
using Milena.Model;

namespace Milena.Storage;

/// <summary>Brings a second log of a partition up to the first, which may grow, be cut and lose its beginning meanwhile.</summary>
/// <remarks>
/// Whoever calls is the only writer of the target. An epoch and an offset together name one record, so what the target has is a part of the
/// source exactly if its last epoch does not end before it there (KIP-279); what is not, goes.
/// </remarks>
public sealed class LogCopy(Log source, Log target)
{
    /// <summary>Offsets that the target lacks.</summary>
    public long Lag => Math.Max(0, source.LogEndOffset - Math.Max(target.LogEndOffset, source.LogStartOffset));

    /// <summary>How much was copied, in bytes.</summary>
    public long Copied { get; private set; }

    /// <summary>Whether everything in <paramref name="log"/> is in <paramref name="other"/> too, as far as that one still begins so early.</summary>
    public static bool IsPartOf(Log log, Log other) => log.LogEndOffset == log.LogStartOffset
        || (log.LeaderEpochs.Latest is { } epoch && other.EndOffsetForEpoch(epoch) is var end && end.Epoch == epoch && end.EndOffset >= log.LogEndOffset);

    /// <summary>Copies what comes next, durable or not.</summary>
    /// <param name="maxBytes">About so much; a larger batch is copied whole.</param>
    /// <returns>False when there is nothing more to copy now.</returns>
    /// <exception cref="InvalidDataException">A batch of the source is damaged.</exception>
    /// <exception cref="ObjectDisposedException">The source was closed.</exception>
    public bool Step(int maxBytes)
    {
        if (CutWhatParts())
        {
            // Else a crash could bring back what was cut, below what is copied next.
            target.Flush();
        }
        var from = Math.Max(target.LogEndOffset, source.LogStartOffset);
        using var slice = source.Read(from, source.LogEndOffset, maxBytes, atLeastOneBatch: true, out var info);
        ObjectDisposedException.ThrowIf(info.Error == ErrorCode.NotLeaderOrFollower, source);
        if (target.LogEndOffset < from)
        {
            // The source begins later, perhaps within a batch, which comes whole.
            target.TruncateFullyAndStartAt(slice is null ? from : info.Start.Offset);
            target.Flush();
        }
        if (slice is not null) Append(slice);
        target.AdvanceLogStartOffset(Math.Min(source.LogStartOffset, target.LogEndOffset));
        // Out of range where the source was cut or moved its start in between.
        return slice is not null || info.Error == ErrorCode.OffsetOutOfRange;
    }

    /// <summary>Copies all that is left, while nobody writes the source.</summary>
    /// <exception cref="InvalidDataException">As of <see cref="Step"/>; or the end of the source cannot be reached.</exception>
    public void Finish(int maxBytes)
    {
        while (Step(maxBytes))
        {
        }
        if (target.LogEndOffset != source.LogEndOffset)
        {
            throw new InvalidDataException($"The copy of {source.TopicPartition} ends at {target.LogEndOffset}, and what is copied at {source.LogEndOffset}.");
        }
        // A leader's epoch that has written nothing yet.
        if (source.LeaderEpochs.Latest is { } epoch) target.AssignLeaderEpoch(epoch);
    }

    private void Append(LogSlice slice)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(slice.Length);
        try
        {
            var read = slice.Read(0, buffer.AsSpan(0, slice.Length));
            var result = target.AppendAsFollower(buffer.AsSpan(0, read));
            if (result.Error != ErrorCode.None) throw new InvalidDataException(result.Message);
            Copied += read;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <returns>Whether anything went.</returns>
    private bool CutWhatParts()
    {
        var before = target.LogEndOffset;
        while (target.LeaderEpochs.Latest is { } epoch)
        {
            var theirs = source.EndOffsetForEpoch(epoch);
            if (theirs.Epoch == epoch && theirs.EndOffset >= target.LogEndOffset) return target.LogEndOffset != before;
            if (theirs == EpochEnd.Unknown)
            {
                target.TruncateFullyAndStartAt(source.LogStartOffset);
                return true;
            }
            var own = target.EndOffsetForEpoch(theirs.Epoch);
            target.TruncateTo(Math.Min(target.LogEndOffset, own.Epoch == theirs.Epoch ? Math.Min(own.EndOffset, theirs.EndOffset) : own.EndOffset));
        }
        // Batches without an epoch, which only Kafka of long ago wrote.
        if (source.LogEndOffset is var end && end < target.LogEndOffset) target.TruncateTo(end);
        return target.LogEndOffset != before;
    }
}
