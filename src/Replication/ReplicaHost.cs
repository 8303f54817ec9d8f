using System.Collections.Concurrent;
using System.Globalization;
using Microsoft.Extensions.Logging;
using Milena.Metadata.Controller;
using Milena.Metadata.Image;
using Milena.Metadata.Settings;
using Milena.Model;
using Milena.Storage;

namespace Milena.Replication;

/// <summary>What this broker's replica actors stand on: their logs, the settings in force, and where they are found.</summary>
public sealed class ReplicaHost : IDisposable
{
    private readonly MetadataStore _metadata;
    private readonly ConfigResolver _configs;
    private readonly LogSettingsSource _settings;
    private readonly ILogger _logger;
    private readonly Flusher _flusher = new();
    private readonly long _started;
    private readonly HashSet<ReplicaId> _lost = [];
    private readonly ConcurrentDictionary<ReplicaId, InterruptedLead> _interrupted = new();

    /// <param name="controller">Decides on the in-sync replicas of what this broker leads.</param>
    /// <param name="connector">Reaches the leaders of what this broker follows.</param>
    public ReplicaHost(
        int brokerId,
        LogDirectories directories,
        MetadataStore metadata,
        ConfigResolver configs,
        IPartitionController controller,
        ILeaderConnector connector,
        TimeProvider time,
        ILogger logger)
    {
        (BrokerId, LogDirectories, _metadata, _configs, Time, _logger) = (brokerId, directories, metadata, configs, time, logger);
        _started = time.GetTimestamp();
        _settings = new LogSettingsSource(metadata, configs);
        Settings = ReplicationSettings.From(configs);
        Followers = FollowerWatch.Of(Settings, time);
        Contact = new ControllerContact(time);
        FollowerBrokers = new FollowerBrokers(BrokerOf, Followers.IsSilent);
        LeaderThrottle = ReplicationThrottle.Leading(brokerId, new ReplicationQuota(time, Settings.QuotaWindows, Settings.QuotaWindow));
        FollowerThrottle = ReplicationThrottle.Following(brokerId, new ReplicationQuota(time, Settings.QuotaWindows, Settings.QuotaWindow));
        Fetchers = new ReplicaFetchers(new FetcherContext(brokerId, Settings, connector, BrokerOf, FollowerThrottle, time, logger));
        Proposals = new IsrProposals(brokerId, () => BrokerOf(brokerId)?.Epoch, controller, time, logger);
        Moves = new ReplicaMoves(this, logger);
        Assignments = new DirectoryAssignments(brokerId, () => BrokerOf(brokerId)?.Epoch, controller, time, logger);
        foreach (var (path, error) in directories.Failures)
        {
            ReplicationEvents.DirectoryOffline(logger, path, error);
        }

        directories.Failed += OnDirectoryFailed;
    }

    public int BrokerId { get; }

    public ReplicaDirectory Directory { get; } = new();

    public LogDirectories LogDirectories { get; }

    public ReplicationSettings Settings { get; }

    public TimeProvider Time { get; }

    public ControllerContact Contact { get; }

    /// <summary>Of what this broker sends to followers.</summary>
    public ReplicationThrottle LeaderThrottle { get; }

    /// <summary>Of what it fetches as a follower.</summary>
    public ReplicationThrottle FollowerThrottle { get; }

    internal ReplicaFetchers Fetchers { get; }

    internal FollowerWatch Followers { get; }

    internal FollowerBrokers FollowerBrokers { get; }

    internal IsrProposals Proposals { get; }

    internal DirectoryAssignments Assignments { get; }

    internal ReplicaMoves Moves { get; }

    /// <summary>Milliseconds of a clock that nobody sets: neither lag nor patience may follow from a wall clock that jumps.</summary>
    internal long NowMs => (long)Time.GetElapsedTime(_started).TotalMilliseconds;

    /// <summary>Akka's dispatcher of the replica actors, apart from everything that coordinates.</summary>
    public string Dispatcher => "milena.replica-dispatcher";

