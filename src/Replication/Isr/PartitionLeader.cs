using System.Collections.Immutable;
using Milena.Metadata.Image;
using Milena.Model;

namespace Milena.Replication;

/// <summary>
/// The leader's arithmetic for one partition: how far each follower is, the high watermark that follows, and which in-sync replicas to
/// ask the controller for. No I/O.
/// </summary>
/// <remarks>
/// A proposed set counts for the high watermark at once, beside the committed one, because either may be in force: the larger set is the
/// safe one. Only the committed one counts towards <c>min.insync.replicas</c>.
/// </remarks>
public sealed class PartitionLeader
{
    /// <summary>A refused proposal is not made again with the next fetch, a millisecond later.</summary>
    private const long PauseAfterRefusalMs = 200;

    /// <summary>No partition epoch.</summary>
    internal const int NothingForgotten = -1;

    private readonly int _self;
    private readonly long _maxLagMs;
    private readonly long _epochStartOffset;
    private readonly FollowerBrokers _brokers;
    private readonly Dictionary<int, FollowerProgress> _followers = [];
    private ImmutableArray<int> _isr;
    private PartitionRegistration _registration;
    private IsrProposal? _proposal;
    private long _logEndOffset;
    private long _nowMs;
    private long _noProposalBeforeMs = long.MinValue;
    private int _minInSyncReplicas = 1;
    private readonly int _forgottenUpTo;

    /// <param name="logEndOffset">The leader's own log end offset when it took over: its epoch starts there.</param>
    /// <param name="highWatermark">The high watermark it knew then: what is below it was committed under an earlier leader.</param>
    /// <param name="maxLagMs"><c>replica.lag.time.max.ms</c>.</param>
    /// <param name="forgottenUpTo">
    /// Where it led in this epoch before and has forgotten what it asked the controller for, which may still be granted: the latest partition epoch
    /// that this may rest on.
    /// </param>
    public PartitionLeader(
        int self,
        PartitionRegistration registration,
        int minInSyncReplicas,
        long logEndOffset,
        long highWatermark,
        long nowMs,
        long maxLagMs,
        FollowerBrokers brokers,
        int forgottenUpTo = NothingForgotten)
    {
        _forgottenUpTo = forgottenUpTo;
        (_self, _maxLagMs, _brokers, _nowMs, _minInSyncReplicas) = (self, maxLagMs, brokers, nowMs, minInSyncReplicas);
        (_logEndOffset, _epochStartOffset, HighWatermark) = (logEndOffset, logEndOffset, highWatermark);
        (LeaderEpoch, PartitionEpoch, _isr, _registration) = (registration.LeaderEpoch, registration.PartitionEpoch, registration.Isr, registration);
        UpdateFollowers(registration);
        Advance();
    }

    /// <summary>Everything below it is on every in-sync replica. Never moves back.</summary>
    public long HighWatermark { get; private set; }

    /// <summary>What is below it is on every in-sync replica, however few they are: beyond the high watermark only while they are too few.</summary>
    public long HeldByIsr { get; private set; }

    public int LeaderEpoch { get; }

    public int PartitionEpoch { get; private set; }

    /// <summary>The latest partition epoch on which a proposal of this leader, or of the one that it goes on for, may rest.</summary>
    public int ProposedUpTo => Math.Max(PartitionEpoch, _forgottenUpTo);

    /// <summary>The committed in-sync replicas.</summary>
    public ImmutableArray<int> Isr => _isr;

    /// <summary>The one proposal that is under way.</summary>
    public IsrProposal? Proposal => _proposal;

    /// <summary>Made anew when the replicas change, and never changed: others may read on while this goes on.</summary>
    internal KeyValuePair<int, FollowerProgress>[] Followers { get; private set; } = [];

    public bool HasFollowers => _followers.Count > 0;

