using System.Collections.Concurrent;
using System.Net;
using Milena.Metadata.Image;
using Milena.Metadata.Log;
using Milena.Protocol;
using Milena.Storage;

namespace Milena.Metadata.Quorum.Tests;

/// <summary>One replica as a process would run it: a directory on the real disk, a port on the loopback, a listener that remembers.</summary>
internal sealed class QuorumNode : IMetadataLogListener, IDiskErrorSink, IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly string _directory;
    private bool _wasClean = true;

    public QuorumNode(int id, string root, int port = 0)
    {
        Id = id;
        _directory = Path.Combine(root, $"node-{id}");
        Transport = TcpQuorumTransport.Bind(new IPEndPoint(IPAddress.Loopback, port), TimeProvider.System);
        Port = Transport.Port;
    }

    public int Id { get; }

    public int Port { get; }

    public TcpQuorumTransport Transport { get; private set; }

    public ReplicatedMetadataLog? Log { get; private set; }

    /// <summary>Names of the topics decided, in order, since the last start; those of a snapshot in the order of their names.</summary>
    public ConcurrentQueue<string> Topics { get; } = [];

    /// <summary>What a node would keep of the decisions.</summary>
    public MetadataStore Store { get; private set; } = new();

    /// <summary>How many images replaced what was there, since the last start.</summary>
    public volatile int Snapshots;

    public QuorumSettings Settings { get; init; } = new();

    public MetadataLogSettings LogSettings { get; init; } = new();

    public volatile int LeadsInEpoch;

    public Voter Voter => new(MachineFixture.KeyOf(Id), [new QuorumEndpoint("QUORUM", "127.0.0.1", (ushort)Port)]);

    public void Start(VoterSet first, params QuorumPeer[] bootstrap)
    {
        if (Log is not null)
        {
            Transport = TcpQuorumTransport.Bind(new IPEndPoint(IPAddress.Loopback, Port), TimeProvider.System);
        }

        Topics.Clear();
        Store = new MetadataStore();
        (LeadsInEpoch, Snapshots) = (0, 0);
        var environment = new LogEnvironment(PhysicalDisk.Instance, TimeProvider.System, new Random(Id), this);
        var self = new QuorumIdentity("cluster", Voter.Key, Voter.Endpoints);
        var log = QuorumLog.Open(_directory, _wasClean, environment, LogSettings);
        Log = ReplicatedMetadataLog.Open(new QuorumConfiguration(self, first, [.. bootstrap], Settings), log, Transport, environment, new Random(Id));
        Log.Start(this);
    }

    public async Task KillAsync()
    {
        _wasClean = false;
        await Log!.AbandonAsync();
    }

    public async Task StopAsync()
    {
        _wasClean = true;
        await Log!.DisposeAsync();
    }

    /// <returns>The offset of the record, once it is decided here.</returns>
    public async Task AppendAsync(string topic)
    {
        Log!.Append(LeadsInEpoch, [new TopicRecord { Name = topic, TopicId = Guid.NewGuid() }]);
        await Until(() => Topics.Contains(topic), $"topic {topic} to be decided at node {Id}");
    }

    /// <summary>Polls, because what it waits for has no event of its own to await.</summary>
    public static async Task Until(Func<bool> holds, string what, TimeSpan? patience = null)
    {
        using var timeout = new CancellationTokenSource(patience ?? Patience);
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(5));
        while (!holds())
        {
            try
            {
                await timer.WaitForNextTickAsync(timeout.Token);
            }
            catch (OperationCanceledException)
            {
                Assert.Fail($"Waited {patience ?? Patience} for {what}.");
            }
        }
    }

    public static async Task<QuorumNode> LeaderAsync(params QuorumNode[] nodes)
    {
        QuorumNode? leader = null;
        await Until(() => (leader = nodes.FirstOrDefault(node => node.LeadsInEpoch > 0)) is not null, "a leader");
        return leader!;
    }

    public ValueTask DisposeAsync() => Log?.AbandonAsync() ?? Transport.DisposeAsync();

    void IMetadataLogListener.Committed(IReadOnlyList<IMessage> records, long lastOffset, int epoch, bool isSnapshot)
    {
        if (isSnapshot)
        {
            Topics.Clear();
            Snapshots++;
        }

        Store.Apply(records, lastOffset, epoch, isSnapshot);
        foreach (var topic in records.OfType<TopicRecord>())
        {
            Topics.Enqueue(topic.Name);
        }
    }

    void IMetadataLogListener.BecameLeader(int epoch) => LeadsInEpoch = epoch;

    void IMetadataLogListener.LostLeadership(Exception? cause) => LeadsInEpoch = 0;

    void IDiskErrorSink.DiskFailed(string logDirectory, Exception error) => Assert.Fail($"The disk failed under {logDirectory}: {error}");
}