    /// <summary>A fetch of a follower's registered incarnation has come, whatever it asks for.</summary>
    public void HeardOf(int follower) => Followers.Heard(follower);

    /// <summary>What a topic's settings, in all their layers, ask of its logs.</summary>
    public LogSettings SettingsOf(string topic) => _settings.Of(topic);

    /// <summary>The committed registration of a broker, null for one that is not registered.</summary>
    public BrokerRegistration? BrokerOf(int id) => _metadata.Current.Brokers.GetValueOrDefault(id);

    /// <summary>What the committed metadata says of a replica's partition, null where it has none.</summary>
    internal PartitionRegistration? RegistrationOf(ReplicaId id) => _metadata.Current.FindTopic(id.TopicId)?.Find(id.Partition);

    public int MinInSyncReplicasOf(string topic) => MinInSyncReplicasOf(_metadata.Current, topic);

    /// <summary>As of one image: what it says of in-sync replicas must not be mixed with what another one asks for.</summary>
    internal int MinInSyncReplicasOf(MetadataImage image, string topic) => _settings.MinInSyncReplicas(image, topic);

    /// <summary>The paths of the log directories that take no new replica, as the metadata says now; a broker that has no other makes its replicas there still.</summary>
    public IReadOnlySet<string> CordonedDirectories => CordonedIn(_metadata.Current);

    /// <summary>The ids of the log directories that take no new replica, as an image says.</summary>
    public IReadOnlyList<Guid> CordonedIds(MetadataImage image)
    {
        var cordoned = CordonedIn(image);
        return [.. LogDirectories.All.Where(directory => cordoned.Contains(directory.FullPath)).Select(directory => directory.Identity.DirectoryId)];
    }

    /// <summary>Settings have changed, or are known for the first time.</summary>
    internal void FollowThrottles(MetadataImage image)
    {
        LeaderThrottle.Follow(image, _configs);
        FollowerThrottle.Follow(image, _configs);
        Moves.Quota.BytesPerSecond = long.Parse(_configs.BrokerValue(image, "replica.alter.log.dirs.io.max.bytes.per.second")!, CultureInfo.InvariantCulture);
        Fetchers.ThrottleChanged();
    }

    /// <summary>
    /// Opens every log of every directory, several at a time. Partitions that the committed metadata does not place here are set aside,
    /// with their records, as strays.
    /// </summary>
    /// <param name="threads"><c>num.recovery.threads.per.data.dir</c>.</param>
    public void LoadLogs(int threads)
    {
        Parallel.ForEach(LogDirectories.All, directory =>
        {
            try
            {
                var report = directory.LoadLogs(partition => SettingsOf(partition.Topic), threads);
                foreach (var folder in report.StrayFolders)
                {
                    ReplicationEvents.StrayKept(_logger, folder);
                }

                SetStraysAside(directory);
            }
            catch (LogIOException)
            {
                // The sink has taken the directory offline; the others serve what they hold.
            }
        });
        SettleDuplicates();
        NoteLostReplicas();
    }

    /// <summary>Whether a replica's records lie in no directory that works: it must not begin anew, with nothing, in another one.</summary>
    internal bool IsLost(ReplicaId id) => _lost.Contains(id);

    /// <summary>The actor of a replica that leads has ended before its time.</summary>
    internal void NoteInterrupted(ReplicaId id, InterruptedLead lead) => _interrupted[id] = lead;

    internal void ForgetInterrupted(ReplicaId id) => _interrupted.TryRemove(id, out _);

    /// <summary>Null where no actor of the replica was ended while it led.</summary>
    internal InterruptedLead? InterruptedLead(ReplicaId id) => _interrupted.GetValueOrDefault(id);

