using System.Runtime.CompilerServices;

namespace Milena.Storage;

/// <summary>Finds in the log what a producer snapshot leaves out: of each producer, the batches before its last one that it may still send again.</summary>
/// <remarks>
/// A client has up to five batches on their way. Where a broker stops in order after it has written them, and before their producer was told, all of them come again
/// to a log that was opened anew. A snapshot has only the last, as Kafka's has: the first would be out of order, which ends an idempotent producer of librdkafka's for good.
/// </remarks>
internal static class EarlierBatches
{
    /// <summary>How far back it looks: headers alone are read, though from a disk that may be cold.</summary>
    private const int TailBytes = 1 << 20;

    /// <summary>Clients give up by then. By the time that batches carry, so one that writes of the past has its last batch remembered only.</summary>
    private const long SentAgainWithinMs = 15 * 60 * 1000;

    /// <param name="producers">As of the snapshot, with what came after it not yet applied.</param>
    /// <param name="offset">The snapshot's.</param>
    [SkipLocalsInit]
    public static void Recall(ProducerStates producers, IReadOnlyList<Segment> segments, long offset, long nowMs)
    {
        var earlier = producers.Producers.Values
            .Where(producer => producer.LastBatch is not null && nowMs - producer.LastTimestamp < SentAgainWithinMs)
            .ToDictionary(producer => producer.ProducerId, _ => new Queue<ProducerBatch>());
        if (earlier.Count == 0) return;
        Span<byte> buffer = stackalloc byte[BatchScanner.BufferBytes];
        foreach (var (segment, position) in Tail(segments, offset))
        {
            var scanner = new BatchScanner(segment.File, position, segment.Size, buffer);
            while (scanner.MoveNext() && scanner.Header.BaseOffset < offset)
            {
                ref readonly var header = ref scanner.Header;
                if (header.IsControl || !earlier.TryGetValue(header.ProducerId, out var batches)) continue;
                var producer = producers.Producers[header.ProducerId];
                if (header.ProducerEpoch != producer.Epoch || header.LastOffset >= producer.LastBatch!.Value.LastOffset) continue;
                if (batches.Count == ProducerState.RememberedBatches - 1) batches.Dequeue();
                batches.Enqueue(new ProducerBatch(header.LastSequence, header.LastOffset, header.LastOffsetDelta, header.MaxTimestamp));
            }
        }
        foreach (var (producerId, batches) in earlier) producers.Producers[producerId].Recall(batches);
    }

    /// <summary>The segments that hold the last bytes below the offset, in their order, and where in each to begin.</summary>
    private static List<(Segment Segment, int Position)> Tail(IReadOnlyList<Segment> segments, long offset)
    {
        var tail = new List<(Segment, int)>();
        var left = TailBytes;
        for (var i = segments.Count - 1; i >= 0 && left > 0; i--)
        {
            var segment = segments[i];
            if (segment.BaseOffset >= offset) continue;
            var end = i < segments.Count - 1 && segments[i + 1].BaseOffset <= offset ? segment.Size : segment.Offsets.Floor(offset).Position;
            var position = segment.Offsets.FloorPosition(end - left);
            tail.Insert(0, (segment, position));
            left -= end - position;
        }
        return tail;
    }
}
