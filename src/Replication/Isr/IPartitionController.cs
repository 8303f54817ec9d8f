using Milena.Metadata.Controller;
using Milena.Protocol;

namespace Milena.Replication;

/// <summary>Where leaders ask for changes of their in-sync replicas, and brokers tell in which directories their replicas lie.</summary>
public interface IPartitionController
{
    /// <exception cref="TimeoutException">No decision within the timeout; it may still come.</exception>
    /// <exception cref="Milena.Metadata.Log.NotControllerException">There is no controller now.</exception>
    Task<AlterPartitionResponse> AlterAsync(AlterPartitionRequest request, TimeSpan timeout);

    /// <inheritdoc cref="AlterAsync"/>
    Task<AssignReplicasToDirsResponse> AssignAsync(AssignReplicasToDirsRequest request, TimeSpan timeout);
}

/// <summary>The cluster's controller.</summary>
public sealed class ClusterPartitionController(ControllerClient client) : IPartitionController
{
    public Task<AlterPartitionResponse> AlterAsync(AlterPartitionRequest request, TimeSpan timeout) =>
        client.AskAsync<AlterPartitionResponse>(request, timeout);

    public Task<AssignReplicasToDirsResponse> AssignAsync(AssignReplicasToDirsRequest request, TimeSpan timeout) =>
        client.AskAsync<AssignReplicasToDirsResponse>(request, timeout);
}
