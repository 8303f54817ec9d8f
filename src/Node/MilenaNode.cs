using Akka.Actor;
using Akka.Cluster;
using Microsoft.Extensions.Logging;
using Milena.Broker;
using Milena.Coordinators.Groups;
using Milena.Coordinators.Runtime;
using Milena.Metadata.Controller;
using Milena.Metadata.Controller.Remote;
using Milena.Metadata.Image;
using Milena.Metadata.Quorum;
using Milena.Metadata.Settings;
using Milena.Model;
using Milena.Node.Configuration;
using Milena.Node.Health;
using Milena.Node.Membership;
using Milena.Protocol;
using Milena.Replication;
using Milena.Storage;

namespace Milena.Node;

/// <summary>Why a node ended by itself.</summary>
/// <param name="StartAgain">Its process is well, and is to start it anew: the cluster has gone on without it.</param>
public sealed record NodeEnd(string Reason, bool StartAgain);

/// <summary>One running node: finds its cluster, opens its data, takes part in the metadata quorum, starts its replicas, and listens.</summary>
public sealed class MilenaNode : IAsyncDisposable
{
    private static readonly TimeSpan LeaveTimeout = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan StopTimeout = TimeSpan.FromSeconds(8);

    private readonly NodeConfiguration _configuration;
    private readonly ClusterIdentity _identity;
    private readonly DataDirectories _directories;
    private readonly TaskCompletionSource<NodeEnd> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource _ending = new();
    private readonly ILoggerFactory _logs;
    private readonly ILogger _logger;
    private readonly TimeProvider _time;
    private readonly MetadataService _metadata;
    private readonly ReplicaHost _replicas;
    private readonly ConfigResolver _configs;
    private readonly ActorSystem _system;
    private readonly CoordinatorDirectory _coordinators = new();
    private readonly BrokerLifecycle _lifecycle;
    private readonly OwnVote _vote;
    private ClientListeners? _listeners;
    private IActorRef? _groups;
    private bool _loaded;

    private MilenaNode(
        NodeConfiguration configuration, ActorSystem system, ClusterIdentity identity, NodeSelf self, DataDirectories directories, TcpQuorumTransport transport, ILoggerFactory logs)
    {
        (_configuration, _system, _identity, _directories, _logs, _time) = (configuration, system, identity, directories, logs, directories.Environment.Clock);
        _logger = logs.CreateLogger("Milena.Node");
        _configs = new ConfigResolver(configuration.Kafka, configuration.NodeId);
        _metadata = MetadataService.Open(configuration, system, identity, self.Quorum, directories, transport, logs.CreateLogger("Milena.Metadata"), Fail);
        _replicas = new ReplicaHost(
            configuration.NodeId,
            directories.Logs,
            _metadata.Store,
            _configs,
            new ClusterPartitionController(_metadata.Controller),
            new TcpLeaderConnector(configuration.NodeId),
            _time,
            logs.CreateLogger("Milena.Replication"));
        _directories.Logs.Failed += OnDirectoryFailed;
        _lifecycle = new BrokerLifecycle(
            configuration.NodeId,
            _metadata.Controller,
            _metadata.Store,
            () => directories.Logs.Offline,
            _replicas.CordonedIds,
            configuration.Kafka.GetMs("log.dir.failure.timeout.ms"),
            _time,
            _logger,
            Fail);
        _vote = new OwnVote(PhysicalDisk.Instance, directories.Metadata.FullPath, configuration.Kafka);
        self.Knows(() => _metadata.Status, () => _vote.MayBeGiven(_metadata.Status));
        ReplicaHostExtension.Install(system, _replicas);
    }

    /// <summary>The listeners' names and the addresses they really have.</summary>
    public IReadOnlyList<(Listener Listener, int Port)> Bound => _listeners?.Bound ?? [];

    /// <summary>Completes when nothing that this node could still do is worth its going on as it is.</summary>
    public Task<NodeEnd> Ended => _ended.Task;