    /// <summary>Whether fewer replicas are in sync than <c>min.insync.replicas</c> asks for, or than there are where it asks for more.</summary>
    public bool IsUnderMinIsr => _isr.Length < EnoughInSync;

    private int EnoughInSync => Math.Min(_minInSyncReplicas, _followers.Count + 1);

    /// <returns>The high watermark that follows.</returns>
    public long Appended(long logEndOffset)
    {
        _logEndOffset = logEndOffset;
        return Advance();
    }

    /// <summary>A fetch from offset N says "I hold everything below N, as you do".</summary>
    /// <returns>The high watermark that follows.</returns>
    public long Fetched(int follower, long brokerEpoch, long fetchOffset, long nowMs)
    {
        _nowMs = nowMs;
        if (_followers.TryGetValue(follower, out var progress))
        {
            progress.Fetched(brokerEpoch, fetchOffset, _logEndOffset, nowMs);
            Advance();
        }

        return HighWatermark;
    }

    /// <summary>Time has passed, or a broker has come or gone.</summary>
    /// <returns>The high watermark that follows.</returns>
    public long Passed(long nowMs)
    {
        _nowMs = nowMs;
        return Advance();
    }

    /// <summary>Takes up a later committed state of the same leader epoch; what is known of the followers stays.</summary>
    /// <returns>False when it is no later than what is known, so that only the settings were taken up.</returns>
    public bool Adopt(PartitionRegistration registration, int minInSyncReplicas)
    {
        if (registration.PartitionEpoch >= PartitionEpoch)
        {
            // What was asked for before the in-sync replicas changed may be less than what they were changed by.
            _minInSyncReplicas = minInSyncReplicas;
        }

        var isLater = registration.PartitionEpoch > PartitionEpoch;
        if (isLater)
        {
            // Whatever was proposed rested on an earlier state: it is either what was committed here, or will be refused.
            (_isr, PartitionEpoch, _registration, _proposal) = (registration.Isr, registration.PartitionEpoch, registration, null);
            UpdateFollowers(registration);
        }

        Advance();
        return isLater;
    }

    /// <summary>
    /// The settings ask for so many, as of some metadata later than what is known here. That may speak of another leader, so that fewer than
    /// before count only when all of it is adopted.
    /// </summary>
    public void AskForAtLeast(int minInSyncReplicas) => _minInSyncReplicas = Math.Max(_minInSyncReplicas, minInSyncReplicas);

    /// <summary>The in-sync replicas as they should be, where that differs from the committed ones and no proposal is under way.</summary>
    public IsrProposal? Propose(long nowMs)
    {
        _nowMs = nowMs;
        if (_proposal is not null || nowMs < _noProposalBeforeMs || _followers.Count == 0)
        {
            return null;
        }

        var isr = InSyncNow(nowMs);
        if (isr.Count == _isr.Length && isr.All(_isr.Contains))
        {
            return null;
        }

        _proposal = new IsrProposal(LeaderEpoch, PartitionEpoch, [.. isr.Select(Member)]);
        Advance();
        return _proposal;
    }

    private List<int> InSyncNow(long nowMs)
    {
        var isr = new List<int>(_isr.Length + 1);
        foreach (var replica in _isr)
        {
            if (!_followers.TryGetValue(replica, out var progress) || progress.IsCaughtUp(_logEndOffset, nowMs, _maxLagMs))
            {
                isr.Add(replica);
            }
        }

        foreach (var (replica, progress) in _followers)
        {
            if (!_isr.Contains(replica) && MayJoin(replica, progress))
            {
                isr.Add(replica);
            }
        }

        // Without those that are not heard of at all it goes on sooner, where it can go on without them.
        var heard = isr.FindAll(replica => !_brokers.IsSilent(replica));
        return heard.Count >= EnoughInSync ? heard : isr;
    }

