using Akka.Actor;
using Akka.Event;
using Milena.Metadata.Image;
using Milena.Metadata.Settings;

namespace Milena.Replication;

/// <summary>Tells this broker's replicas, from the committed metadata, who they are; retires those of deleted topics; keeps the housekeeping timers.</summary>
public sealed class ReplicaManager : ReceiveActor, IWithTimers
{
    /// <summary>The committed metadata changed.</summary>
    public sealed record Changed(ImageChange Change) : INoSerializationVerificationNeeded;

    private sealed record CheckpointDue : INoSerializationVerificationNeeded;

    private sealed record RetentionDue : INoSerializationVerificationNeeded;

    private sealed record Retired(ReplicaId Id) : INoSerializationVerificationNeeded;

    private readonly ReplicaHost _host;
    private readonly IActorRef _region;
    private readonly ILoggingAdapter _logger = Context.GetLogger();

    public ReplicaManager(ReplicaHost host, IActorRef region, StaticSettings settings)
    {
        (_host, _region) = (host, region);
        Receive<Changed>(changed => OnChanged(changed.Change));
        Receive<Retired>(retired => OnRetired(retired.Id));
        Receive<CheckpointDue>(_ => _host.CheckpointHighWatermarks());
        Receive<RetentionDue>(_ => OnRetentionDue());
        Timers!.StartPeriodicTimer("checkpoint", new CheckpointDue(), settings.GetMs("replica.high.watermark.checkpoint.interval.ms"));
        Timers.StartPeriodicTimer("retention", new RetentionDue(), settings.GetMs("log.retention.check.interval.ms"));
    }

    public ITimerScheduler? Timers { get; set; }

    public static Props Props(ReplicaHost host, IActorRef region, StaticSettings settings) =>
        Akka.Actor.Props.Create(() => new ReplicaManager(host, region, settings));

    private void OnChanged(ImageChange change)
    {
        foreach (var topic in change.DeletedTopics)
        {
            Retire(topic);
        }

        var configured = change.ChangedConfigs.Any(resource => resource.Type == ConfigResourceType.Broker)
            ? change.Image.TopicsById.Keys
            : change.ChangedConfigs.Where(resource => resource.Type == ConfigResourceType.Topic)
                .Select(resource => change.Image.FindTopic(resource.Name)).OfType<TopicImage>().Select(topic => topic.Id);
        foreach (var id in change.ChangedTopics.Union(configured))
        {
            if (change.Image.FindTopic(id) is { } topic)
            {
                Assign(topic);
            }
        }
    }

    private void Assign(TopicImage topic)
    {
        var settings = _host.SettingsOf(topic.Name);
        var minInSync = _host.MinInSyncReplicasOf(topic.Name);
        for (var index = 0; index < topic.Partitions.Length; index++)
        {
            var partition = topic.Partitions[index];
            if (partition.Replicas.Contains(_host.BrokerId))
            {
                var id = new ReplicaId(topic.Id, index, _host.BrokerId);
                _region.Tell(new ReplicaSharding.Envelope(id, new ReplicaActor.Assign(partition, settings, minInSync)));
            }
        }
    }

    private void Retire(TopicImage topic)
    {
        for (var index = 0; index < topic.Partitions.Length; index++)
        {
            if (topic.Partitions[index].Replicas.Contains(_host.BrokerId)
                && _host.Directory.Find(new Model.TopicPartition(topic.Name, index), topic.Id) is { } replica)
            {
                var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                replica.Actor.Tell(new ReplicaActor.Retire(done), ActorRefs.NoSender);
                done.Task.PipeTo(Self, success: () => new Retired(replica.Id));
            }
        }
    }

    private void OnRetired(ReplicaId id)
    {
        try
        {
            _host.DeleteLog(id);
        }
        catch (IOException e)
        {
            _logger.Error(e, "The folder of the deleted replica {0} cannot be removed", id);
        }
    }

    private void OnRetentionDue()
    {
        foreach (var replica in _host.Directory.All)
        {
            replica.Actor.Tell(ReplicaActor.ApplyRetention.Instance, ActorRefs.NoSender);
        }
    }
}
