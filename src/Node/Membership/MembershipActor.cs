using Akka.Actor;
using Akka.Cluster;
using Akka.Event;
using Akka.Remote;
using Milena.Metadata.Controller;
using Milena.Metadata.Controller.Remote;
using Milena.Metadata.Image;
using Milena.Metadata.Quorum;
using Milena.Model;
using Milena.Node.Configuration;
using Milena.Protocol;
using Milena.Replication;

namespace Milena.Node.Membership;

/// <summary>
/// Keeps this node in the Akka cluster of the quorum's leader and tells the link where the controller is; on the leader's node, proposes to
/// shut brokers out that are away, and later downs their nodes.
/// </summary>
/// <remarks>
/// The quorum decides who leads, and the leader's Akka cluster is the one that counts: it forms it when there is none, and whoever finds himself
/// outside of it starts his actor system anew. So no seed nodes and no view of a single node decide anything.
/// </remarks>
public sealed class MembershipActor : ReceiveActor, IWithTimers
{
    /// <summary>What it needs of its node.</summary>
    /// <param name="Rejoin">Told, with a reason, when the leader's cluster does not know this node any more.</param>
    /// <param name="Fail">Told, with a reason, when it is the wrong node for those that it was told to meet.</param>
    public sealed record Surroundings(
        NodeConfiguration Configuration,
        string ClusterId,
        Func<QuorumStatus> Quorum,
        MetadataStore Metadata,
        ControllerClient Controller,
        IActorRef Link,
        ControllerContact Contact,
        TimeProvider Time,
        Action<string> Rejoin,
        Action<string> Fail);

    /// <summary>Something changed that it would else see at its next look only.</summary>
    public sealed record Look : INoSerializationVerificationNeeded
    {
        public static Look Instance { get; } = new();
    }

    private sealed record Heard(Address Address, IAm? Answer) : INoSerializationVerificationNeeded;

    /// <param name="IsGone">Nobody listens there, says its machine.</param>
    private sealed record Probed(Address Address, bool IsGone) : INoSerializationVerificationNeeded;

    private sealed record Fenced(int BrokerId) : INoSerializationVerificationNeeded;

    private static readonly TimeSpan TickInterval = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan AskInterval = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan JoinTimeout = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan RequestTimeout = TimeSpan.FromSeconds(2);

    /// <summary>Longer than an isolated leader of the quorum needs to find out: it must not down those who replace it.</summary>
    private static readonly TimeSpan DownAfter = TimeSpan.FromSeconds(4);

    private const int StrangerAnswersToRejoin = 3;

    /// <summary>Word of a leader that has just come in may take that long to go round where the machines have too much to do.</summary>
    private static readonly TimeSpan ApartBeforeRejoin = TimeSpan.FromSeconds(5);

    /// <summary>Much longer than a leader that has too much to do leaves all questions without an answer, and its followers' fetches not.</summary>
    private static readonly TimeSpan UnansweredBeforeRejoin = TimeSpan.FromSeconds(10);

    private readonly Surroundings _node;
    private readonly Cluster _cluster = Cluster.Get(Context.System);
    private readonly ILoggingAdapter _logger = Context.GetLogger();
    private readonly Dictionary<Address, IAm> _heard = [];
    private readonly HashSet<Address> _foreign = [];
    private readonly HashSet<Address> _asked = [];
    private readonly HashSet<int> _fencing = [];
    private readonly HashSet<Address> _probing = [];
    private readonly GoneBrokers _gone;
    private readonly Dictionary<Address, long> _unreachableSince = [];
    private Address? _joining;
    private long _joiningSince;
    private long _lastAsked;
    private bool _askedOnce;
    private int _strangerAnswers;
    private long? _apartSince;
    private long? _unansweredSince;

    public MembershipActor(Surroundings node)
    {
        (_node, _gone) = (node, new GoneBrokers(node.Time));
        Receive<Look>(_ => OnTick());
        Receive<Heard>(OnHeard);
        Receive<DisassociatedEvent>(lost => Probe(lost.RemoteAddress));
        Receive<Probed>(OnProbed);
        Receive<Fenced>(fenced => _fencing.Remove(fenced.BrokerId));
        Receive<ClusterEvent.IReachabilityEvent>(_ => OnTick());
        Receive<ClusterEvent.IMemberEvent>(_ => OnTick());
    }

    public ITimerScheduler? Timers { get; set; }

    public static Props Props(Surroundings node) => Akka.Actor.Props.Create(() => new MembershipActor(node));

    protected override void PreStart()
    {
        _cluster.Subscribe(Self, ClusterEvent.SubscriptionInitialStateMode.InitialStateAsEvents, typeof(ClusterEvent.IReachabilityEvent), typeof(ClusterEvent.IMemberEvent));
        Context.System.EventStream.Subscribe(Self, typeof(DisassociatedEvent));
        Timers!.StartPeriodicTimer("tick", Look.Instance, TimeSpan.Zero, TickInterval);
        base.PreStart();
    }

    protected override void PostStop()
    {
        _cluster.Unsubscribe(Self);
        Context.System.EventStream.Unsubscribe(Self);
        base.PostStop();
    }

