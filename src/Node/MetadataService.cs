using System.Collections.Immutable;
using System.Net.Sockets;
using Akka.Actor;
using Microsoft.Extensions.Logging;
using Milena.Metadata.Controller;
using Milena.Metadata.Image;
using Milena.Metadata.Log;
using Milena.Metadata.Quorum;
using Milena.Metadata.Snapshots;
using Milena.Node.Configuration;
using Milena.Node.Membership;
using Milena.Protocol;
using Milena.Storage;

namespace Milena.Node;

/// <summary>This node's part in the cluster's metadata: a replica of its log, the image, snapshots, and the controller while this node leads the quorum.</summary>
internal sealed class MetadataService : IMetadataLogListener, IAsyncDisposable
{
    private readonly NodeConfiguration _configuration;
    private readonly ActorSystem _system;
    private readonly ClusterIdentity _identity;
    private readonly ReplicatedMetadataLog _log;
    private readonly SnapshotGenerator _snapshots;
    private readonly ILogger _logger;
    private readonly Action<string> _failed;

    private MetadataService(
        NodeConfiguration configuration, ActorSystem system, ClusterIdentity identity, ReplicatedMetadataLog log, TimeProvider time, ILogger logger, Action<string> failed)
    {
        (_configuration, _system, _identity, _log, _logger, _failed) = (configuration, system, identity, log, logger, failed);
        _snapshots = new SnapshotGenerator(log, () => Store.Current, MetadataLogSettings.From(configuration.Kafka), time, logger);
    }

    public MetadataStore Store { get; } = new();

    public ControllerClient Controller { get; } = new();

    public ReplicatedMetadataLog Quorum => _log;

    public QuorumStatus Status => _log.Status;

    /// <summary>Called when this node becomes the quorum's leader.</summary>
    public Action Leads { get; set; } = () => { };

    /// <summary>Binds the quorum's port. A configured one must be free; where the default one is taken, a sole node takes any other.</summary>
    /// <exception cref="StartupException">The port is taken.</exception>
    public static TcpQuorumTransport Bind(NodeConfiguration configuration, TimeProvider time, ILogger logger)
    {
        var cluster = configuration.ClusterListen;
        var address = configuration.QuorumListen ?? cluster with { Port = cluster.Port == 0 ? 0 : cluster.Port + 1 };
        try
        {
            return TcpQuorumTransport.Bind(address.ToEndPoint(), time);
        }
        catch (SocketException e)
        {
            if (configuration.QuorumListen is not null || configuration.Join.Count > 0)
            {
                throw new StartupException($"The metadata quorum cannot listen on {address}: {e.Message.TrimEnd('.')}. Choose another address with --quorum-listen.");
            }

            var transport = TcpQuorumTransport.Bind((address with { Port = 0 }).ToEndPoint(), time);
            MembershipLog.QuorumPortTaken(logger, address.Port, transport.Port);
            return transport;
        }
    }

    /// <param name="failed">Told, with the reason, when this replica can do nothing any more.</param>
    /// <exception cref="StartupException">The log cannot be read.</exception>
    public static MetadataService Open(
        NodeConfiguration configuration,
        ActorSystem system,
        ClusterIdentity identity,
        QuorumEndpoint endpoint,
        DataDirectories directories,
        TcpQuorumTransport transport,
        ILogger logger,
        Action<string> failed)
    {
        var environment = directories.Environment;
        var wasClean = directories.Metadata.WasCleanShutdown;
        directories.Metadata.Enter();
        try
        {
            var log = QuorumLog.Open(directories.Metadata.FullPath, wasClean, environment, MetadataLogSettings.From(configuration.Kafka));
            var self = new QuorumIdentity(identity.ClusterId, new ReplicaKey(configuration.NodeId, identity.DirectoryId), [endpoint]);
            var quorum = new QuorumConfiguration(self, identity.FirstVoters, identity.Bootstrap, new QuorumSettings());
            return new MetadataService(
                configuration, system, identity, ReplicatedMetadataLog.Open(quorum, log, transport, environment, new Random()), environment.Clock, logger, failed);
        }
        catch (InvalidDataException e)
        {
            throw new StartupException(e.Message);
        }
    }

    public void Start() => _log.Start(this);

    public void Committed(IReadOnlyList<IMessage> records, long lastOffset, int epoch, bool isSnapshot)
    {
        Store.Apply(records, lastOffset, epoch, isSnapshot);
        Controller.Controller?.Tell(new ControllerActor.Applied(Store.Current), ActorRefs.NoSender);
        _snapshots.Check();
    }

    public void BecameLeader(int epoch)
    {
        var context = new ControllerContext(_configuration.Kafka, Random.Shared, Guid.NewGuid)
        {
            IsReachable = broker => Presence.SeenFrom(_system, Status).Has(broker),
            Logger = _logger,
        };
        var props = ControllerActor.Props(_log, Store.Current, context, _identity.ClusterId, epoch);
        Controller.Controller = _system.ActorOf(props, $"controller-{epoch}");
        MembershipLog.Controller(_logger, epoch);
        Leads();
    }

    public void LostLeadership(Exception? cause)
    {
        if (Controller.Controller is { } controller)
        {
            Controller.Controller = null;
            _system.Stop(controller);
        }

        if (cause is not null)
        {
            _failed($"The metadata log failed: {cause.Message}");
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _snapshots.DisposeAsync();
        await _log.DisposeAsync();
    }
}