    public string ClusterId => _identity.ClusterId;

    public string DataDirectory => string.Join(", ", _directories.Logs.All.Select(directory => directory.FullPath));

    /// <summary>How it is, as those see it who run it.</summary>
    public NodeHealth Health => new(
        _configuration.NodeId,
        () => _listeners is { IsOpen: true } && !_ended.Task.IsCompleted,
        () => _metadata.Store.Current,
        () => _metadata.Status,
        _replicas.MinInSyncReplicasOf,
        () => _lifecycle.LeaveAsync(LeaveTimeout),
        () => _lifecycle.ReturnAsync(LeaveTimeout));

    /// <summary>The node's actor system; for tests that do to it what other nodes do.</summary>
    internal ActorSystem System => _system;

    /// <summary>The node's replicas; for tests that look what they hold.</summary>
    internal ReplicaHost Replicas => _replicas;

    /// <param name="stopping">Ends the wait for other nodes.</param>
    /// <returns>The node, ready for clients; or one that ended by itself before it was, which <see cref="Ended"/> tells.</returns>
    /// <exception cref="StartupException">A port is taken, or the data directory cannot be used: one line that says what to do.</exception>
    /// <exception cref="OperationCanceledException">It was stopped before it was ready.</exception>
    public static async Task<MilenaNode> StartAsync(NodeConfiguration configuration, ILoggerFactory logs, TimeProvider time, CancellationToken stopping)
    {
        var knownClusterId = DataDirectories.CheckClusterId(configuration, PhysicalDisk.Instance);
        var logger = logs.CreateLogger("Milena.Node");
        foreach (var name in configuration.Kafka.SetNames.Where(SettingsWithoutEffect.Contains).Order(StringComparer.Ordinal))
        {
            NodeLog.WithoutEffect(logger, name);
        }

        var transport = MetadataService.Bind(configuration, time, logger);
        var system = CreateSystem(configuration, logs);
        DataDirectories? directories = null;
        MilenaNode? node = null;
        try
        {
            var self = new NodeSelf(configuration.NodeId, new QuorumEndpoint(VoterList.EndpointName, (configuration.QuorumListen ?? configuration.ClusterListen).Host, (ushort)transport.Port));
            system.ActorOf(Greeter.Props(self), Greeter.Name);
            var founding = new Founding(
                system, configuration, self, DataDirectories.MetadataPathOf(configuration), knownClusterId, PhysicalDisk.Instance, time, logger);
            var identity = await founding.FindAsync(stopping);
            directories = DataDirectories.Open(configuration, identity.ClusterId, logs, time);
            node = new MilenaNode(configuration, system, identity, self, directories, transport, logs);
            await node.StartAsync(stopping);
            return node;
        }
        catch (OperationCanceledException) when (node is not null && node.Ended.IsCompleted && !stopping.IsCancellationRequested)
        {
            return node;
        }
        catch
        {
            await (node?.DisposeAsync() ?? GiveUpAsync(system, transport, directories));
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (!_ended.Task.IsCompleted)
        {
            await _lifecycle.LeaveToOthersAsync(LeaveTimeout);
        }

        if (_listeners is not null)
        {
            await _listeners.DisposeAsync();
        }

        await _lifecycle.DisposeAsync();
        _replicas.StopTalking();
        await _metadata.DisposeAsync();
        await Task.WhenAny(_system.Terminate(), Task.Delay(StopTimeout));
        if (_loaded)
        {
            _replicas.Close(_lifecycle.Epoch);
            _directories.CloseMetadata();
        }
        else
        {
            // Its logs were not all opened, so it must not be called cleanly left.
            _replicas.Dispose();
            _directories.Dispose();
        }
    }

    private static ActorSystem CreateSystem(NodeConfiguration configuration, ILoggerFactory logs)
    {
        try
        {
            var setup = BootstrapSetup.Create().WithConfig(AkkaSettings.Of(configuration)).And(new NodeLogsSetup(logs));
            return ActorSystem.Create(NodeAddress.SystemName, setup);
        }
        catch (Exception e) when (e.GetBaseException() is System.Net.Sockets.SocketException socket)
        {
            throw new StartupException(
                $"Cannot listen for other nodes on {configuration.ClusterListen}: {socket.Message.TrimEnd('.')}. Stop what listens there, or choose another address with --cluster-listen.");
        }
    }

    private static async ValueTask GiveUpAsync(ActorSystem system, TcpQuorumTransport transport, DataDirectories? directories)
    {
        await transport.DisposeAsync();
        await Task.WhenAny(system.Terminate(), Task.Delay(StopTimeout));
        directories?.Dispose();
    }

    private async Task StartAsync(CancellationToken stopped)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(stopped, _ending.Token);
        var stopping = either.Token;
        _ = EndWithSystemAsync();
        var broker = new BrokerContext(
            _configuration.NodeId, ClusterId, _configuration.Kafka, _configs, _metadata.Store, _metadata.Controller, _replicas, _time, _logs);
        _listeners = await ClientListeners.BindAsync(
            _configuration, BrokerHandlers.All(broker, _coordinators, _metadata.Quorum, _configuration), _configs, _metadata.Store, _time, _logs);
        if (_configuration.Join.Count > 0)
        {
            await AdvertisedAddress.CheckAsync(_listeners.Bound, ReplicationSettings.From(_configs).ListenerName, _logger, _time);
        }

        StartMembership();
        _metadata.Start();
        await _lifecycle.RegisterAsync(Registration(), stopping);
        // Only now: what the image does not know is set aside, so it has to be the cluster's and not what this node happens to hold of it.
        _replicas.LoadLogs(_configuration.Kafka.GetInt("num.recovery.threads.per.data.dir"));
        _loaded = true;
        await StartReplicasAsync();
        await _lifecycle.WhenUnfencedAsync(stopping);
        await broker.WhenLeadingAsync(_metadata.Store.Current.TopicsByName.Keys);
        _listeners.Open();
    }

