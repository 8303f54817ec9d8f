using System.Collections.Immutable;
using Akka.Actor;
using Microsoft.Extensions.Logging;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Replication;

/// <summary>Carries the leaders' proposals to the controller: those of many partitions in one request, one request at a time.</summary>
/// <remarks>
/// Safe for several threads. A request whose fate is unknown is sent again until the leader withdraws its proposal: the controller refuses a
/// second decision on the same partition epoch, so that nothing is decided twice.
/// </remarks>
internal sealed class IsrProposals(
    int brokerId, Func<long?> brokerEpoch, IPartitionController controller, TimeProvider time, ILogger logger) : IDisposable
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan RetryAfter = TimeSpan.FromMilliseconds(100);

    private readonly Lock _gate = new();
    private readonly CancellationTokenSource _stopped = new();
    private readonly Dictionary<ReplicaId, (IsrProposal Proposal, IActorRef Leader)> _open = [];
    private bool _sending;

    /// <summary>The leader is told the answer as <see cref="ReplicaActor.IsrAnswered"/>. Replaces an earlier proposal of the replica.</summary>
    public void Submit(ReplicaId id, IsrProposal proposal, IActorRef leader)
    {
        lock (_gate)
        {
            _open[id] = (proposal, leader);
            if (_sending || _stopped.IsCancellationRequested)
            {
                return;
            }

            _sending = true;
        }

        _ = Task.Run(SendAllAsync);
    }

    /// <summary>The replica no longer leads, or the metadata has decided.</summary>
    public void Withdraw(ReplicaId id)
    {
        lock (_gate)
        {
            _open.Remove(id);
        }
    }

    public void Dispose() => _stopped.Cancel();

    private async Task SendAllAsync()
    {
        while (TakeOpen() is { } batch)
        {
            var answered = false;
            try
            {
                answered = brokerEpoch() is { } epoch && Hand(batch, await controller.AlterAsync(Request(batch, epoch), Timeout).ConfigureAwait(false));
            }
            catch (Exception e)
            {
                // Whatever it was (no controller, no answer in time, a lost connection), the proposals are as open as before.
                ReplicationEvents.IsrProposalsUnanswered(logger, batch.Count, e.Message);
            }

            if (!answered)
            {
                await Task.Delay(RetryAfter, time, _stopped.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private Dictionary<ReplicaId, (IsrProposal Proposal, IActorRef Leader)>? TakeOpen()
    {
        lock (_gate)
        {
            if (_open.Count == 0 || _stopped.IsCancellationRequested)
            {
                _sending = false;
                return null;
            }

            return new(_open);
        }
    }

    private AlterPartitionRequest Request(Dictionary<ReplicaId, (IsrProposal Proposal, IActorRef Leader)> batch, long epoch)
    {
        var request = new AlterPartitionRequest { BrokerId = brokerId, BrokerEpoch = epoch };
        foreach (var topic in batch.GroupBy(one => one.Key.TopicId))
        {
            request.Topics.Add(new()
            {
                TopicId = topic.Key,
                Partitions = [.. topic.Select(one => new AlterPartitionRequest.PartitionData
                {
                    PartitionIndex = one.Key.Partition,
                    LeaderEpoch = one.Value.Proposal.LeaderEpoch,
                    PartitionEpoch = one.Value.Proposal.PartitionEpoch,
                    NewIsrWithEpochs = [.. one.Value.Proposal.Isr.Select(member =>
                        new AlterPartitionRequest.BrokerState { BrokerId = member.BrokerId, BrokerEpoch = member.BrokerEpoch })],
                })],
            });
        }

        return request;
    }

    /// <returns>False when something of the request is still open, as all of it is where it was refused as a whole.</returns>
    private bool Hand(Dictionary<ReplicaId, (IsrProposal Proposal, IActorRef Leader)> batch, AlterPartitionResponse response)
    {
        if (response.ErrorCode != ErrorCode.None)
        {
            ReplicationEvents.IsrProposalsUnanswered(logger, batch.Count, response.ErrorCode.ToString());
            return false;
        }

        var handed = 0;
        foreach (var topic in response.Topics)
        {
            foreach (var partition in topic.Partitions)
            {
                if (batch.TryGetValue(new ReplicaId(topic.TopicId, partition.PartitionIndex, brokerId), out var asked))
                {
                    var answer = new IsrAnswer(partition.ErrorCode, partition.LeaderEpoch, partition.PartitionEpoch, [.. partition.Isr]);
                    Close(new ReplicaId(topic.TopicId, partition.PartitionIndex, brokerId), asked.Proposal);
                    asked.Leader.Tell(new ReplicaActor.IsrAnswered(asked.Proposal, answer), ActorRefs.NoSender);
                    handed++;
                }
            }
        }

        return handed == batch.Count;
    }

    private void Close(ReplicaId id, IsrProposal proposal)
    {
        lock (_gate)
        {
            if (_open.TryGetValue(id, out var open) && ReferenceEquals(open.Proposal, proposal))
            {
                _open.Remove(id);
            }
        }
    }
}
