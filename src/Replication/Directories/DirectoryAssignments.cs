using Microsoft.Extensions.Logging;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Replication;

/// <summary>What the controller is still to be told of a replica.</summary>
/// <param name="Told">Ends with the controller's answer; cancelled when something else is told instead.</param>
internal sealed record OpenAssignment(Guid Directory, TaskCompletionSource<ErrorCode> Told);

/// <summary>Tells the controller in which log directory each replica of this broker lies (AssignReplicasToDirs, KIP-858).</summary>
internal sealed class DirectoryAssignments(
    int brokerId, Func<long?> brokerEpoch, IPartitionController controller, TimeProvider time, ILogger logger)
    : ControllerBatches<OpenAssignment>(brokerEpoch, MaxBatch, LongestPause, time)
{
    private const int MaxBatch = 2000;

    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(5);

    /// <summary>Replaces what was to be told of the replica before.</summary>
    /// <returns>The controller's answer, when this broker has applied the decision; cancelled when it is not told any more.</returns>
    public Task<ErrorCode> SubmitAsync(ReplicaId id, Guid directory)
    {
        if (Find(id) is { } open && open.Directory == directory)
        {
            return open.Told.Task;
        }

        var assignment = new OpenAssignment(directory, new TaskCompletionSource<ErrorCode>(TaskCreationOptions.RunContinuationsAsynchronously));
        Put(id, assignment)?.Told.TrySetCanceled();
        return assignment.Told.Task;
    }

    /// <summary>The metadata says that it lies there: whoever wanted to tell the same has done so.</summary>
    public void Settle(ReplicaId id, Guid directory)
    {
        if (Remove(id) is not { } open)
        {
            return;
        }

        if (open.Directory == directory)
        {
            open.Told.TrySetResult(ErrorCode.None);
        }
        else
        {
            open.Told.TrySetCanceled();
        }
    }

    /// <summary>The replica is gone.</summary>
    public void Withdraw(ReplicaId id) => Remove(id)?.Told.TrySetCanceled();

    protected override void Unanswered(int count, string reason) => ReplicationEvents.AssignmentsUnanswered(logger, count, reason);

    protected override async Task<bool> AskAsync(IReadOnlyDictionary<ReplicaId, OpenAssignment> batch, long brokerEpoch, TimeSpan timeout) =>
        Take(batch, await controller.AssignAsync(Request(batch, brokerEpoch), timeout).ConfigureAwait(false));

    private AssignReplicasToDirsRequest Request(IReadOnlyDictionary<ReplicaId, OpenAssignment> batch, long epoch) => new()
    {
        BrokerId = brokerId,
        BrokerEpoch = epoch,
        Directories = [.. batch.GroupBy(one => one.Value.Directory).Select(directory => new AssignReplicasToDirsRequest.DirectoryData
        {
            Id = directory.Key,
            Topics = [.. directory.GroupBy(one => one.Key.TopicId).Select(topic => new AssignReplicasToDirsRequest.TopicData
            {
                TopicId = topic.Key,
                Partitions = [.. topic.Select(one => new AssignReplicasToDirsRequest.PartitionData { PartitionIndex = one.Key.Partition })],
            })],
        })],
    };

    private bool Take(IReadOnlyDictionary<ReplicaId, OpenAssignment> batch, AssignReplicasToDirsResponse response)
    {
        if (response.ErrorCode != ErrorCode.None)
        {
            Unanswered(batch.Count, response.ErrorCode.ToString());
            return false;
        }

        var taken = 0;
        foreach (var (topic, partition) in response.Directories.SelectMany(one => one.Topics).SelectMany(topic => topic.Partitions.Select(partition => (topic, partition))))
        {
            var id = new ReplicaId(topic.TopicId, partition.PartitionIndex, brokerId);
            if (batch.TryGetValue(id, out var asked))
            {
                // What is refused is no longer there, or no longer here, and the metadata will tell so.
                Close(id, asked);
                asked.Told.TrySetResult(partition.ErrorCode);
                taken++;
            }
        }

        return taken == batch.Count;
    }
}
