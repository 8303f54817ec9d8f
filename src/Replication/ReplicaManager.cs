using Akka.Actor;
using Akka.Event;
using Milena.Metadata.Image;
using Milena.Metadata.Settings;
using Milena.Model;
using Milena.Storage;

namespace Milena.Replication;

/// <summary>
/// Tells this broker's replicas, from the committed metadata, who they are; retires those of deleted topics and those that were assigned
/// elsewhere; keeps the housekeeping timers.
/// </summary>
public sealed class ReplicaManager : ReceiveActor, IWithTimers
{
    /// <summary>The committed metadata changed.</summary>
    public sealed record Changed(ImageChange Change) : INoSerializationVerificationNeeded;

    private sealed record CheckpointDue : INoSerializationVerificationNeeded;

    private sealed record RetentionDue : INoSerializationVerificationNeeded;

    private sealed record Deleted(TopicPartition Partition) : INoSerializationVerificationNeeded;

    private sealed record IsrCheckDue : INoSerializationVerificationNeeded;

    private sealed record SilenceCheckDue : INoSerializationVerificationNeeded;

    private sealed record FlushTick : INoSerializationVerificationNeeded;

    /// <summary>A replica has a role, for the first time perhaps, or none any more.</summary>
    private sealed record RoleChanged(ReplicaId Id, bool HasRole) : INoSerializationVerificationNeeded;

    /// <summary>So many replicas begin at once.</summary>
    private const int MostBeginning = 32;

    private static readonly TimeSpan FlushInterval = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan SilenceInterval = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan BeginningPatience = TimeSpan.FromSeconds(10);

    /// <summary>Partitions that are no longer here and whose folders still go, with what their successors of the same name are to be told then.</summary>
    private readonly Dictionary<TopicPartition, ReplicaSharding.Envelope?> _retiring = [];
    private readonly ReplicaHost _host;
    private readonly IActorRef _region;
    private readonly IActorRef _self = Context.Self;
    private readonly ReplicaBeginnings _beginnings;
    private readonly ToldTopics _told = new();
    private readonly ILoggingAdapter _logger = Context.GetLogger();
    private bool _throttlesKnown;
    private bool _someHaveNoRole;

    public ReplicaManager(ReplicaHost host, IActorRef region, StaticSettings settings)
    {
        (_host, _region) = (host, region);
        _beginnings = new ReplicaBeginnings(MostBeginning, BeginningPatience, host.Time);
        host.Directory.LeadershipChanged += TellRole;
        Context.ActorOf(DeadLetterAnswers.Props(), "dead-letter-answers");
        Receive<RoleChanged>(OnRoleChanged);
        Receive<Changed>(changed => OnChanged(changed.Change));
        ReceiveAsync<CheckpointDue>(_ => Task.Run(_host.WriteCheckpoints));
        Receive<Deleted>(deleted => OnDeleted(deleted.Partition));
        Receive<FlushTick>(_ => OnFlushTick());
        Receive<SilenceCheckDue>(_ => OnSilenceCheckDue());
        Receive<RetentionDue>(_ => OnRetentionDue());
        Receive<IsrCheckDue>(_ => OnIsrCheckDue());
        Timers!.StartPeriodicTimer("checkpoint", new CheckpointDue(), settings.GetMs("replica.high.watermark.checkpoint.interval.ms"));
        Timers.StartPeriodicTimer("flush", new FlushTick(), FlushInterval);
        // Twice within the lag that a follower may have, so that none is out of sync for much longer.
        Timers.StartPeriodicTimer("isr", new IsrCheckDue(), host.Settings.MaxLag / 2);
        Timers.StartPeriodicTimer("silence", new SilenceCheckDue(), SilenceInterval);
        Timers.StartPeriodicTimer("retention", new RetentionDue(), settings.GetMs("log.retention.check.interval.ms"));
    }

    public ITimerScheduler? Timers { get; set; }

    public static Props Props(ReplicaHost host, IActorRef region, StaticSettings settings) =>
        Akka.Actor.Props.Create(() => new ReplicaManager(host, region, settings));

    protected override void PostStop()
    {
        _host.Directory.LeadershipChanged -= TellRole;
        base.PostStop();
    }

    private void TellRole(Replica replica) => _self.Tell(new RoleChanged(replica.Id, replica.Leadership != Leadership.None), ActorRefs.NoSender);

    private void OnRoleChanged(RoleChanged changed)
    {
        _beginnings.Begun(changed.Id);
        // Not at once: an actor that ends with each message would do nothing else.
        _someHaveNoRole |= !changed.HasRole;
        BeginNext();
    }

    private void BeginNext()
    {
        foreach (var next in _beginnings.Next())
        {
            _region.Tell(next);
        }
    }

