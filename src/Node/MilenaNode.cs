using Akka.Actor;
using Akka.Cluster;
using Akka.Cluster.Sharding;
using Akka.Configuration;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;
using Milena.Broker;
using Milena.Broker.Fetching;
using Milena.Broker.Groups;
using Milena.Broker.Handlers;
using Milena.Broker.Producing;
using Milena.Coordinators.Groups;
using Milena.Coordinators.Runtime;
using Milena.Metadata.Controller;
using Milena.Metadata.Image;
using Milena.Metadata.Log;
using Milena.Metadata.Settings;
using Milena.Metadata.Snapshots;
using Milena.Model;
using Milena.Network;
using Milena.Node.Configuration;
using Milena.Protocol;
using Milena.Replication;
using Milena.Storage;

namespace Milena.Node;

/// <summary>One running node: opens its data, leads its quorum, starts its replicas, and listens.</summary>
public sealed class MilenaNode : IAsyncDisposable
{
    private const string SystemName = "milena";
    private static readonly TimeSpan StartTimeout = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan StopTimeout = TimeSpan.FromSeconds(8);

    private readonly NodeConfiguration _configuration;
    private readonly DataDirectories _directories;
    private readonly TaskCompletionSource<string> _failed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ILoggerFactory _logs;
    private readonly TimeProvider _time;
    private readonly MetadataStore _metadata = new();
    private readonly ControllerClient _controller = new();
    private readonly List<KafkaListener> _listeners = [];
    private readonly ReplicaHost _replicas;
    private readonly ConfigResolver _configs;
    private readonly ActorSystem _system;
    private readonly CoordinatorDirectory _coordinators = new();
    private BrokerContext? _broker;
    private IActorRef? _groups;
    private LocalMetadataLog? _metadataLog;
    private SnapshotGenerator? _snapshots;
    private bool _loaded;

    private MilenaNode(NodeConfiguration configuration, DataDirectories directories, ILoggerFactory logs)
    {
        (_configuration, _directories, _logs, _time) = (configuration, directories, logs, directories.Environment.Clock);
        _configs = new ConfigResolver(configuration.Kafka, configuration.NodeId);
        _replicas = new ReplicaHost(configuration.NodeId, directories.Logs, _metadata, _configs, logs.CreateLogger("Milena.Replication"));
        _directories.Logs.Failed += OnDirectoryFailed;
        _system = ActorSystem.Create(SystemName, AkkaConfiguration(configuration));
        ReplicaHostExtension.Install(_system, _replicas);
    }

    /// <summary>The listeners' names and the addresses they really have.</summary>
    public IReadOnlyList<(Listener Listener, int Port)> Bound { get; private set; } = [];

    /// <summary>Completes, with the reason, when nothing that this node could still do is worth its staying up.</summary>
    public Task<string> Failed => _failed.Task;

    public string ClusterId => _directories.Logs.All[0].Identity.ClusterId;

    public string DataDirectory => string.Join(", ", _directories.Logs.All.Select(directory => directory.FullPath));

    /// <exception cref="StartupException">A port is taken, or the data directory cannot be used: one line that says what to do.</exception>
    public static async Task<MilenaNode> StartAsync(NodeConfiguration configuration, ILoggerFactory logs, TimeProvider time)
    {
        var node = new MilenaNode(configuration, DataDirectories.Open(configuration, logs, time), logs);
        foreach (var name in configuration.Kafka.SetNames.Where(SettingsWithoutEffect.Contains).Order(StringComparer.Ordinal))
        {
            NodeLog.WithoutEffect(logs.CreateLogger("Milena.Node"), name);
        }

        try
        {
            await node.StartAsync();
            return node;
        }
        catch
        {
            await node.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var listener in _listeners)
        {
            await listener.DisposeAsync();
        }

        await Task.WhenAny(_system.Terminate(), Task.Delay(StopTimeout));
        if (_snapshots is not null)
        {
            await _snapshots.DisposeAsync();
        }

        if (_metadataLog is not null)
        {
            await _metadataLog.DisposeAsync();
        }

        if (_loaded)
        {
            _replicas.Close();
            _directories.CloseMetadata();
        }
        else
        {
            // Its logs were not all opened, so it must not be called cleanly left.
            _directories.Dispose();
        }
    }

    private async Task StartAsync()
    {
        var cluster = Cluster.Get(_system);
        cluster.Join(cluster.SelfAddress);
        var dispatcher = MakeDispatcher();
        await ListenAsync(dispatcher);
        StartMetadata();
        _replicas.LoadLogs(_configuration.Kafka.GetInt("num.recovery.threads.per.data.dir"));
        _loaded = true;
        await RegisterAsync();
        await StartReplicasAsync(cluster);
        await _broker!.WhenLeadingAsync(_metadata.Current.TopicsByName.Keys);
        _listeners.ForEach(listener => listener.Open());
    }

