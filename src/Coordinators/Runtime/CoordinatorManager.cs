using Akka.Actor;
using Milena.Metadata.Image;
using Milena.Model;
using Milena.Replication;

namespace Milena.Coordinators.Runtime;

/// <summary>Keeps one coordinator for each partition of an internal topic that this broker leads, for as long as it leads it.</summary>
public sealed class CoordinatorManager : ReceiveActor
{
    private sealed record LeadershipMoved(Replica Replica) : INoSerializationVerificationNeeded;

    /// <summary>Topics are gone from the committed metadata.</summary>
    /// <param name="Change">What that does to each coordinator.</param>
    public sealed record TopicsDeleted(Action<ICoordinator, DateTimeOffset, CoordinatorEffects> Change) : INoSerializationVerificationNeeded;

    private readonly CoordinatorActor.Kind _kind;
    private readonly ReplicaDirectory _replicas;
    private readonly CoordinatorDirectory _directory;
    private readonly Dictionary<TopicPartition, (IActorRef Actor, Replica Replica, int Epoch)> _running = [];

    /// <summary>Replicas that are to get a coordinator when the former one of their partition has stopped: two must never write at once.</summary>
    private readonly Dictionary<TopicPartition, Replica> _successors = [];
    private readonly Action<Replica> _onLeadershipChanged;

    public CoordinatorManager(CoordinatorActor.Kind kind, ReplicaDirectory replicas, CoordinatorDirectory directory)
    {
        (_kind, _replicas, _directory) = (kind, replicas, directory);
        var self = Self;
        _onLeadershipChanged = replica =>
        {
            if (replica.TopicPartition.Topic == kind.Topic)
            {
                self.Tell(new LeadershipMoved(replica), ActorRefs.NoSender);
            }
        };
        Receive<LeadershipMoved>(moved => OnMoved(moved.Replica));
        Receive<Terminated>(OnTerminated);
        Receive<TopicsDeleted>(OnTopicsDeleted);
    }

    public static Props Props(CoordinatorActor.Kind kind, ReplicaDirectory replicas, CoordinatorDirectory directory) =>
        Akka.Actor.Props.Create(() => new CoordinatorManager(kind, replicas, directory));

    protected override void PreStart()
    {
        _replicas.LeadershipChanged += _onLeadershipChanged;
        foreach (var replica in _replicas.All)
        {
            _onLeadershipChanged(replica);
        }
    }

    protected override void PostStop() => _replicas.LeadershipChanged -= _onLeadershipChanged;

    private void OnMoved(Replica replica)
    {
        var partition = replica.TopicPartition;
        var leadership = replica.Leadership;
        if (_running.TryGetValue(partition, out var running))
        {
            if (leadership.IsLeader && ReferenceEquals(running.Replica, replica) && running.Epoch == leadership.Epoch)
            {
                return;
            }

            // News of a replica that was replaced meanwhile says nothing about its successor.
            if (!leadership.IsLeader && !ReferenceEquals(running.Replica, replica))
            {
                return;
            }

            _successors.Remove(partition);
            if (leadership.IsLeader)
            {
                _successors.Add(partition, replica);
            }

            Context.Stop(running.Actor);
        }
        else if (leadership.IsLeader)
        {
            Start(replica, leadership.Epoch);
        }
    }

    private void Start(Replica replica, int epoch)
    {
        var actor = Context.ActorOf(CoordinatorActor.Props(_kind, replica, epoch, _directory));
        Context.Watch(actor);
        _running.Add(replica.TopicPartition, (actor, replica, epoch));
    }

    private void OnTerminated(Terminated terminated)
    {
        var ended = _running.FirstOrDefault(one => one.Value.Actor.Equals(terminated.ActorRef)).Key;
        if (ended.Topic is null)
        {
            return;
        }

        _running.Remove(ended);
        if (_successors.Remove(ended, out var successor) && successor.Leadership is { IsLeader: true } leadership)
        {
            Start(successor, leadership.Epoch);
        }
    }

    private void OnTopicsDeleted(TopicsDeleted deleted)
    {
        foreach (var (actor, _, _) in _running.Values)
        {
            actor.Tell(new CoordinatorActor.Apply(deleted.Change));
        }
    }
}
