using Milena.Metadata.Image;
using Milena.Protocol;

namespace Milena.Metadata.Log;

/// <summary>The replicated log of the cluster's decisions, as the node sees it. One implementation per kind of quorum.</summary>
/// <remarks>
/// Committed batches reach the listener in order, each exactly once, on one thread at a time. A leader appends in its own epoch; an
/// append in an older one is refused, so that of two controllers at most one takes effect.
/// </remarks>
public interface IMetadataLog : IAsyncDisposable
{
    /// <summary>The offset that the next record will have.</summary>
    long EndOffset { get; }

    /// <summary>Bytes of committed records that the newest snapshot does not contain.</summary>
    long BytesSinceSnapshot { get; }

    /// <summary>Replays what is committed, then stands for election. The listener hears of both.</summary>
    void Start(IMetadataLogListener listener);

    /// <summary>Appends records as one batch: all of them are committed or none.</summary>
    /// <returns>The offset of the last record; it is committed when the listener has been given it, never before.</returns>
    /// <exception cref="NotControllerException">This node does not lead the quorum in <paramref name="epoch"/>.</exception>
    /// <exception cref="Storage.LogIOException">The disk failed: nothing was decided, and the node must give up leading.</exception>
    long Append(int epoch, IReadOnlyList<IMessage> records);

    /// <summary>Writes an image of committed records down as a snapshot, then deletes history that retention no longer wants.</summary>
    /// <remarks>Waits for the disk, so it is not for the log's thread or an actor's; beside <see cref="Append"/>, one call at a time.</remarks>
    /// <exception cref="IOException">The disk refused; the snapshots and the log are what they were.</exception>
    void WriteSnapshot(MetadataImage image);
}

public interface IMetadataLogListener
{
    /// <summary>Records that are committed; <paramref name="lastOffset"/> is the last one's. None where the quorum's own records stand.</summary>
    /// <param name="isSnapshot">The records are a whole image, which replaces what was there.</param>
    void Committed(IReadOnlyList<IMessage> records, long lastOffset, int epoch, bool isSnapshot);

    /// <summary>This node leads the quorum in <paramref name="epoch"/>, having applied all that earlier leaders committed.</summary>
    void BecameLeader(int epoch);

    /// <summary>This node no longer leads, or cannot write: nothing that is not committed yet will be.</summary>
    void LostLeadership(Exception? cause);
}

/// <summary>An append by a node that does not lead the quorum in that epoch.</summary>
public sealed class NotControllerException(string message) : Exception(message);