    private void StartMetadata()
    {
        var settings = MetadataLogSettings.From(_configuration.Kafka);
        _directories.Metadata.Enter();
        _metadataLog = LocalMetadataLog.Open(_directories.Metadata, _directories.Environment, settings);
        try
        {
            _metadataLog.Start(new Listening(this));
        }
        catch (InvalidDataException e)
        {
            throw new StartupException(e.Message);
        }

        _snapshots = new SnapshotGenerator(_metadataLog, () => _metadata.Current, settings, _time, _logs.CreateLogger("Milena.Metadata"));
        _snapshots.Check();
    }

    private void OnDirectoryFailed(string path, Exception error)
    {
        if (path == _directories.Metadata.FullPath)
        {
            _failed.TrySetResult($"The disk under {path}, which holds the metadata log, failed: {error.Message}");
        }
    }

    private async Task ListenAsync(RequestDispatcher dispatcher)
    {
        var settings = new NetworkSettings
        {
            MaxRequestBytes = _configuration.Kafka.GetInt("socket.request.max.bytes"),
            MaxInFlightRequests = _configuration.MaxInFlightRequests,
            MaxInFlightBytes = _configuration.MaxInFlightBytes,
            MaxInFlightBytesPerConnection = _configuration.MaxInFlightBytesPerConnection,
            MaxIdle = _configuration.Kafka.GetMs("connections.max.idle.ms"),
            Backlog = _configuration.Kafka.GetInt("socket.listen.backlog.size"),
        };
        var quota = new ConnectionQuota(_time);
        quota.Change(LimitsOf(MetadataImage.Empty));
        _metadata.Observe(change => quota.Change(LimitsOf(change.Image)));
        var budget = new ByteBudget(settings.MaxInFlightBytes);
        var bound = new List<(Listener, int)>();
        foreach (var listener in _configuration.Listeners)
        {
            try
            {
                var running = await KafkaListener.BindAsync(listener.Name, listener.Bind.ToEndPoint(), dispatcher, settings, quota, budget, _time, _logs);
                _listeners.Add(running);
                bound.Add((listener, running.EndPoint.Port));
            }
            catch (Exception e) when (e is AddressInUseException or System.Net.Sockets.SocketException)
            {
                throw new StartupException($"Cannot listen on {listener.Bind}: {e.Message.TrimEnd('.')}. Stop what listens there, or choose another address with --listen.");
            }
        }

        Bound = bound;
    }

    private ConnectionLimits LimitsOf(MetadataImage image)
    {
        int Number(string name) => int.Parse(_configs.BrokerValue(image, name)!, System.Globalization.CultureInfo.InvariantCulture);
        var overrides = SettingDefinition.SplitList(_configs.BrokerValue(image, "max.connections.per.ip.overrides") ?? "")
            .Select(pair => pair.Split(':')).Where(pair => pair.Length == 2 && int.TryParse(pair[1], out _))
            .ToDictionary(pair => pair[0], pair => int.Parse(pair[1], System.Globalization.CultureInfo.InvariantCulture));
        return new ConnectionLimits(Number("max.connections"), Number("max.connections.per.ip"), overrides, Number("max.connection.creation.rate"));
    }

    private async Task RegisterAsync()
    {
        var request = new BrokerRegistrationRequest
        {
            BrokerId = _configuration.NodeId,
            ClusterId = ClusterId,
            IncarnationId = Guid.NewGuid(),
            Rack = _configuration.Kafka.Find("broker.rack"),
            LogDirs = [.. _directories.Logs.All.Select(directory => directory.Identity.DirectoryId)],
            Listeners = [.. Bound.Select(one => new BrokerRegistrationRequest.Listener
            {
                Name = one.Listener.Name,
                Host = one.Listener.Advertised.Host,
                Port = (ushort)(one.Listener.Advertised.Port == 0 ? one.Port : one.Listener.Advertised.Port),
                SecurityProtocol = one.Listener.SecurityProtocol,
            })],
        };
        var response = await _controller.AskAsync<BrokerRegistrationResponse>(request, StartTimeout);
        if (response.ErrorCode != ErrorCode.None)
        {
            throw new StartupException($"The controller refused this broker: {response.ErrorCode}.");
        }
    }

