using System.Collections.Concurrent;
using System.Globalization;
using Milena.Metadata.Image;
using Milena.Metadata.Settings;
using Milena.Model;
using Milena.Storage;

namespace Milena.Replication;

/// <summary>What this broker's replica actors stand on: their logs, the settings in force, and where they are found.</summary>
public sealed class ReplicaHost(int brokerId, LogDirectory directory, MetadataStore metadata, ConfigResolver configs, TimeProvider time)
{
    private readonly ConcurrentDictionary<ReplicaId, Log> _logs = new();

    public int BrokerId => brokerId;

    public ReplicaDirectory Directory { get; } = new();

    public IReadOnlyList<LogDirectory> LogDirectories { get; } = [directory];

    /// <summary>Akka's dispatcher of the replica actors, apart from everything that coordinates.</summary>
    public string Dispatcher => "milena.replica-dispatcher";

    /// <summary>Opens the log of a replica; its actor then is the only one that writes it.</summary>
    /// <exception cref="InvalidOperationException">The committed metadata has no such topic.</exception>
    /// <exception cref="LogIOException">The disk refused.</exception>
    public Log OpenLog(ReplicaId id)
    {
        var topic = metadata.Current.FindTopic(id.TopicId) ?? throw new InvalidOperationException($"There is no topic with the id {id.TopicId}.");
        return _logs.GetOrAdd(id, _ => directory.OpenLog(new TopicPartition(topic.Name, id.Partition), id.TopicId, SettingsOf(topic.Name), time));
    }

    public long CheckpointedHighWatermark(Log log) => Math.Clamp(directory.HighWatermarkOf(log.TopicPartition), log.LogStartOffset, log.LogEndOffset);

    /// <summary>The facts that a replica's files hold, oldest first.</summary>
    public IReadOnlyList<ReplicaFact> FactsOf(ReplicaId id)
    {
        if (!_logs.TryGetValue(id, out var log))
        {
            return [];
        }

        var facts = log.Epochs.Entries.Select(ReplicaFact (entry) => new ReplicaFact.EpochStarted(entry.Epoch, entry.StartOffset));
        return [.. log.LogStartOffset > 0 ? facts.Append(new ReplicaFact.LogStartMoved(log.LogStartOffset)) : facts];
    }

    /// <summary>Makes a fact durable.</summary>
    public void Record(ReplicaId id, ReplicaFact fact)
    {
        var log = _logs[id];
        switch (fact)
        {
            case ReplicaFact.EpochStarted started:
                log.AssignEpoch(started.Epoch, started.StartOffset);
                break;
            case ReplicaFact.LogStartMoved moved:
                directory.SaveLogStart(log.TopicPartition, moved.Offset);
                log.AdvanceLogStart(moved.Offset);
                break;
            default:
                throw new ArgumentException($"Unknown fact {fact.GetType().Name}.");
        }
    }

    /// <summary>Closes a retired replica's log and deletes its folder.</summary>
    public void DeleteLog(ReplicaId id)
    {
        if (_logs.TryRemove(id, out var log))
        {
            log.Dispose();
            directory.Delete(log.TopicPartition);
        }
    }

    /// <summary>Flushes on a thread of the pool's, when the topic asks for it.</summary>
    public void FlushIfDue(Log log)
    {
        if (log.FlushDue)
        {
            ThreadPool.UnsafeQueueUserWorkItem(static due => due.Flush(), log, preferLocal: false);
        }
    }

    public void CheckpointHighWatermarks() =>
        directory.SaveHighWatermarks(Directory.All.Select(replica => (replica.TopicPartition, replica.HighWatermark)));

    /// <summary>Closes all logs and marks the directory clean. No replica actor may run any more.</summary>
    public void Close()
    {
        foreach (var log in _logs.Values)
        {
            log.Dispose();
        }

        _logs.Clear();
        directory.MarkClean();
    }

    /// <summary>What a topic's settings, in all their layers, ask of its logs.</summary>
    public LogSettings SettingsOf(string topic)
    {
        var image = metadata.Current;
        string Text(string name) => configs.TopicValue(image, topic, name) ?? throw new InvalidOperationException($"The setting {name} has no value.");
        long Number(string name) => long.Parse(Text(name), CultureInfo.InvariantCulture);
        return new LogSettings
        {
            SegmentBytes = (int)Number("segment.bytes"),
            SegmentAge = TimeSpan.FromMilliseconds(Math.Min(Number("segment.ms"), (long)TimeSpan.MaxValue.TotalMilliseconds / 2)),
            IndexIntervalBytes = (int)Number("index.interval.bytes"),
            IndexMaxBytes = (int)Number("segment.index.bytes"),
            RetentionMs = Number("retention.ms"),
            RetentionBytes = Number("retention.bytes"),
            DeletesOldSegments = SettingDefinition.SplitList(Text("cleanup.policy")).Contains("delete"),
            FlushMessages = Number("flush.messages"),
        };
    }

    public int MinInSyncReplicasOf(string topic) => int.Parse(configs.TopicValue(metadata.Current, topic, "min.insync.replicas") ?? "1", CultureInfo.InvariantCulture);
}