    /// <summary>Has the controller know where the replica lies, if it does not.</summary>
    internal void TellDirectory(Replica replica)
    {
        if (RegistrationOf(replica.Id) is not { } registration || !registration.Replicas.Contains(BrokerId))
        {
            return;
        }

        var moves = !replica.Leadership.IsOffline && Moves.Find(replica.TopicPartition) is { IsPromised: true, IsCancelled: false } move ? move : null;
        var directory = moves?.Target.Identity.DirectoryId ?? LogDirectories.IdOf(replica.Log);
        if (registration.DirectoryOf(BrokerId) == directory)
        {
            Assignments.Settle(replica.Id, directory);
        }
        else
        {
            _ = Assignments.SubmitAsync(replica.Id, directory);
        }
    }

    /// <summary>Has a replica of this broker lie in that log directory: its records are copied there beside everything else, then it takes place there.</summary>
    /// <param name="path">As it is configured.</param>
    /// <returns>Whether it begins, in Kafka's codes. A replica that comes to this broker only later is made there, for all that it is not available now.</returns>
    public ErrorCode MoveReplica(TopicPartition partition, string path)
    {
        if (!LogFiles.HasFutureFolder(partition))
        {
            return ErrorCode.InvalidTopicException;
        }

        if (LogDirectories.Find(path) is not { } target)
        {
            return LogDirectories.Failures.Any(one => one.Key == path) ? ErrorCode.KafkaStorageError : ErrorCode.LogDirNotFound;
        }

        if (LogDirectories.IsOffline(path))
        {
            return ErrorCode.KafkaStorageError;
        }

        if (CordonedDirectories.Contains(path))
        {
            return ErrorCode.InvalidReplicaAssignment;
        }

        if (Directory.Find(partition) is not { } replica)
        {
            var topic = _metadata.Current.FindTopic(partition.Topic);
            if (topic is not null && IsLost(new ReplicaId(topic.Id, partition.Partition, BrokerId)))
            {
                return ErrorCode.KafkaStorageError;
            }

            if (topic?.Find(partition.Partition) is not null)
            {
                LogDirectories.Prefer(partition, target);
            }

            return ErrorCode.ReplicaNotAvailable;
        }

        if (replica.Leadership.IsOffline)
        {
            return ErrorCode.KafkaStorageError;
        }

        Moves.Begin(replica, target);
        return ErrorCode.None;
    }

    /// <summary>The log of a replica, made where it is missing; its actor then is the only one that writes it.</summary>
    /// <exception cref="InvalidOperationException">The committed metadata has no such topic.</exception>
    /// <exception cref="LogIOException">The disk refused.</exception>
    public Log OpenLog(ReplicaId id)
    {
        var topic = _metadata.Current.FindTopic(id.TopicId) ?? throw new InvalidOperationException($"There is no topic with the id {id.TopicId}.");
        var wanted = topic.Find(id.Partition)?.DirectoryOf(BrokerId) ?? DirectoryIds.Unassigned;
        return LogDirectories.Open(new TopicPartition(topic.Name, id.Partition), id.TopicId, SettingsOf(topic.Name), wanted, CordonedDirectories);
    }

    public long CheckpointedHighWatermark(Log log) =>
        Math.Clamp(LogDirectories.CheckpointedHighWatermark(log.TopicPartition), log.LogStartOffset, log.LogEndOffset);

    /// <summary>The facts that a replica's files hold, oldest first.</summary>
    public IReadOnlyList<ReplicaFact> FactsOf(ReplicaId id)
    {
        if (FindLog(id) is not { } log)
        {
            return [];
        }

        var facts = log.LeaderEpochs.Starts.Select(ReplicaFact (start) => new ReplicaFact.EpochStarted(start.Epoch, start.StartOffset));
        return [.. log.LogStartOffset > 0 ? facts.Append(new ReplicaFact.LogStartMoved(log.LogStartOffset)) : facts];
    }

