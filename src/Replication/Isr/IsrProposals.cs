using Akka.Actor;
using Microsoft.Extensions.Logging;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Replication;

/// <summary>A proposal that the controller has not answered, and the replica that made it.</summary>
internal sealed record OpenProposal(IsrProposal Proposal, IActorRef Leader);

/// <summary>Carries the leaders' proposals to the controller.</summary>
/// <remarks>The controller refuses a second decision on the same partition epoch, so that nothing is decided twice.</remarks>
internal sealed class IsrProposals(
    int brokerId, Func<long?> brokerEpoch, IPartitionController controller, TimeProvider time, ILogger logger)
    : ControllerBatches<OpenProposal>(brokerEpoch, MostInARequest, RetryAfter, time)
{
    /// <summary>A message to the controller holds six times as many, with three replicas each.</summary>
    private const int MostInARequest = 10_000;

    private static readonly TimeSpan RetryAfter = TimeSpan.FromMilliseconds(100);

    /// <summary>The leader is told the answer as <see cref="ReplicaActor.IsrAnswered"/>. Replaces an earlier proposal of the replica.</summary>
    public void Submit(ReplicaId id, IsrProposal proposal, IActorRef leader) => Put(id, new OpenProposal(proposal, leader));

    /// <summary>The replica no longer leads, or the metadata has decided.</summary>
    public void Withdraw(ReplicaId id) => Remove(id);

    protected override void Unanswered(int count, string reason) => ReplicationEvents.IsrProposalsUnanswered(logger, count, reason);

    protected override async Task<bool> AskAsync(IReadOnlyDictionary<ReplicaId, OpenProposal> batch, long brokerEpoch, TimeSpan timeout) =>
        Hand(batch, await controller.AlterAsync(Request(batch, brokerEpoch), timeout).ConfigureAwait(false));

    private AlterPartitionRequest Request(IReadOnlyDictionary<ReplicaId, OpenProposal> batch, long epoch)
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

    private bool Hand(IReadOnlyDictionary<ReplicaId, OpenProposal> batch, AlterPartitionResponse response)
    {
        if (response.ErrorCode != ErrorCode.None)
        {
            Unanswered(batch.Count, response.ErrorCode.ToString());
            return false;
        }

        var handed = 0;
        foreach (var topic in response.Topics)
        {
            foreach (var partition in topic.Partitions)
            {
                var id = new ReplicaId(topic.TopicId, partition.PartitionIndex, brokerId);
                if (batch.TryGetValue(id, out var asked))
                {
                    var answer = new IsrAnswer(partition.ErrorCode, partition.LeaderEpoch, partition.PartitionEpoch, [.. partition.Isr]);
                    Close(id, asked);
                    asked.Leader.Tell(new ReplicaActor.IsrAnswered(asked.Proposal, answer), ActorRefs.NoSender);
                    handed++;
                }
            }
        }

        return handed == batch.Count;
    }
}