    private int NodeId => _node.Configuration.NodeId;

    private bool IsMember => _cluster.State.Members.Any(member => member.Address == _cluster.SelfAddress);

    private void OnTick()
    {
        var status = _node.Quorum();
        _node.Contact.Saw(status.HearsLeader);
        if (status.LeaderId == NodeId)
        {
            _node.Link.Tell(new ControllerLink.ControllerAt(null));
            if (IsMember)
            {
                WatchBrokers(status);
            }
            else
            {
                Form();
            }
        }
        else
        {
            _unreachableSince.Clear();
            Follow(status.LeaderId);
        }
    }

    /// <summary>The leader of a quorum whose nodes were all started anew makes the Akka cluster, unless one of them has one already.</summary>
    private void Form()
    {
        // When all that were asked have answered, or have had their time to: who is dead needs longer for that than it takes until they are asked again.
        if (_askedOnce && _asked.Count == 0)
        {
            Join(_heard.FirstOrDefault(one => one.Value.IsMember).Key ?? _cluster.SelfAddress);
        }

        // Asked again and again: one that was a member a moment ago may have been started anew since, and then waits for this node.
        AskOthers();
    }

    private void Follow(int? leaderId)
    {
        var address = leaderId is { } id ? AddressOf(id) : null;
        _node.Link.Tell(new ControllerLink.ControllerAt(address));
        if (address is null)
        {
            AskOthers();
        }
        else if (!IsMember)
        {
            // Only one that is in a cluster can take another in; who leads makes one if there is none.
            Join(address);
        }
        else
        {
            AskWhetherKnown(address);
        }
    }

    private Address? AddressOf(int nodeId)
    {
        if (_node.Metadata.Current.Brokers.TryGetValue(nodeId, out var broker) && NodeAddress.Of(broker) is { } registered)
        {
            return registered;
        }

        return _heard.FirstOrDefault(one => one.Value.NodeId == nodeId).Key;
    }

    private void Join(Address address)
    {
        if (_joining != address || _node.Time.GetElapsedTime(_joiningSince) > JoinTimeout)
        {
            (_joining, _joiningSince) = (address, _node.Time.GetTimestamp());
            _cluster.Join(address);
        }
    }

    private void AskOthers()
    {
        if (_asked.Count > 0 || (_askedOnce && _node.Time.GetElapsedTime(_lastAsked) < AskInterval))
        {
            return;
        }

        (_askedOnce, _lastAsked) = (true, _node.Time.GetTimestamp());
        var known = _node.Configuration.Join.Select(NodeAddress.Of).Concat(_node.Metadata.Current.Brokers.Values.Select(NodeAddress.Of).OfType<Address>());
        foreach (var address in known.Where(address => address != _cluster.SelfAddress).Distinct())
        {
            Ask(address);
        }
    }

    private void AskWhetherKnown(Address leader)
    {
        if (_asked.Count == 0 && _node.Time.GetElapsedTime(_lastAsked) > AskInterval)
        {
            _lastAsked = _node.Time.GetTimestamp();
            Ask(leader);
        }
    }

    private void Ask(Address address)
    {
        _asked.Add(address);
        AskAsync(Context.System, address).PipeTo(Self);
    }

    private static async Task<Heard> AskAsync(ActorSystem system, Address address) => new(address, await Greeter.AskAsync(system, address));

    private void OnHeard(Heard heard)
    {
        _asked.Remove(heard.Address);
        if (heard.Answer is { } answer && !IsForeign(heard.Address, answer))
        {
            _heard[heard.Address] = answer;
        }
        else
        {
            _heard.Remove(heard.Address);
        }

        _strangerAnswers = IsStranger(heard) ? _strangerAnswers + 1 : 0;
        if (_strangerAnswers >= StrangerAnswersToRejoin)
        {
            _node.Rejoin("the others have gone on without this node");
        }

        if (Lasts(IsApart(heard), ref _apartSince, ApartBeforeRejoin))
        {
            _node.Rejoin("the leader of the metadata quorum is in another Akka cluster");
        }

        if (Lasts(IsUnanswered(heard), ref _unansweredSince, UnansweredBeforeRejoin))
        {
            _node.Rejoin("the leader of the metadata quorum answers nothing, and is heard by the quorum's own channel");
        }
    }

    /// <summary>Whether it was so each time for longer than that.</summary>
    private bool Lasts(bool isSo, ref long? since, TimeSpan time)
    {
        since = isSo ? since ?? _node.Time.GetTimestamp() : null;
        return since is { } began && _node.Time.GetElapsedTime(began) > time;
    }

    /// <summary>
    /// A node of another cluster is passed over, since nobody can tell which of two is the wrong one. Where most of those whom this node was to
    /// meet belong together and it does not, it is this one.
    /// </summary>
    private bool IsForeign(Address address, IAm answer)
    {
        if (answer.ClusterId.Length == 0 || answer.ClusterId == _node.ClusterId)
        {
            _foreign.Remove(address);
            return false;
        }

        if (_foreign.Add(address))
        {
            _logger.Error("Node {0} at {1} belongs to the cluster {2}, and this node to {3}. Check --join and --data", answer.NodeId, address, answer.ClusterId, _node.ClusterId);
        }

        if (_foreign.Count * 2 > _node.Configuration.Join.Count)
        {
            _node.Fail($"This node's data belongs to the cluster {_node.ClusterId}, and the nodes in --join to another one, {answer.ClusterId}. Check --join and --data.");
        }

        return true;
    }

