using System.Runtime.CompilerServices;
using Milena.Model;

namespace Milena.Storage;

/// <summary>Brings the producers to an offset: from the latest intact snapshot at or below it, and by the batches after that.</summary>
internal sealed class ProducerRebuild(LogEnvironment environment, string folder, IReadOnlyList<Segment> segments, ProducerStates producers)
{
    /// <param name="force">Start over from a snapshot; else go on from what the producers have seen.</param>
    [SkipLocalsInit]
    public void Run(long offset, bool force)
    {
        if (force) RestoreSnapshot(offset);
        Span<byte> buffer = stackalloc byte[BatchScanner.BufferBytes];
        for (var i = 0; i < segments.Count && segments[i].BaseOffset < offset; i++)
        {
            var segment = segments[i];
            if (segment.Size == 0 || (i < segments.Count - 1 && segments[i + 1].BaseOffset <= producers.EndOffset)) continue;
            var scanner = new BatchScanner(segment.File, segment.Offsets.Floor(producers.EndOffset).Position, segment.Size, buffer);
            while (scanner.MoveNext() && scanner.Header.BaseOffset < offset)
            {
                if (scanner.Header.BaseOffset >= producers.EndOffset) Apply(producers, segment, scanner.Header, scanner.Position);
            }
        }
        producers.EndOffset = offset;
    }

    public static CompletedTransaction? Apply(ProducerStates producers, Segment segment, in RecordBatchHeader header, int position)
    {
        EndTransactionMarker? marker = null;
        if (header.IsControl && header.HasProducerId)
        {
            var batch = new byte[header.SizeInBytes];
            if (segment.File.Read(position, batch) == batch.Length && EndTransactionMarker.TryRead(batch, out var read)) marker = read;
        }
        return producers.Apply(header, marker);
    }

    private void RestoreSnapshot(long offset)
    {
        // A snapshot from before the log's first segment misses the records in between: those producers are better unknown than out of step.
        var first = segments.Count > 0 ? segments[0].BaseOffset : 0;
        var snapshots = new List<long>();
        foreach (var path in environment.Disk.Files(folder))
        {
            if (LogFiles.TryParse(path, LogFiles.SnapshotSuffix, out var at) && at >= first && at <= offset) snapshots.Add(at);
        }
        snapshots.Sort();
        for (var i = snapshots.Count - 1; i >= 0; i--)
        {
            var path = LogFiles.Path(folder, snapshots[i], LogFiles.SnapshotSuffix);
            if (ProducerSnapshot.TryRead(environment.Disk.ReadAll(path)) is { } restored)
            {
                producers.Restore(restored, snapshots[i]);
                EarlierBatches.Recall(producers, segments, snapshots[i], environment.NowMs);
                return;
            }
            StorageEvents.Unreadable(environment.Logger, path);
            environment.Disk.DeleteFile(path);
        }
        producers.Clear(0);
    }
}