    /// <summary>The controller has answered a proposal.</summary>
    /// <returns>The high watermark that follows.</returns>
    public long Answered(IsrProposal proposal, IsrAnswer answer, long nowMs)
    {
        _nowMs = nowMs;
        if (!ReferenceEquals(proposal, _proposal))
        {
            return HighWatermark;
        }

        switch (answer.Error)
        {
            case ErrorCode.None when answer.LeaderEpoch == LeaderEpoch && answer.PartitionEpoch >= PartitionEpoch:
                (_isr, PartitionEpoch, _proposal) = (answer.Isr, answer.PartitionEpoch, null);
                break;
            case ErrorCode.OperationNotAttempted or ErrorCode.IneligibleReplica:
                _proposal = null;
                _noProposalBeforeMs = nowMs + PauseAfterRefusalMs;
                break;
            default:
                // The partition has changed, or somebody else leads it: the committed metadata will say so, and until then the proposal
                // stays in force, since nobody here can say that it was not committed.
                break;
        }

        return Advance();
    }

    // A returning follower must hold all that is committed, and have seen the epoch's beginning: before it has, its fetch offset may lie in
    // a stretch that this leader does not share.
    private bool MayJoin(int replica, FollowerProgress progress) =>
        progress.LogEndOffset >= HighWatermark && progress.LogEndOffset >= _epochStartOffset && IsEligible(replica, progress);

    /// <summary>
    /// What an earlier incarnation held says nothing of the one that is registered now, which may still be starting; nor what lay in a log directory
    /// that is offline.
    /// </summary>
    private bool IsEligible(int replica, FollowerProgress progress) =>
        _brokers.Registration(replica) is { Fenced: false, InControlledShutdown: false } broker
        && broker.Epoch == progress.BrokerEpoch
        && broker.IsOnline(_registration.DirectoryOf(replica));

    private IsrMember Member(int replica) =>
        new(replica, _followers.TryGetValue(replica, out var progress) ? progress.BrokerEpoch : _brokers.Registration(replica)?.Epoch ?? FollowerProgress.Unknown);

    private void UpdateFollowers(PartitionRegistration registration)
    {
        foreach (var gone in _followers.Keys.Where(replica => !registration.Replicas.Contains(replica)).ToList())
        {
            _followers.Remove(gone);
        }

        foreach (var replica in registration.Replicas)
        {
            if (replica != _self && !_followers.ContainsKey(replica))
            {
                // Members of the ISR get the whole lag time to show themselves to a new leader.
                _followers.Add(replica, new FollowerProgress { LastCaughtUpMs = _isr.Contains(replica) ? _nowMs : long.MinValue / 2 });
            }
        }

        Followers = [.. _followers];
    }

    // What every in-sync replica holds is committed, unless they are fewer than the topic asks for: then nothing new is, so that whatever
    // consumers have seen is on enough replicas to survive (KIP-966). It never moves back: consumers may already have read up to it.
    private long Advance()
    {
        var smallest = _logEndOffset;
        foreach (var (replica, progress) in _followers)
        {
            if (progress.LogEndOffset < smallest && HoldsBack(replica, progress))
            {
                smallest = progress.LogEndOffset;
            }
        }

        HeldByIsr = smallest;
        return HighWatermark = IsUnderMinIsr ? HighWatermark : Math.Max(HighWatermark, smallest);
    }

    // One that has caught up and may join is waited for: beside a busy leader without other replicas it would for ever be the few records
    // behind that came while its fetch was on the way. And a leader that does not know what it proposed may have proposed anybody.
    private bool HoldsBack(int replica, FollowerProgress progress) =>
        PartitionEpoch <= _forgottenUpTo
        || _isr.Contains(replica)
        || (_proposal is { } proposal && proposal.Isr.Any(member => member.BrokerId == replica))
        || (progress.LogEndOffset >= 0 && progress.IsCaughtUp(_logEndOffset, _nowMs, _maxLagMs) && !_brokers.IsSilent(replica) && IsEligible(replica, progress));
}
