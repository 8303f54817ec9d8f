using System.Collections.Concurrent;
using Akka.Actor;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Coordinators.Runtime;

/// <summary>The coordinators that run on this broker, by the partition of the internal topic that holds their state.</summary>
public sealed class CoordinatorDirectory
{
    private readonly ConcurrentDictionary<TopicPartition, IActorRef> _coordinators = new();

    public IReadOnlyList<TopicPartition> All => [.. _coordinators.Keys];

    /// <summary>Asks the coordinator of a partition.</summary>
    /// <returns>NOT_COORDINATOR where it does not run here; COORDINATOR_LOAD_IN_PROGRESS while it reads its log. Never faults.</returns>
    public Task<CoordinatorAnswer> AskAsync(TopicPartition partition, IRequestMessage request, short apiVersion, string clientId, string clientHost)
    {
        if (!_coordinators.TryGetValue(partition, out var actor))
        {
            return Task.FromResult(CoordinatorAnswer.Failed(ErrorCode.NotCoordinator));
        }

        var reply = new CoordinatorReply();
        actor.Tell(new CoordinatorActor.Serve(new CoordinatorRequest(request, apiVersion, clientId, clientHost, reply)), ActorRefs.NoSender);
        return reply.Task;
    }

    internal void Add(TopicPartition partition, IActorRef actor) => _coordinators[partition] = actor;

    internal void Remove(TopicPartition partition, IActorRef actor) =>
        _coordinators.TryRemove(new KeyValuePair<TopicPartition, IActorRef>(partition, actor));
}

/// <summary>What came of a request: an answer, or why the coordinator cannot give one.</summary>
public readonly record struct CoordinatorAnswer(ErrorCode Error, IResponseMessage? Response)
{
    public static CoordinatorAnswer Failed(ErrorCode error) => new(error, null);
}

/// <summary>Who asked. Completed once; a second answer, such as one given while the actor stops, is ignored.</summary>
public sealed class CoordinatorReply
{
    private readonly TaskCompletionSource<CoordinatorAnswer> _source = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Task<CoordinatorAnswer> Task => _source.Task;

    internal void Complete(IResponseMessage response) => _source.TrySetResult(new CoordinatorAnswer(ErrorCode.None, response));

    internal void Fail(ErrorCode error) => _source.TrySetResult(CoordinatorAnswer.Failed(error));
}
