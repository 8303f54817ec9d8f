using Akka.Actor;
using Akka.Event;
using Milena.Metadata.Image;
using Milena.Model;

namespace Milena.Replication;

public sealed partial class ReplicaActor
{
    /// <summary>A follower's fetch, found not to part from this log, said that it holds everything below an offset.</summary>
    /// <param name="BrokerEpoch">The follower's incarnation.</param>
    /// <param name="LeaderEpoch">The epoch in which the fetch was looked at; it says nothing about a later one.</param>
    public sealed record FollowerFetched(int Follower, long BrokerEpoch, int LeaderEpoch, long FetchOffset) : INoSerializationVerificationNeeded;

    /// <summary>Look whether a follower has fallen behind for too long.</summary>
    public sealed record CheckIsr : INoSerializationVerificationNeeded
    {
        public static CheckIsr Instance { get; } = new();
    }

    /// <summary>The controller's answer to a proposal of this leader.</summary>
    public sealed record IsrAnswered(IsrProposal Proposal, IsrAnswer Answer) : INoSerializationVerificationNeeded;

    /// <summary>An append may have waited for as long as its sender does.</summary>
    private sealed record PendingDue : INoSerializationVerificationNeeded
    {
        public static PendingDue Instance { get; } = new();
    }

    /// <summary>How late an append is told that its time is up, when one with more time came before it.</summary>
    private const long MaxPendingCheckMs = 1000;

    /// <summary>How long after a refused batch those may still come that its producer had sent behind it.</summary>
    private const long SentBehindMs = 5000;

    private bool _watchesPending;
    private long _lacksNothingFromMs = long.MinValue;

    private void Lead(PartitionRegistration registration)
    {
        StopLeadingAndFollowing();
        var log = _replica.Log;
        _leader = new PartitionLeader(
            _id.BrokerId, registration, _minInSyncReplicas, log.LogEndOffset, _replica.HighWatermark, _host.NowMs, (long)_host.Settings.MaxLag.TotalMilliseconds, _host.FollowerBrokers,
            _interrupted?.LeaderEpoch == registration.LeaderEpoch ? _interrupted.ProposedUpTo : PartitionLeader.NothingForgotten);
        foreach (var follower in registration.Isr.Where(id => id != _id.BrokerId))
        {
            _host.Followers.Expect(follower);
        }

        _replica.LedWith(_leader.Followers);
        MoveHighWatermark();
        if (log.ProducerCount > 0)
        {
            MayLackFromNowOn();
        }

        _replica.Leadership = new Leadership(_id.BrokerId, registration.LeaderEpoch, IsLeader: true, IsOffline: false);
        _host.Directory.Add(_replica);
    }

    private void AdoptWhileLeading(PartitionRegistration registration)
    {
        if (_leader!.Adopt(registration, _minInSyncReplicas))
        {
            _host.Proposals.Withdraw(_id);
            _replica.LedWith(_leader.Followers);
        }

        MoveHighWatermark();
    }

    private void OnFollowerFetched(FollowerFetched fetched)
    {
        if (_leader is null || fetched.LeaderEpoch != _leader.LeaderEpoch)
        {
            return;
        }

        _leader.Fetched(fetched.Follower, fetched.BrokerEpoch, fetched.FetchOffset, _host.NowMs);
        MoveHighWatermark();
        if (!_leader.Isr.Contains(fetched.Follower))
        {
            ProposeIsr();
        }
    }

    private void OnCheckIsr()
    {
        if (_leader is null)
        {
            return;
        }

        _leader.Passed(_host.NowMs);
        ProposeIsr();
        MoveHighWatermark();
        if (_host.Contact.IsLost)
        {
            _pending.FailAll(ErrorCode.NotLeaderOrFollower);
        }
    }

    private void ProposeIsr()
    {
        if (_leader!.Propose(_host.NowMs) is { } proposal)
        {
            _logger.Info("{0} in epoch {1}: asks for the in-sync replicas {2} instead of {3}",
                _replica.TopicPartition, proposal.LeaderEpoch, string.Join(", ", proposal.Isr.Select(member => member.BrokerId)), string.Join(", ", _leader.Isr));
            _host.Proposals.Submit(_id, proposal, Self);
        }
    }

    private void OnIsrAnswered(IsrAnswered answered)
    {
        if (_leader is null)
        {
            return;
        }

        // What the controller went by when it decided is in the metadata by now, though perhaps not told here yet.
        _leader.AskForAtLeast(_host.MinInSyncReplicasOf(_replica.TopicPartition.Topic));
        _leader.Answered(answered.Proposal, answered.Answer, _host.NowMs);
        if (answered.Answer.Error != ErrorCode.None)
        {
            _logger.Info("{0} in epoch {1}: the controller answers {2} to its proposal", _replica.TopicPartition, _leader.LeaderEpoch, answered.Answer.Error);
        }

        MoveHighWatermark();
    }

    private void MoveHighWatermark()
    {
        var highWatermark = _leader!.HighWatermark;
        if (highWatermark > _replica.HighWatermark)
        {
            _replica.Log.OnHighWatermark(highWatermark);
            _replica.HighWatermark = highWatermark;
            _replica.Waiters.Wake();
        }

        _pending.AnswerUpTo(highWatermark);
        if (_leader.HeldByIsr > highWatermark)
        {
            // On all in-sync replicas, which are fewer than the topic asks for: only more of them can commit it now.
            _pending.FailUpTo(_leader.HeldByIsr, ErrorCode.NotEnoughReplicasAfterAppend);
        }
    }

    private void MayLackFromNowOn() => _lacksNothingFromMs = _host.NowMs + SentBehindMs;

    /// <summary>
    /// Whether a batch is out of order perhaps only because the one before it came too early, and was sent away to be sent again. So is this one
    /// then: librdkafka sends both again in their order. Told that one is missing, it takes a new epoch and sends everything again that it has
    /// no answer for, and nobody could tell any more which of that is here already.
    /// </summary>
    private bool MayHaveLeftOneOut(ErrorCode error) => error == ErrorCode.OutOfOrderSequenceNumber && _host.NowMs < _lacksNothingFromMs;

    private void WatchPending()
    {
        if (_pending.Count > 0 && !_watchesPending)
        {
            OnPendingDue();
        }
    }

    private void OnPendingDue()
    {
        var now = _host.NowMs;
        _watchesPending = false;
        if (_pending.Expire(now) is { } earliest)
        {
            _watchesPending = true;
            Timers!.StartSingleTimer(PendingDue.Instance, PendingDue.Instance, TimeSpan.FromMilliseconds(Math.Min(earliest - now, MaxPendingCheckMs)));
        }
    }
}
