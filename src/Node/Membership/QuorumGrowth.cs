using Akka.Actor;
using Akka.Event;
using Milena.Metadata.Image;
using Milena.Metadata.Log;
using Milena.Metadata.Quorum;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Node.Membership;

/// <summary>Whom the metadata quorum's leader makes a voter of his own accord: until there are three, and only if there can be three.</summary>
/// <remarks>
/// Two voters need both, so they are worse than one. A sole voter therefore waits until two others are there, and takes them one after the
/// other; only while the second one is added are there two.
/// </remarks>
internal static class QuorumGrowth
{
    public const int Voters = 3;

    /// <summary>One that has not had all of the leader's log for this long is not added: it is away, or far behind.</summary>
    private const long CaughtUpMs = 1000;

    /// <summary>Observers that have caught up, where they are enough to make three; empty at who does not lead, or has no need of more.</summary>
    public static IReadOnlyList<ReplicaKey> Observers(QuorumStatus status)
    {
        if (status.Role != QuorumRole.Leader || status.Voters.Count >= Voters)
        {
            return [];
        }

        var ready = status.Replicas.Where(one => !one.IsVoter && one.LastCaughtUpTimestampMs >= status.AtMs - CaughtUpMs).Select(one => one.Key).OrderBy(key => key.Id).ToList();
        return IsEnough(status, ready.Count) ? ready : [];
    }

    /// <param name="observers">As <see cref="Observers"/> says.</param>
    /// <param name="answers">What nodes say of themselves.</param>
    /// <returns>The next voter; null where those that would vote are not enough to make three.</returns>
    public static IAm? Next(QuorumStatus status, IReadOnlyCollection<ReplicaKey> observers, string clusterId, IEnumerable<IAm> answers)
    {
        var willing = answers.Where(one => one.WouldVote && one.ClusterId == clusterId && observers.Contains(new ReplicaKey(one.NodeId, one.DirectoryId)))
            .DistinctBy(one => one.NodeId).OrderBy(one => one.NodeId).ToList();
        return willing.Count > 0 && IsEnough(status, willing.Count) ? willing[0] : null;
    }

    private static bool IsEnough(QuorumStatus status, int others) => status.Voters.Count + others >= Voters;
}

/// <summary>Has the quorum grow while this node leads it, and remembers whether this node votes.</summary>
internal sealed class QuorumGrowthActor : ReceiveActor, IWithTimers
{
    private sealed record Look : INoSerializationVerificationNeeded
    {
        public static Look Instance { get; } = new();
    }

    private sealed record Answered(IReadOnlyList<ReplicaKey> Observers, IAm?[] Answers) : INoSerializationVerificationNeeded;

    private sealed record Added(IAm Newcomer, ErrorCode Error, string? Message) : INoSerializationVerificationNeeded;

    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan ChangeTimeout = TimeSpan.FromSeconds(10);

    private readonly ReplicatedMetadataLog _quorum;
    private readonly MetadataStore _metadata;
    private readonly string _clusterId;
    private readonly ILoggingAdapter _logger = Context.GetLogger();
    private bool _isBusy;

    public QuorumGrowthActor(ReplicatedMetadataLog quorum, MetadataStore metadata, string clusterId, OwnVote own)
    {
        (_quorum, _metadata, _clusterId) = (quorum, metadata, clusterId);
        Receive<Look>(_ =>
        {
            own.Saw(_quorum.Status);
            AskObservers();
        });
        Receive<Answered>(OnAnswered);
        Receive<Added>(OnAdded);
    }

    public ITimerScheduler? Timers { get; set; }

    public static Props Props(ReplicatedMetadataLog quorum, MetadataStore metadata, string clusterId, OwnVote own) =>
        Akka.Actor.Props.Create(() => new QuorumGrowthActor(quorum, metadata, clusterId, own));

    protected override void PreStart()
    {
        Timers!.StartPeriodicTimer(Look.Instance, Look.Instance, Interval);
        base.PreStart();
    }

    private void AskObservers()
    {
        if (!_isBusy && QuorumGrowth.Observers(_quorum.Status) is { Count: > 0 } observers)
        {
            _isBusy = true;
            AskAsync(Context.System, observers).PipeTo(Self);
        }
    }

    private async Task<Answered> AskAsync(ActorSystem system, IReadOnlyList<ReplicaKey> observers)
    {
        var brokers = _metadata.Current.Brokers;
        var addresses = observers.Select(key => brokers.TryGetValue(key.Id, out var broker) && !broker.Fenced ? NodeAddress.Of(broker) : null).OfType<Address>();
        return new Answered(observers, await Task.WhenAll(addresses.Select(address => Greeter.AskAsync(system, address))));
    }

    private void OnAnswered(Answered answered)
    {
        _isBusy = false;
        if (QuorumGrowth.Next(_quorum.Status, answered.Observers, _clusterId, answered.Answers.OfType<IAm>()) is { } newcomer)
        {
            _isBusy = true;
            AddAsync(newcomer).PipeTo(Self);
        }
    }

    private async Task<Added> AddAsync(IAm newcomer)
    {
        var request = new AddRaftVoterRequest
        {
            ClusterId = _clusterId,
            TimeoutMs = (int)ChangeTimeout.TotalMilliseconds,
            VoterId = newcomer.NodeId,
            VoterDirectoryId = newcomer.DirectoryId,
            Listeners = [new() { Name = newcomer.Quorum.Name, Host = newcomer.Quorum.Host, Port = newcomer.Quorum.Port }],
        };
        try
        {
            var response = await _quorum.AskLeaderAsync<AddRaftVoterResponse>(request, ChangeTimeout * 2);
            return new Added(newcomer, response.ErrorCode, response.ErrorMessage);
        }
        catch (Exception e) when (e is NotControllerException or TimeoutException)
        {
            return new Added(newcomer, ErrorCode.RequestTimedOut, e.Message);
        }
    }

    private void OnAdded(Added added)
    {
        _isBusy = false;
        if (added.Error == ErrorCode.None)
        {
            _logger.Info("Node {0} votes on the metadata from now on", added.Newcomer.NodeId);
            AskObservers();
        }
        else
        {
            _logger.Info("Node {0} cannot vote on the metadata yet: {1} {2}", added.Newcomer.NodeId, added.Error, added.Message);
        }
    }
}
