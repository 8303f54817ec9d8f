using Akka.Actor;
using Akka.Configuration;
using Microsoft.Extensions.Logging.Abstractions;
using Milena.Broker;
using Milena.Broker.Fetching;
using Milena.Broker.Handlers;
using Milena.Broker.Producing;
using Milena.Metadata.Controller;
using Milena.Metadata.Image;
using Milena.Metadata.Settings;
using Milena.Model;
using Milena.Network;
using Milena.Protocol;
using Milena.Storage;
using Milena.Testing;

namespace Milena.Replication.Tests;

/// <summary>One broker's replicas on a disk in memory: everything between its metadata and its logs is the real thing.</summary>
internal sealed class TestNode : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private static readonly Config Akka = ConfigurationFactory.ParseString("""
        akka.loglevel = WARNING
        akka.loggers = []
        akka.stdout-loglevel = OFF
        akka.log-dead-letters = off
        akka.persistence.journal.plugin = "akka.persistence.journal.milena-replica"
        akka.persistence.snapshot-store.plugin = "akka.persistence.no-snapshot-store"
        akka.persistence.journal.milena-replica.class = "Milena.Replication.ReplicaFactJournal, Milena.Replication"
        akka.persistence.journal.milena-replica.plugin-dispatcher = "milena.journal-dispatcher"
        milena.replica-dispatcher.type = Dispatcher
        milena.replica-dispatcher.executor = thread-pool-executor
        milena.replica-dispatcher.throughput = 50
        milena.journal-dispatcher.type = PinnedDispatcher
        """);

    /// <summary>Never, within a test: what a follower has to hear of must reach it without being looked for.</summary>
    private static readonly TimeSpan LookAtAll = TimeSpan.FromHours(1);

    /// <summary>As a node's own. By a clock that stands still nothing would come of such a pause, so there is none.</summary>
    private static readonly TimeSpan Gather = TimeSpan.FromMilliseconds(8);

    private readonly LogDirectories _directories = new();
    private readonly ActorSystem _system;
    private readonly TestController _controller;

    private TestNode(int id, FaultyDisk disk, int seed, TestController controller, TestNetwork network, StaticSettings settings, int directories, TimeProvider time)
    {
        (Id, _controller) = (id, controller);
        var environment = new LogEnvironment(disk, TimeProvider.System, new Random(seed), _directories);
        foreach (var path in Enumerable.Range(1, directories).Select(PathOf))
        {
            if (LogDirectory.TryOpen(path, "AAAAAAAAAAAAAAAAAAAAAQ", id, environment, out var directory, out var problem))
            {
                _directories.Add(directory!);
            }
            else if (!_directories.IsOffline(path))
            {
                throw new InvalidOperationException(problem);
            }
        }

        _directories.Failed += (_, _) => _ = Task.Run(() => controller.DirectoriesFailed(id, [.. _directories.Offline.Select(directory => directory.Identity.DirectoryId)]));
        var configs = new ConfigResolver(settings, id);
        Host = new ReplicaHost(
            id, _directories, Metadata, configs, new Link(id, controller, network), network.ConnectorOf(id), time, Said);
        _system = ActorSystem.Create($"node-{id}", Akka);
        Said.Hear(_system);
        ReplicaHostExtension.Install(_system, Host);
        Context = new BrokerContext(id, "cluster", settings, configs, Metadata, new ControllerClient(), Host, time, NullLoggerFactory.Instance);
        Dispatcher = new RequestDispatcher(
            [new FetchHandler(Context, new FetchSessions(100, LookAtAll, time == TimeProvider.System ? Gather : TimeSpan.Zero, time, new Random(seed))), new ListOffsetsHandler(Context), new ProduceHandler(Context)]);
    }

    public int Id { get; }

    public Said Said { get; } = new();

    public MetadataStore Metadata { get; } = new();

    public ReplicaHost Host { get; }

    public BrokerContext Context { get; }

    public RequestDispatcher Dispatcher { get; }

    /// <summary>The first log directory is 1.</summary>
    public static string PathOf(int directory) => Path.GetFullPath(directory == 1 ? "/data" : $"/data{directory}");

    /// <param name="time">What it measures time by; the system's where nothing is said. Its logs go by the system's in any case.</param>
    public static TestNode Start(
        int id,
        FaultyDisk disk,
        int seed,
        TestController controller,
        TestNetwork network,
        StaticSettings settings,
        Action<TestNode>? prepare = null,
        int directories = 1,
        TimeProvider? time = null)
    {
        var node = new TestNode(id, disk, seed, controller, network, settings, directories, time ?? TimeProvider.System);
        prepare?.Invoke(node);
        controller.Register(id, node.Metadata, node._directories.OnlineIds);
        node.Host.LoadLogs(1);
        var region = node._system.ActorOf(Props.Create(() => new Region(node.Host)), "region");
        var manager = node._system.ActorOf(ReplicaManager.Props(node.Host, region, settings), "manager");
        node.Metadata.Observe(change => manager.Tell(new ReplicaManager.Changed(change), ActorRefs.NoSender));
        var image = node.Metadata.Current;
        manager.Tell(new ReplicaManager.Changed(new ImageChange(image, [.. image.TopicsById.Keys], [], [])), ActorRefs.NoSender);
        network.Join(id, node.Dispatcher);
        return node;
    }

    /// <summary>The epoch of the partition's last leader, whether this node has heard of it or not.</summary>
    public int LastElected(TopicPartition partition) => _controller.Find(partition).LeaderEpoch;

    public Replica? Find(TopicPartition partition) => Host.Directory.Find(partition);

    /// <summary>As a client's produce with acks=all.</summary>
    public async Task<AppendOutcome> AppendAsync(TopicPartition partition, byte[] batch, short acks = -1, int timeoutMs = 30_000)
    {
        if (Find(partition) is not { } replica)
        {
            return AppendOutcome.Failed(ErrorCode.NotLeaderOrFollower);
        }

        var completion = AppendCompletion.Rent();
        var outcome = completion.Task.AsTask();
        replica.Actor.Tell(new ReplicaActor.Append(batch, acks, completion, timeoutMs), ActorRefs.NoSender);
        // What is told to an actor that has ended is answered by nobody, as on a connection that is lost.
        await Task.WhenAny(outcome, replica.Ended).WaitAsync(Patience);
        return outcome.IsCompleted ? await outcome : AppendOutcome.Failed(ErrorCode.UnknownServerError);
    }

    /// <summary>Completes with the log's end when the replica has done what it was told before.</summary>
    public async Task<long> BarrierAsync(TopicPartition partition)
    {
        var reply = new TaskCompletionSource<long>(TaskCreationOptions.RunContinuationsAsynchronously);
        Find(partition)!.Actor.Tell(new ReplicaActor.Barrier(reply), ActorRefs.NoSender);
        return await reply.Task.WaitAsync(Patience);
    }

    public Task<IResponseMessage> AskAsync(ApiKey key, IRequestMessage request, short? version = null) => AskAsync(RequestOf(key, version), request);

    public async Task<IResponseMessage> AskAsync(RequestContext context, IRequestMessage request) =>
        (await Dispatcher.DispatchAsync(context, request).AsTask().WaitAsync(Patience))!;

    public static RequestContext RequestOf(ApiKey key, short? version = null) =>
        new(new ClientConnection("test", "PLAINTEXT", "memory", default), (short)key, version ?? ApiCatalog.Find((short)key)!.MaxVersion, 1, null);

    /// <summary>The process ends without a word; its disk keeps what it has until told otherwise.</summary>
    public async ValueTask DisposeAsync()
    {
        Host.StopTalking();
        await _system.Terminate().WaitAsync(Patience);
        Host.Dispose();
        _directories.Dispose();
    }

    /// <summary>The way to the controller is as good as the network.</summary>
    private sealed class Link(int id, TestController controller, TestNetwork network) : IPartitionController
    {
        private const double LostAnswerShare = 0.2;

        public Task<AlterPartitionResponse> AlterAsync(AlterPartitionRequest request, TimeSpan timeout) => AskAsync(() => controller.Alter(request));

        public Task<AssignReplicasToDirsResponse> AssignAsync(AssignReplicasToDirsRequest request, TimeSpan timeout) => AskAsync(() => controller.Assign(request));

        private async Task<TResponse> AskAsync<TResponse>(Func<TResponse> ask)
        {
            await network.TravelAsync();
            if (network.IsCut(id, TestNetwork.Controller))
            {
                throw new TimeoutException("The controller is not reached.");
            }

            var response = ask();
            await network.TravelAsync();
            return network.IsCut(id, TestNetwork.Controller) || (network.IsSlow && network.Chance(LostAnswerShare))
                ? throw new TimeoutException("The controller's answer is lost.")
                : response;
        }
    }

    /// <summary>In place of the shard region: one actor for each replica.</summary>
    private sealed class Region : ReceiveActor
    {
        public Region(ReplicaHost host) => Receive<ReplicaSharding.Envelope>(envelope =>
        {
            var name = envelope.Id.ToString().Replace('/', '.');
            var child = Context.Child(name);
            (child.IsNobody() ? Context.ActorOf(ReplicaActor.Props(host, envelope.Id), name) : child).Tell(envelope.Message, ActorRefs.NoSender);
        });
    }
}
