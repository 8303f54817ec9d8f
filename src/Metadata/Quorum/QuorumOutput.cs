using Milena.Metadata.Snapshots;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Metadata.Quorum;

/// <summary>What the machine wants done, in this order. Whoever drives it does no more and no less.</summary>
public abstract record QuorumOutput
{
    private QuorumOutput()
    {
    }

    /// <summary>Ends in exactly one call of <see cref="QuorumMachine.Answered"/>: with the response, or with null when there was none in time.</summary>
    public sealed record Send(long Token, QuorumPeer To, IRequestMessage Request) : QuorumOutput;

    public sealed record Answer(long RequestId, IResponseMessage Response) : QuorumOutput;

    /// <summary>As <see cref="Answer"/>; the records of its one partition are to be read from the log first, as they stand now.</summary>
    public sealed record AnswerWithRecords(long RequestId, FetchResponse Response, long FromOffset, int MaxBytes) : QuorumOutput;

    /// <summary>As <see cref="Answer"/>; <see cref="Fill"/> comes first.</summary>
    public sealed record AnswerWithSnapshot(long RequestId, FetchSnapshotResponse Response, SnapshotId Snapshot, long Position, int MaxBytes) : QuorumOutput
    {
        /// <param name="size">Of the whole snapshot; null when there is no such one.</param>
        /// <param name="piece">What is at <see cref="Position"/> of it; empty behind its end.</param>
        public FetchSnapshotResponse Fill(long? size, byte[] piece)
        {
            var partition = Response.Topics[0].Partitions[0];
            partition.ErrorCode = size is null ? ErrorCode.SnapshotNotFound : piece.Length == 0 ? ErrorCode.PositionOutOfRange : ErrorCode.None;
            (partition.Size, partition.UnalignedRecords) = (size ?? 0, new Records(piece));
            return Response;
        }
    }

    /// <summary>There are too many requests, or this one is none: it gets no answer, and its connection is best closed.</summary>
    public sealed record Drop(long RequestId) : QuorumOutput;

    /// <summary>Whole batches, offsets and epochs stamped. They are to be flushed soon, and <see cref="QuorumMachine.Flushed"/> called.</summary>
    public sealed record Append(ReadOnlyMemory<byte> Batches) : QuorumOutput;

    public sealed record Truncate(long Offset) : QuorumOutput;

    /// <summary>Pieces of a snapshot follow. Of one that was begun before and neither frozen nor dropped, nothing is left.</summary>
    public sealed record BeginSnapshot(SnapshotId Snapshot) : QuorumOutput;

    public sealed record AppendSnapshotPiece(SnapshotId Snapshot, ReadOnlyMemory<byte> Piece) : QuorumOutput;

    /// <summary>
    /// All pieces are there: the bytes are to be checked, made durable and given their name, and <see cref="QuorumMachine.SnapshotFrozen"/>
    /// called; or thrown away, and <see cref="QuorumMachine.SnapshotRefused"/> called.
    /// </summary>
    public sealed record FreezeSnapshot(SnapshotId Snapshot) : QuorumOutput;

    public sealed record DropSnapshot(SnapshotId Snapshot) : QuorumOutput;

    /// <summary>The log is to be emptied and to go on from a snapshot that is frozen; whoever applies decided records gets its image instead.</summary>
    public sealed record ReplaceLog(SnapshotId Snapshot) : QuorumOutput;

    /// <summary>Ends in <see cref="QuorumMachine.ElectionStateWritten"/>. Of several, writing the last is enough.</summary>
    public sealed record WriteElectionState(long Version, ElectionState State) : QuorumOutput;

    /// <summary>Everything below is decided. Never goes back while the process lives.</summary>
    public sealed record HighWatermarkMoved(long Offset) : QuorumOutput;

    /// <summary>This replica leads, and all that earlier leaders decided is below the high watermark.</summary>
    public sealed record BecameLeader(int Epoch) : QuorumOutput;

    public sealed record LostLeadership(int Epoch) : QuorumOutput;
}
