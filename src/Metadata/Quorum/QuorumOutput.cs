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

    /// <summary>There are too many requests, or this one is none: it gets no answer, and its connection is best closed.</summary>
    public sealed record Drop(long RequestId) : QuorumOutput;

    /// <summary>Whole batches, offsets and epochs stamped. They are to be flushed soon, and <see cref="QuorumMachine.Flushed"/> called.</summary>
    public sealed record Append(ReadOnlyMemory<byte> Batches) : QuorumOutput;

    public sealed record Truncate(long Offset) : QuorumOutput;

    /// <summary>Ends in <see cref="QuorumMachine.ElectionStateWritten"/>. Of several, writing the last is enough.</summary>
    public sealed record WriteElectionState(long Version, ElectionState State) : QuorumOutput;

    /// <summary>Everything below is decided. Never goes back while the process lives.</summary>
    public sealed record HighWatermarkMoved(long Offset) : QuorumOutput;

    /// <summary>This replica leads, and all that earlier leaders decided is below the high watermark.</summary>
    public sealed record BecameLeader(int Epoch) : QuorumOutput;

    public sealed record LostLeadership(int Epoch) : QuorumOutput;
}