    /// <summary>Writes a fact down. Blocks for the disk.</summary>
    /// <exception cref="LogIOException">The disk refused.</exception>
    public void Record(ReplicaId id, ReplicaFact fact)
    {
        var log = FindLog(id) ?? throw new InvalidOperationException($"There is no log of the replica {id}.");
        switch (fact)
        {
            case ReplicaFact.EpochStarted started:
                log.AssignLeaderEpoch(started.Epoch);
                break;
            case ReplicaFact.LogStartMoved moved:
                log.AdvanceLogStartOffset(moved.Offset);
                LogDirectories.Holding(log.TopicPartition)?.WriteLogStartOffsets();
                break;
            default:
                throw new ArgumentException($"Unknown fact {fact.GetType().Name}.");
        }
    }

    /// <summary>Closes a retired replica's log and deletes its folder.</summary>
    /// <exception cref="LogIOException">The disk refused.</exception>
    public void DeleteLog(TopicPartition partition) => LogDirectories.Holding(partition)?.DeleteLog(partition);

    /// <summary>Has the log flushed, when its topic asks for it.</summary>
    public void FlushIfDue(Log log)
    {
        if (log.FlushDue && log.Failure is null)
        {
            _flusher.Enqueue(log);
        }
    }

    /// <summary>
    /// Takes records away from a log so that no crash brings them back: what its leader sends next may lie where they lay, and the epochs
    /// that are noted for the one would vouch for the other.
    /// </summary>
    /// <returns>Fails with <see cref="LogIOException"/> when the disk refuses.</returns>
    public Task TruncateAsync(Log log, Action<Log> truncation) => _flusher.RunAsync(() =>
    {
        truncation(log);
        log.Flush();
        LogDirectories.Holding(log.TopicPartition)?.LowerRecoveryPoint(log.TopicPartition);
    });

    /// <summary>Writes the checkpoint files from which the next start goes on. Blocks for the disk.</summary>
    public void WriteCheckpoints()
    {
        foreach (var directory in LogDirectories.All.Where(directory => !LogDirectories.IsOffline(directory.FullPath)))
        {
            WriteCheckpoints(directory);
        }
    }

    /// <inheritdoc cref="WriteCheckpoints()"/>
    internal void WriteCheckpoints(LogDirectory directory)
    {
        try
        {
            directory.WriteHighWatermarks(
                Directory.All.Where(replica => directory.Logs.ContainsKey(replica.TopicPartition)).Select(replica => KeyValuePair.Create(replica.TopicPartition, replica.HighWatermark)));
            directory.WriteRecoveryPoints();
            directory.WriteLogStartOffsets();
        }
        catch (LogIOException e)
        {
            ReplicationEvents.CheckpointFailed(_logger, directory.FullPath, e);
        }
    }

    /// <summary>Closes all logs; a directory that stayed whole is marked as cleanly left. No replica actor may run any more.</summary>
    /// <param name="brokerEpoch">Of the incarnation that ends, -1 where it is not known; the next one names it when it registers.</param>
    public void Close(long brokerEpoch)
    {
        Dispose();
        WriteCheckpoints();
        foreach (var directory in LogDirectories.All)
        {
            if (LogDirectories.IsOffline(directory.FullPath))
            {
                directory.Dispose();
                continue;
            }

            try
            {
                directory.Close(brokerEpoch);
            }
            catch (LogIOException e)
            {
                // It has let go of everything, and is not marked as cleanly left.
                ReplicationEvents.CheckpointFailed(_logger, directory.FullPath, e);
            }
        }
    }

    /// <summary>Ends what goes on between this broker and others; its replicas stay as they are.</summary>
    public void StopTalking()
    {
        Fetchers.Dispose();
        Proposals.Dispose();
        Assignments.Dispose();
        Moves.Stop();
    }

    /// <summary>Ends its threads, once what is under way on the disk is done. Its logs stay open, and nothing more is written.</summary>
    public void Dispose()
    {
        StopTalking();
        Moves.Dispose();
        _flusher.Dispose();
    }

    private IReadOnlySet<string> CordonedIn(MetadataImage image) =>
        CordonedLogDirs.Of(Features.CordonsDirectories(image) ? _configs.BrokerValue(image, CordonedLogDirs.Setting)! : "", LogDirectories.Paths);