    private void OnChanged(ImageChange change)
    {
        if (!_throttlesKnown || change.ChangedConfigs.Count + change.DeletedTopics.Count > 0)
        {
            _throttlesKnown = true;
            _host.FollowThrottles(change.Image);
        }

        foreach (var topic in change.DeletedTopics)
        {
            _told.Forget(topic.Id);
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
                Assign(change.Image, topic);
            }
        }
    }

    private void Assign(MetadataImage image, TopicImage topic)
    {
        var told = new ToldTopic(topic, _host.SettingsOf(topic.Name), _host.MinInSyncReplicasOf(image, topic.Name));
        foreach (var index in _told.Tell(told))
        {
            if (topic.Partitions[index].Replicas.Contains(_host.BrokerId))
            {
                Assign(told, index);
            }
            else
            {
                Retire(topic, index);
            }
        }
    }

    private void Assign(ToldTopic told, int index)
    {
        var id = new ReplicaId(told.Topic.Id, index, _host.BrokerId);
        if (!_host.IsLost(id))
        {
            var assign = new ReplicaActor.Assign(told.Topic.Partitions[index], told.Settings, told.MinInSyncReplicas);
            Send(new TopicPartition(told.Topic.Name, index), new ReplicaSharding.Envelope(id, assign));
        }
    }

    /// <summary>
    /// A replica whose actor has ended before its time, or could not begin, has no role until it is told again; one that began when it was
    /// assigned elsewhere already stays until then.
    /// </summary>
    private void Remind()
    {
        _someHaveNoRole = false;
        foreach (var told in _told.All)
        {
            for (var index = 0; index < told.Topic.Partitions.Length; index++)
            {
                if (!told.Topic.Partitions[index].Replicas.Contains(_host.BrokerId))
                {
                    Retire(told.Topic, index);
                }
                else if (_host.Directory.Find(new TopicPartition(told.Topic.Name, index), told.Topic.Id) is null)
                {
                    Assign(told, index);
                }
            }
        }
    }

    /// <summary>A topic made again under the name of one that was just deleted waits until the folder is free.</summary>
    private void Send(TopicPartition partition, ReplicaSharding.Envelope envelope)
    {
        if (_retiring.ContainsKey(partition))
        {
            _retiring[partition] = envelope;
        }
        else if (_host.Directory.Find(partition, envelope.Id.TopicId) is not null || _beginnings.MayBegin(envelope))
        {
            _region.Tell(envelope);
        }
    }

    private void OnDeleted(TopicPartition partition)
    {
        if (_retiring.Remove(partition, out var successor) && successor is not null)
        {
            Send(partition, successor);
        }
    }

    private void Retire(TopicImage topic)
    {
        for (var index = 0; index < topic.Partitions.Length; index++)
        {
            Retire(topic, index);
        }
    }

    private void Retire(TopicImage topic, int index)
    {
        var partition = new TopicPartition(topic.Name, index);
        _beginnings.Withdraw(new ReplicaId(topic.Id, index, _host.BrokerId));
        if (_host.Directory.Find(partition, topic.Id) is not { } replica)
        {
            return;
        }

        if (_retiring.ContainsKey(partition))
        {
            // It is on its way out already, and is not to come back.
            _retiring[partition] = null;
            return;
        }

        _retiring[partition] = null;
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        replica.Actor.Tell(new ReplicaActor.Retire(done), ActorRefs.NoSender);
        DeleteWhenRetiredAsync(partition, done.Task).PipeTo(Self);
    }

    /// <summary>Off the mailbox: a large topic's files take their time to go.</summary>
    private async Task<Deleted> DeleteWhenRetiredAsync(TopicPartition partition, Task retired)
    {
        await retired.ConfigureAwait(false);
        try
        {
            await _host.Moves.CancelAsync(partition).ConfigureAwait(false);
            _host.DeleteLog(partition);
        }
        catch (LogIOException e)
        {
            _logger.Error(e, "The folder of the retired replica {0} cannot be removed", partition);
        }

        return new Deleted(partition);
    }

    private void OnFlushTick()
    {
        BeginNext();
        foreach (var replica in _host.Directory.All)
        {
            _host.FlushIfDue(replica.Log);
        }
    }

    private void OnIsrCheckDue()
    {
        Remind();
        foreach (var replica in _host.Directory.All)
        {
            if (replica.Leadership.IsLeader)
            {
                replica.Actor.Tell(ReplicaActor.CheckIsr.Instance, ActorRefs.NoSender);
            }
        }
    }

    private void OnSilenceCheckDue()
    {
        if (_someHaveNoRole)
        {
            Remind();
        }

        var isLost = _host.Contact.IsLost;
        if (!_host.Followers.AnySilent(id => _host.BrokerOf(id) is { Fenced: false }) && !isLost)
        {
            return;
        }

        foreach (var replica in _host.Directory.All)
        {
            if (!replica.Leadership.IsLeader)
            {
                continue;
            }

            if (isLost || (_host.RegistrationOf(replica.Id) is { } partition && partition.Isr.Any(_host.Followers.IsSilent)))
            {
                replica.Actor.Tell(ReplicaActor.CheckIsr.Instance, ActorRefs.NoSender);
            }
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