    private async Task StartReplicasAsync(Cluster cluster)
    {
        _groups = _system.ActorOf(CoordinatorManager.Props(GroupCoordinatorKind(), _replicas.Directory, _coordinators), "group-coordinators");
        var region = await ReplicaSharding.StartAsync(_system, _replicas, brokerId => brokerId == _configuration.NodeId ? cluster.SelfAddress : null);
        var manager = _system.ActorOf(ReplicaManager.Props(_replicas, region, _configuration.Kafka), "replica-manager");
        // What changes between the two lines is told twice, which a replica takes calmly; the other way round it would be lost.
        _metadata.Observe(change => ForgetOffsets(change.DeletedTopics));
        _metadata.Observe(change => manager.Tell(new ReplicaManager.Changed(change), ActorRefs.NoSender));
        var image = _metadata.Current;
        manager.Tell(new ReplicaManager.Changed(new ImageChange(image, [.. image.TopicsById.Keys], [], [])), ActorRefs.NoSender);
    }

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

    private RequestDispatcher MakeDispatcher()
    {
        var context = _broker = new BrokerContext(
            _configuration.NodeId, ClusterId, _configuration.Kafka, _configs, _metadata, _controller, _replicas, _time, _logs);
        var autoCreation = new TopicAutoCreation(context);
        var groups = new GroupRouting(context, _coordinators);
        RequestDispatcher? dispatcher = null;
        dispatcher = new RequestDispatcher(
        [
            new ApiVersionsHandler(context, () => dispatcher!.Served),
            new MetadataHandler(context, autoCreation),
            new ProduceHandler(context),
            new FetchHandler(context, new FetchSessions(_configuration.Kafka.GetInt("max.incremental.fetch.session.cache.slots"), _time, Random.Shared)),
            new ListOffsetsHandler(context),
            new OffsetForLeaderEpochHandler(context),
            new CreateTopicsHandler(context),
            new DeleteTopicsHandler(context),
            new CreatePartitionsHandler(context),
            new DeleteRecordsHandler(context),
            new InitProducerIdHandler(context),
            new DescribeConfigsHandler(context),
            new AlterConfigsHandler(context),
            new IncrementalAlterConfigsHandler(context),
            new DescribeClusterHandler(context),
            new DescribeTopicPartitionsHandler(context),
            new DescribeLogDirsHandler(context),
            new FindCoordinatorHandler(context, groups, autoCreation),
            .. MembershipHandlers.All(groups),
            new OffsetCommitHandler(context, groups),
            new OffsetFetchHandler(context, groups),
            new OffsetDeleteHandler(context, groups),
            new DescribeGroupsHandler(groups),
            new ListGroupsHandler(groups),
            new DeleteGroupsHandler(groups),
        ]);
        return dispatcher;
    }

    private static Config AkkaConfiguration(NodeConfiguration configuration)
    {
        using var stream = typeof(MilenaNode).Assembly.GetManifestResourceStream("reference.conf")!;
        using var reader = new StreamReader(stream);
        var address = ConfigurationFactory.ParseString($$"""
            akka.remote.dot-netty.tcp {
              hostname = "{{configuration.ClusterListen.Host}}"
              port = {{configuration.ClusterListen.Port}}
            }
            """);
        return configuration.Akka
            .WithFallback(address)
            .WithFallback(ConfigurationFactory.ParseString(reader.ReadToEnd()))
            .WithFallback(ClusterSharding.DefaultConfig())
            .WithFallback(Akka.Cluster.Tools.Singleton.ClusterSingleton.DefaultConfig())
            .WithFallback(Akka.DistributedData.DistributedData.DefaultConfig());
    }

    /// <summary>Applies what the quorum commits, and runs the controller while this node leads it.</summary>
    private sealed class Listening(MilenaNode node) : IMetadataLogListener
    {
        public void Committed(IReadOnlyList<IMessage> records, long lastOffset, int epoch, bool isSnapshot)
        {
            node._metadata.Apply(records, lastOffset, epoch, isSnapshot);
            node._controller.Controller?.Tell(new ControllerActor.Applied(node._metadata.Current), ActorRefs.NoSender);
            node._snapshots?.Check();
        }

        public void BecameLeader(int epoch)
        {
            var context = new ControllerContext(node._configuration.Kafka, Random.Shared, Guid.NewGuid);
            var props = ControllerActor.Props(node._metadataLog!, node._metadata.Current, context, node.ClusterId, epoch);
            node._controller.Controller = node._system.ActorOf(props, $"controller-{epoch}");
        }

        public void LostLeadership(Exception? cause)
        {
            NodeLog.LostLeadership(node._logs.CreateLogger("Milena.Metadata"), cause);
            if (node._controller.Controller is { } controller)
            {
                node._controller.Controller = null;
                node._system.Stop(controller);
            }
        }
    }
}

internal static partial class NodeLog
{
    [LoggerMessage(Level = LogLevel.Warning, Message = "The setting {Name} has no effect in this version of Milena")]
    public static partial void WithoutEffect(ILogger log, string name);

    [LoggerMessage(Level = LogLevel.Error, Message = "This node no longer leads the metadata quorum: nothing can be created or changed until it is restarted")]
    public static partial void LostLeadership(ILogger log, Exception? cause);
}
