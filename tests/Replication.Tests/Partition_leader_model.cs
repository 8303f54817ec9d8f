using Milena.Metadata.Image;
using Milena.Model;
using Milena.Testing;

namespace Milena.Replication.Tests;

/// <summary>A leader, its followers and a controller that answers late, wrongly or not at all, against what a high watermark promises.</summary>
public sealed class Partition_leader_model
{
    private const int Steps = 400;
    private const long MaxLagMs = 100;

    public static TheoryData<int> Seeds() => [.. TestProfile.Seeds(50, 2000)];

    [Theory]
    [MemberData(nameof(Seeds))]
    public void What_is_below_the_high_watermark_is_on_every_member_of_every_set_that_the_controller_may_have_committed(int seed)
    {
        var run = new Run(new Random(seed));
        for (var step = 0; step < Steps; step++)
        {
            run.Step();
            run.Check();
        }
    }

    private sealed class Run
    {
        private readonly Random _random;
        private readonly long[] _held = [0, 0, 0, 0];
        private readonly Dictionary<int, BrokerRegistration> _brokers = new[] { 1, 2, 3 }.ToDictionary(id => id, id => Registrations.Broker(id, epoch: id));
        private PartitionLeader _leader;
        private readonly int _minInSync;
        private readonly HashSet<int> _silent = [];
        private PartitionRegistration _committed = Registrations.Partition([1, 2, 3], [1, 2, 3], leader: 1);
        private PartitionRegistration _adopted = Registrations.Partition([1, 2, 3], [1, 2, 3], leader: 1);
        private IsrProposal? _atController;
        private long _nowMs;
        private long _highWatermark;

        public Run(Random random)
        {
            (_random, _minInSync) = (random, random.Next(1, 3));
            _leader = Lead(_committed, forgottenUpTo: -1);
        }

        public void Step()
        {
            _nowMs += _random.Next(10);
            if (_random.Next(40) == 0)
            {
                // Its actor was ended, and another one takes its place, which knows the metadata alone. What was proposed may be at the controller still.
                _leader = Lead(_random.Next(2) == 0 ? _committed : _adopted, _leader.ProposedUpTo);
                return;
            }

            StepOn();
        }

        private PartitionLeader Lead(PartitionRegistration registration, int forgottenUpTo) => new(
            1, registration, _minInSync, _held[1], _highWatermark, _nowMs, MaxLagMs, new FollowerBrokers(id => _brokers[id], _silent.Contains), forgottenUpTo);

        private void StepOn()
        {
            switch (_random.Next(8))
            {
                case 0 or 1:
                    _leader.Appended(_held[1] += _random.Next(1, 5));
                    break;
                case 2 or 3:
                    Fetch(_random.Next(2, 4));
                    break;
                case 4:
                    _atController = _leader.Propose(_nowMs) ?? _atController;
                    break;
                case 5:
                    Decide();
                    break;
                case 6:
                    _leader.Adopt(_adopted = _committed, _minInSync);
                    break;
                default:
                    // Rightly or wrongly: what is taken for silence may be a pause of the leader's own.
                    if (_random.Next(2, 4) is var follower && !_silent.Remove(follower))
                    {
                        _silent.Add(follower);
                    }

                    break;
            }
        }

        public void Check()
        {
            Assert.True(_leader.HighWatermark >= _highWatermark, $"The high watermark moved back from {_highWatermark} to {_leader.HighWatermark}.");
            if (_leader.HighWatermark > _highWatermark)
            {
                Assert.True(_leader.Isr.Length >= _minInSync, "The high watermark moved while too few replicas were in sync.");
            }

            _highWatermark = _leader.HighWatermark;
            // Who of them is elected next must hold it, whichever of the sets is in force by then.
            Assert.All(_committed.Isr, member => Assert.True(_held[member] >= _highWatermark, $"{member} is in sync and holds {_held[member]} of {_highWatermark}."));
        }

        private void Fetch(int follower)
        {
            _leader.Fetched(follower, follower, _held[follower], _nowMs);
            // The answer comes, or gets lost.
            _held[follower] = Math.Min(_held[1], _held[follower] + _random.Next(5));
        }

        /// <summary>What was committed is learned from the answer, from the metadata later on, or from both.</summary>
        private void Decide()
        {
            if (_atController is not { } proposal)
            {
                return;
            }

            if (proposal.PartitionEpoch == _committed.PartitionEpoch && _random.Next(4) == 0)
            {
                _leader.Answered(proposal, new IsrAnswer(ErrorCode.IneligibleReplica, 0, 0, []), _nowMs);
                _atController = null;
                return;
            }

            var answer = new IsrAnswer(ErrorCode.InvalidUpdateVersion, 0, 0, []);
            if (proposal.PartitionEpoch == _committed.PartitionEpoch)
            {
                _committed = _committed with { Isr = [.. proposal.Isr.Select(member => member.BrokerId)], PartitionEpoch = proposal.PartitionEpoch + 1 };
                answer = new IsrAnswer(ErrorCode.None, 0, _committed.PartitionEpoch, _committed.Isr);
            }

            if (_random.Next(3) > 0)
            {
                _leader.Answered(proposal, answer, _nowMs);
                _atController = null;
            }
        }
    }
}
