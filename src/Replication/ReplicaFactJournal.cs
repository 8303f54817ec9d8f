using System.Collections.Immutable;
using Akka.Actor;
using Akka.Persistence;
using Akka.Persistence.Journal;

namespace Milena.Replication;

/// <summary>
/// The journal of the replica actors, local to the node. Its durable form is Kafka's own files: the epochs of a log's
/// <c>leader-epoch-checkpoint</c> and the start in its directory's <c>log-start-offset-checkpoint</c>. One truth, not two.
/// </summary>
/// <remarks>
/// Sequence numbers count the facts that the files hold, so they start again from that count after a restart. Facts are few and small;
/// they are written before the write is acknowledged, on the journal's own thread.
/// </remarks>
public sealed class ReplicaFactJournal : AsyncWriteJournal
{
    public const string PluginId = "akka.persistence.journal.milena-replica";

    private readonly ReplicaHost _host = ReplicaHostExtension.Of(Context.System);

    public override Task ReplayMessagesAsync(
        IActorContext context,
        string persistenceId,
        long fromSequenceNr,
        long toSequenceNr,
        long max,
        Action<IPersistentRepresentation> recoveryCallback)
    {
        var sequenceNr = 0L;
        var replayed = 0L;
        foreach (var fact in _host.FactsOf(ReplicaId.Parse(persistenceId)))
        {
            sequenceNr++;
            if (sequenceNr >= fromSequenceNr && sequenceNr <= toSequenceNr && replayed++ < max)
            {
                recoveryCallback(new Persistent(fact, sequenceNr, persistenceId));
            }
        }

        return Task.CompletedTask;
    }

    public override Task<long> ReadHighestSequenceNrAsync(string persistenceId, long fromSequenceNr, CancellationToken cancellationToken) =>
        Task.FromResult((long)_host.FactsOf(ReplicaId.Parse(persistenceId)).Count);

    protected override Task<IImmutableList<Exception>?> WriteMessagesAsync(IEnumerable<AtomicWrite> messages, CancellationToken cancellationToken)
    {
        foreach (var write in messages)
        {
            foreach (var message in (IEnumerable<IPersistentRepresentation>)write.Payload)
            {
                _host.Record(ReplicaId.Parse(message.PersistenceId), (ReplicaFact)message.Payload);
            }
        }

        return Task.FromResult<IImmutableList<Exception>?>(null);
    }

    /// <summary>Facts leave with what they describe (truncation, retention), never by request.</summary>
    protected override Task DeleteMessagesToAsync(string persistenceId, long toSequenceNr, CancellationToken cancellationToken) =>
        Task.FromException(new NotSupportedException("The facts of a replica are deleted with its log."));
}

/// <summary>Lets the journal, which Akka creates by itself, find its node's replicas.</summary>
public sealed class ReplicaHostExtension : IExtension
{
    private ReplicaHost? _host;

    public static void Install(ActorSystem system, ReplicaHost host) => Get(system)._host = host;

    public static ReplicaHost Of(ActorSystem system) =>
        Get(system)._host ?? throw new InvalidOperationException("This actor system hosts no replicas.");

    private static ReplicaHostExtension Get(ActorSystem system) => system.WithExtension<ReplicaHostExtension, Provider>();

    private sealed class Provider : ExtensionIdProvider<ReplicaHostExtension>
    {
        public override ReplicaHostExtension CreateExtension(ExtendedActorSystem system) => new();
    }
}