    private void StartMembership()
    {
        _system.ActorOf(ControllerGateway.Props(_metadata.Controller, _metadata.Store), ControllerGateway.Name);
        var link = _system.ActorOf(ControllerLink.Props(_metadata.Store, _time), "controller-link");
        _metadata.Controller.Link = link;
        var surroundings = new MembershipActor.Surroundings(
            _configuration,
            ClusterId,
            () => _metadata.Status,
            _metadata.Store,
            _metadata.Controller,
            link,
            _replicas.Contact,
            _time,
            reason => End(new NodeEnd(reason, StartAgain: true)),
            Fail);
        var membership = _system.ActorOf(MembershipActor.Props(surroundings), "membership");
        _system.ActorOf(QuorumGrowthActor.Props(_metadata.Quorum, _metadata.Store, ClusterId, _vote), "quorum-growth");
        _metadata.Leads = () => membership.Tell(MembershipActor.Look.Instance, ActorRefs.NoSender);
    }

    private void Fail(string reason) => End(new NodeEnd(reason, StartAgain: false));

    private void End(NodeEnd end)
    {
        if (_ended.TrySetResult(end))
        {
            _ending.Cancel();
        }
    }

    /// <summary>Akka ends the actor system of a node that hears it was downed, which it does where it comes back just then.</summary>
    private async Task EndWithSystemAsync()
    {
        await _system.WhenTerminated;
        End(new NodeEnd("the others have downed this node", StartAgain: true));
    }

    private void OnDirectoryFailed(string path, Exception error)
    {
        if (path == _directories.Metadata.FullPath)
        {
            Fail($"The disk under {path}, which holds the metadata log, failed: {error.Message}");
        }
        else if (_directories.Logs.AllOffline)
        {
            _ = EndWithoutDirectoriesAsync(path, error);
        }
        else
        {
            _lifecycle.DirectoryFailed();
        }
    }