    private Log? FindLog(ReplicaId id) =>
        _metadata.Current.FindTopic(id.TopicId) is { } topic
        && new TopicPartition(topic.Name, id.Partition) is var partition
        && LogDirectories.Holding(partition) is { } directory
        && directory.Logs.TryGetValue(partition, out var log) ? log : null;

    private void SetStraysAside(LogDirectory directory)
    {
        var image = _metadata.Current;
        foreach (var (partition, log) in directory.Logs)
        {
            var topic = image.FindTopic(partition.Topic);
            var registration = topic?.Find(partition.Partition);
            var isKnown = topic is not null && registration is not null && registration.Replicas.Contains(BrokerId) && (log.TopicId is not { } id || id == topic.Id);
            if (!isKnown && directory.SetAsideAsStray(partition) is { } folder)
            {
                ReplicationEvents.StraySetAside(_logger, partition, folder);
            }
        }

        foreach (var (partition, copy) in directory.Futures)
        {
            // Only a copy: what it was made from is kept.
            if (image.FindTopic(partition.Topic) is not { } topic || topic.Find(partition.Partition)?.Replicas.Contains(BrokerId) is not true || (copy.TopicId is { } id && id != topic.Id))
            {
                directory.DeleteFuture(partition);
            }
        }
    }

    private void SettleDuplicates()
    {
        try
        {
            LogDirectories.SettleDuplicates(
                partition => _metadata.Current.FindTopic(partition.Topic)?.Find(partition.Partition)?.DirectoryOf(BrokerId) ?? DirectoryIds.Unassigned,
                (partition, folder) => ReplicationEvents.DuplicateSetAside(_logger, partition, folder));
        }
        catch (LogIOException)
        {
            // One of the two directories has just gone offline, and what lies there with it.
        }
    }

    private void NoteLostReplicas()
    {
        foreach (var topic in _metadata.Current.TopicsById.Values)
        {
            for (var index = 0; index < topic.Partitions.Length; index++)
            {
                var (partition, registration) = (new TopicPartition(topic.Name, index), topic.Partitions[index]);
                if (registration.Replicas.Contains(BrokerId) && LogDirectories.Holding(partition) is null && LiesElsewhere(registration))
                {
                    NoteLost(new ReplicaId(topic.Id, index, BrokerId), partition, registration);
                }
            }
        }
    }

    /// <summary>Whether what is not found here lies in a directory that is not here.</summary>
    private bool LiesElsewhere(PartitionRegistration registration)
    {
        var directory = registration.DirectoryOf(BrokerId);
        if (LogDirectories.OnlineIds.Contains(directory))
        {
            return false;
        }

        if (LogDirectories.Failures.Any())
        {
            return true;
        }

        // Somebody has put an empty disk in its place. The others still have what was on it; if not, this replica must not lead with nothing.
        return directory != DirectoryIds.Unassigned && registration.Replicas.Length > 1 && registration.Isr.AsSpan().SequenceEqual([BrokerId]);
    }

    private void NoteLost(ReplicaId id, TopicPartition partition, PartitionRegistration registration)
    {
        ReplicationEvents.ReplicaLost(_logger, partition);
        _lost.Add(id);
        if (BrokerOf(BrokerId)?.IsOnline(registration.DirectoryOf(BrokerId)) == true)
        {
            _ = Assignments.SubmitAsync(id, DirectoryIds.Lost);
        }
    }

    private void OnDirectoryFailed(string path, Exception error)
    {
        ReplicationEvents.DirectoryOffline(_logger, path, error);
        foreach (var replica in Directory.All.Where(replica => Path.GetDirectoryName(replica.Log.Folder) == path))
        {
            replica.Actor.Tell(new ReplicaActor.GoOffline(path), Akka.Actor.ActorRefs.NoSender);
        }

        Moves.DirectoryFailed(path);
    }
}
