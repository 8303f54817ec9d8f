using Milena.Broker;
using Milena.Metadata.Image;
using Milena.Network;
using Milena.Protocol;

namespace Milena.Replication.Tests;

/// <summary>The links between brokers, and to the controller (0), in memory: each can be cut; requests may be late, lost, or delivered after the asker gave up.</summary>
internal sealed class TestNetwork(Random random)
{
    public const int Controller = 0;

    private const double LateShare = 0.3;
    private const int MaxDelayMs = 3;

    private readonly Lock _gate = new();
    private readonly Dictionary<int, IRequestDispatcher> _nodes = [];
    private readonly HashSet<(int, int)> _cut = [];
    private TaskCompletionSource _cutNow = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Whether messages take their time; without it they are as fast as the machine.</summary>
    public bool IsSlow { get; set; }

    public void Join(int node, IRequestDispatcher dispatcher)
    {
        lock (_gate)
        {
            _nodes[node] = dispatcher;
        }
    }

    /// <summary>The node's process is gone: whoever waits for it loses its connection.</summary>
    public void Leave(int node)
    {
        lock (_gate)
        {
            _nodes.Remove(node);
            DropConnections();
        }
    }

    public void Cut(int a, int b)
    {
        lock (_gate)
        {
            _cut.Add(Link(a, b));
            DropConnections();
        }
    }

    public void Isolate(int node, IEnumerable<int> from)
    {
        foreach (var other in from.Where(other => other != node))
        {
            Cut(node, other);
        }
    }

    public void HealAll()
    {
        lock (_gate)
        {
            _cut.Clear();
        }
    }

    public bool IsCut(int a, int b)
    {
        lock (_gate)
        {
            return _cut.Contains(Link(a, b));
        }
    }

    /// <summary>As long as a message takes.</summary>
    public Task TravelAsync() => IsSlow ? Task.Delay(Next(MaxDelayMs + 1)) : Task.CompletedTask;

    public bool Chance(double share)
    {
        lock (_gate)
        {
            return random.NextDouble() < share;
        }
    }

    public ILeaderConnector ConnectorOf(int node) => new Connector(this, node);

    private static (int, int) Link(int a, int b) => (Math.Min(a, b), Math.Max(a, b));

    private int Next(int below)
    {
        lock (_gate)
        {
            return random.Next(below);
        }
    }

    private void DropConnections()
    {
        _cutNow.TrySetResult();
        _cutNow = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    private (IRequestDispatcher Node, Task Cut) Reach(int from, int to)
    {
        lock (_gate)
        {
            return !_cut.Contains(Link(from, to)) && _nodes.TryGetValue(to, out var node)
                ? (node, _cutNow.Task)
                : throw new IOException($"There is no way from {from} to {to}.");
        }
    }

    private sealed class Connector(TestNetwork network, int node) : ILeaderConnector
    {
        public Task<ILeaderConnection> ConnectAsync(int leader, BrokerEndPoint endPoint, TimeSpan timeout, CancellationToken cancellation)
        {
            network.Reach(node, leader);
            return Task.FromResult<ILeaderConnection>(new Connection(network, node, leader));
        }
    }

    private sealed class Connection(TestNetwork network, int from, int to) : ILeaderConnection
    {
        private readonly CancellationTokenSource _closed = new();

        public short VersionOf(ApiKey key) => ApiCatalog.Find((short)key)!.MaxVersion;

        public async Task<TResponse> AskAsync<TResponse>(ApiKey key, IRequestMessage request, TimeSpan timeout, CancellationToken cancellation)
            where TResponse : IResponseMessage
        {
            ObjectDisposedException.ThrowIf(_closed.IsCancellationRequested, this);
            var bytes = Encode(request, VersionOf(key));
            var (_, cut) = network.Reach(from, to);
            var answer = DeliverAsync(key, bytes);
            var first = await Task.WhenAny(answer, cut).WaitAsync(timeout, cancellation);
            if (network.IsCut(from, to) || (first == cut && !answer.IsCompleted))
            {
                // What was on its way may arrive all the same, after later requests on another connection.
                _ = answer.ContinueWith(task => task.Exception, TaskScheduler.Default);
                throw new IOException($"The connection from {from} to {to} is lost.");
            }

            return ApiCatalog.TryReadResponse((short)key, VersionOf(key), await answer, out var response) && response is TResponse read
                ? read
                : throw new InvalidDataException($"The answer to {key} cannot be read.");
        }

        public ValueTask DisposeAsync()
        {
            _closed.Cancel();
            return ValueTask.CompletedTask;
        }

        private async Task<byte[]> DeliverAsync(ApiKey key, byte[] bytes)
        {
            await network.TravelAsync();
            if (network.IsSlow && network.IsCut(from, to) && network.Chance(LateShare))
            {
                await network.TravelAsync();
            }
            else if (network.IsCut(from, to))
            {
                throw new IOException("Lost on the way.");
            }

            IRequestDispatcher? node;
            lock (network._gate)
            {
                node = network._nodes.GetValueOrDefault(to);
            }

            if (node is null || !ApiCatalog.TryReadRequest((short)key, VersionOf(key), bytes, out var request))
            {
                throw new IOException("Nobody listens.");
            }

            var context = new RequestContext(new ClientConnection($"{from}-{to}", "PLAINTEXT", "memory", _closed.Token), (short)key, VersionOf(key), 1, null);
            var response = await node.DispatchAsync(context, request);
            // Record bytes are read when the answer is sent, which may be a while after they were looked up.
            await network.TravelAsync();
            return Encode(response!, VersionOf(key));
        }

        private static byte[] Encode(IMessage message, short version)
        {
            using var buffer = new MessageBuffer();
            var writer = new ProtocolWriter(buffer);
            message.Write(ref writer, version);
            var bytes = buffer.ToArray();
            (message as IDisposable)?.Dispose();
            return bytes;
        }
    }
}