    /// <summary>It has nothing left to serve. The others take over first, if they hear of it.</summary>
    private async Task EndWithoutDirectoriesAsync(string path, Exception error)
    {
        await _lifecycle.LeaveAsync(LeaveTimeout);
        Fail($"The disk under {path}, the last log directory that worked, failed: {error.Message} Mend it, and start the node again.");
    }

    private BrokerRegistrationRequest Registration()
    {
        var listeners = Bound.Select(one => new BrokerRegistrationRequest.Listener
        {
            Name = one.Listener.Name,
            Host = one.Listener.Advertised.Host,
            Port = (ushort)one.Listener.AdvertisedWith(one.Port).Port,
            SecurityProtocol = one.Listener.SecurityProtocol,
        });
        var self = Cluster.Get(_system).SelfAddress;
        return new BrokerRegistrationRequest
        {
            BrokerId = _configuration.NodeId,
            ClusterId = ClusterId,
            IncarnationId = Guid.NewGuid(),
            PreviousBrokerEpoch = _directories.PreviousBrokerEpoch,
            Rack = _configuration.Kafka.Find("broker.rack"),
            LogDirs = [.. _directories.Logs.OnlineIds],
            Listeners = [.. listeners, new() { Name = BrokerEndPoint.ClusterListener, Host = self.Host!, Port = (ushort)self.Port! }],
            Features = [.. Features.Supported.Select(feature => new BrokerRegistrationRequest.Feature
            {
                Name = feature.Name,
                MinSupportedVersion = feature.Min,
                MaxSupportedVersion = feature.Max,
            })],
        };
    }

    private async Task StartReplicasAsync()
    {
        _groups = _system.ActorOf(CoordinatorManager.Props(GroupCoordinatorKind(), _replicas.Directory, _coordinators), "group-coordinators");
        var region = await ReplicaSharding.StartAsync(_system, _replicas, AddressOf);
        var manager = _system.ActorOf(ReplicaManager.Props(_replicas, region, _configuration.Kafka), "replica-manager");
        // What changes between the two lines is told twice, which a replica takes calmly; the other way round it would be lost.
        _metadata.Store.Observe(change => ForgetOffsets(change.DeletedTopics));
        _metadata.Store.Observe(change => manager.Tell(new ReplicaManager.Changed(change), ActorRefs.NoSender));
        var image = _metadata.Store.Current;
        manager.Tell(new ReplicaManager.Changed(new ImageChange(image, [.. image.TopicsById.Keys], [], [])), ActorRefs.NoSender);
    }

    private Address? AddressOf(int brokerId) => brokerId == _configuration.NodeId
        ? Cluster.Get(_system).SelfAddress
        : _metadata.Store.Current.Brokers.TryGetValue(brokerId, out var broker)
            ? NodeAddress.Of(broker)
            : null;

    private CoordinatorActor.Kind GroupCoordinatorKind()
    {
        var settings = GroupSettings.From(_configuration.Kafka);
        var codec = (CompressionCodec)_configuration.Kafka.GetInt("offsets.topic.compression.codec");
        return new CoordinatorActor.Kind(TopicNames.ConsumerOffsets, () => new GroupCoordinator(settings, Guid.NewGuid), codec, _time);
    }

    private void ForgetOffsets(IReadOnlyCollection<TopicImage> deleted)
    {
        if (deleted.Count > 0)
        {
            var topics = deleted.Select(topic => new DeletedTopic(topic.Name, topic.Id)).ToList();
            _groups?.Tell(new CoordinatorManager.TopicsDeleted((coordinator, now, effects) => ((GroupCoordinator)coordinator).TopicsDeleted(topics, now, effects)), ActorRefs.NoSender);
        }
    }
}