    /// <summary>
    /// The leader does not count this node in; or it does not even answer, as one that has quarantined this actor system, while the quorum's own
    /// channel still brings the news that this broker is shut out.
    /// </summary>
    private bool IsStranger(Heard heard)
    {
        if (!IsOfLeader(heard))
        {
            return false;
        }

        var isShutOut = _node.Metadata.Current.Brokers.TryGetValue(NodeId, out var self) && self.Fenced;
        return heard.Answer is { } answer ? answer.IsMember && !answer.KnowsAsker : isShutOut;
    }

    /// <summary>
    /// The quorum hears its leader, and Akka does not: one of the two has quarantined the other's actor system. So it comes about where a node that was away for long, and that
    /// the others have downed, leads the quorum before it hears of that: it downs them in turn.
    /// </summary>
    private bool IsUnanswered(Heard heard) => heard.Answer is null && IsOfLeader(heard) && _node.Quorum().HearsLeader;

    /// <summary>
    /// The leader counts this node in, and is no member of the cluster that this node is in: who asked to be taken in, and then led the quorum himself for a moment
    /// and made a cluster of his own, is in two. What the leader's cluster asks of him he does not answer.
    /// </summary>
    private bool IsApart(Heard heard) =>
        heard.Answer is { IsMember: true, KnowsAsker: true } && IsOfLeader(heard) && !_cluster.State.Members.Any(member => member.Address == heard.Address);

    /// <summary>Whether it tells of the quorum's leader, and this node is in an Akka cluster.</summary>
    private bool IsOfLeader(Heard heard) => IsMember && _node.Quorum().LeaderId is { } id && id != NodeId && AddressOf(id) == heard.Address;

    private void WatchBrokers(QuorumStatus status)
    {
        var presence = Presence.SeenFrom(Context.System, status);
        foreach (var broker in _node.Metadata.Current.Brokers.Values)
        {
            if (broker.Id != NodeId && !broker.Fenced && (_gone.Has(broker) || presence.Misses(broker)) && _fencing.Add(broker.Id))
            {
                FenceAsync(broker).PipeTo(Self);
            }
        }

        DownThoseAway(presence.Unreachable);
    }

    /// <summary>A node that was killed breaks its connections at once; whether its process is gone, its machine says.</summary>
    private void Probe(Address address)
    {
        if (BrokersAt(address).Any() && _probing.Add(address))
        {
            GoneBrokers.IsRefusedAsync(address, _node.Time).PipeTo(Self, success: isRefused => new Probed(address, isRefused));
        }
    }

    private void OnProbed(Probed probed)
    {
        _probing.Remove(probed.Address);
        if (probed.IsGone)
        {
            foreach (var broker in BrokersAt(probed.Address))
            {
                _gone.Add(broker);
            }

            OnTick();
        }
    }

    private IEnumerable<BrokerRegistration> BrokersAt(Address address) =>
        _node.Metadata.Current.Brokers.Values.Where(broker => broker.Id != NodeId && NodeAddress.Of(broker) == address);

    private async Task<Fenced> FenceAsync(BrokerRegistration broker)
    {
        try
        {
            var beat = new BrokerHeartbeatRequest { BrokerId = broker.Id, BrokerEpoch = broker.Epoch, WantFence = true };
            var response = await _node.Controller.AskAsync<BrokerHeartbeatResponse>(beat, RequestTimeout);
            if (response.ErrorCode == ErrorCode.None)
            {
                _logger.Warning("Broker {0} is away: it leads nothing until it is back", broker.Id);
            }
        }
        catch (Exception e) when (ControllerClient.IsNoAnswer(e))
        {
            // Whoever leads now looks for himself; if it is still this node, it tries again at its next look.
            _logger.Info("Broker {0} is away and could not be shut out yet: {1}", broker.Id, e.Message);
        }

        return new Fenced(broker.Id);
    }

    /// <summary>A member that is only unreachable keeps others from joining, so it goes; when it is back it starts its actor system anew.</summary>
    private void DownThoseAway(IReadOnlySet<Address> unreachable)
    {
        foreach (var back in _unreachableSince.Keys.Where(address => !unreachable.Contains(address)).ToList())
        {
            _unreachableSince.Remove(back);
        }

        foreach (var address in unreachable)
        {
            if (_unreachableSince.TryAdd(address, _node.Time.GetTimestamp()))
            {
                continue;
            }

            if (_node.Time.GetElapsedTime(_unreachableSince[address]) > DownAfter)
            {
                _unreachableSince.Remove(address);
                _logger.Warning("The node at {0} has been away for {1}: the cluster goes on without it", address, DownAfter);
                _cluster.Down(address);
            }
        }
    }
}
