using System.Globalization;
using Microsoft.Extensions.Logging;
using Milena.Model;

namespace Milena.Storage;

/// <summary>A log directory's file of one offset per partition, lines of "topic partition offset".</summary>
public sealed class OffsetCheckpoint(IDisk disk, string directory, string name, ILogger logger)
{
    public const string RecoveryPoints = "recovery-point-offset-checkpoint";
    public const string LogStartOffsets = "log-start-offset-checkpoint";
    public const string HighWatermarks = "replication-offset-checkpoint";

    private readonly string _path = Path.Combine(directory, name);

    /// <summary>What was last written; empty when the file is missing or, which is logged, damaged: its offsets only save work.</summary>
    public Dictionary<TopicPartition, long> Read()
    {
        var offsets = new Dictionary<TopicPartition, long>();
        // Kafka creates its checkpoints empty.
        if (disk.FileLength(_path) == 0) return offsets;
        var entries = TextCheckpoint.TryRead(disk, _path, fields: 3);
        foreach (var entry in entries ?? [])
        {
            if (!TextCheckpoint.TryInt(entry[1], out var partition) || !TextCheckpoint.TryLong(entry[2], out var offset) || offset < 0)
            {
                entries = null;
                break;
            }
            offsets[new TopicPartition(entry[0], partition)] = offset;
        }
        if (entries is not null) return offsets;
        StorageEvents.Unreadable(logger, _path);
        return [];
    }

    /// <summary>Replaces the file and makes it durable: not for an actor's thread.</summary>
    public void Write(IEnumerable<KeyValuePair<TopicPartition, long>> offsets) => TextCheckpoint.Write(
        disk,
        _path,
        offsets.Select(entry => string.Create(CultureInfo.InvariantCulture, $"{entry.Key.Topic} {entry.Key.Partition} {entry.Value}")),
        sync: true);
}
