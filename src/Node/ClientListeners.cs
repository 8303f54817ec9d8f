using System.Globalization;
using Microsoft.Extensions.Logging;
using Milena.Metadata.Image;
using Milena.Metadata.Settings;
using Milena.Network;
using Milena.Node.Configuration;

namespace Milena.Node;

/// <summary>The Kafka listeners of a node, with the limits that its settings, and later its cluster's, put on them.</summary>
internal sealed class ClientListeners : IAsyncDisposable
{
    private readonly List<KafkaListener> _listeners = [];
    private readonly ConfigResolver _configs;

    private ClientListeners(ConfigResolver configs) => _configs = configs;

    /// <summary>The listeners' names and the addresses they really have.</summary>
    public IReadOnlyList<(Listener Listener, int Port)> Bound { get; private set; } = [];

    /// <summary>Binds all of them; who connects waits until they are opened.</summary>
    /// <exception cref="StartupException">An address is taken.</exception>
    public static async Task<ClientListeners> BindAsync(
        NodeConfiguration configuration, IRequestDispatcher dispatcher, ConfigResolver configs, MetadataStore metadata, TimeProvider time, ILoggerFactory logs)
    {
        var listeners = new ClientListeners(configs);
        try
        {
            await listeners.BindAllAsync(configuration, dispatcher, metadata, time, logs);
            return listeners;
        }
        catch
        {
            await listeners.DisposeAsync();
            throw;
        }
    }

    /// <summary>Whether clients are accepted.</summary>
    public bool IsOpen { get; private set; }

    public void Open()
    {
        _listeners.ForEach(listener => listener.Open());
        IsOpen = true;
    }

    /// <summary>Ends all at the same time: each may wait for its last requests.</summary>
    public async ValueTask DisposeAsync() => await Task.WhenAll(_listeners.Select(listener => listener.DisposeAsync().AsTask()));

    private async Task BindAllAsync(NodeConfiguration configuration, IRequestDispatcher dispatcher, MetadataStore metadata, TimeProvider time, ILoggerFactory logs)
    {
        var settings = new NetworkSettings
        {
            MaxRequestBytes = configuration.Kafka.GetInt("socket.request.max.bytes"),
            MaxInFlightRequests = configuration.MaxInFlightRequests,
            MaxInFlightBytes = configuration.MaxInFlightBytes,
            MaxInFlightBytesPerConnection = configuration.MaxInFlightBytesPerConnection,
            MaxIdle = configuration.Kafka.GetMs("connections.max.idle.ms"),
            Backlog = configuration.Kafka.GetInt("socket.listen.backlog.size"),
        };
        var quota = new ConnectionQuota(time);
        quota.Change(LimitsOf(MetadataImage.Empty));
        metadata.Observe(change => quota.Change(LimitsOf(change.Image)));
        var budget = new ByteBudget(settings.MaxInFlightBytes);
        var bound = new List<(Listener, int)>();
        foreach (var listener in configuration.Listeners)
        {
            try
            {
                var running = await KafkaListener.BindAsync(listener.Name, listener.Bind.ToEndPoint(), dispatcher, settings, quota, budget, time, logs);
                _listeners.Add(running);
                bound.Add((listener, running.EndPoint.Port));
            }
            catch (System.Net.Sockets.SocketException e)
            {
                throw new StartupException($"Cannot listen on {listener.Bind}: {e.Message.TrimEnd('.')}. Stop what listens there, or choose another address with --listen.");
            }
        }

        Bound = bound;
    }

    private ConnectionLimits LimitsOf(MetadataImage image)
    {
        int Number(string name) => int.Parse(_configs.BrokerValue(image, name)!, CultureInfo.InvariantCulture);
        var overrides = SettingDefinition.SplitList(_configs.BrokerValue(image, "max.connections.per.ip.overrides") ?? "")
            .Select(pair => pair.Split(':')).Where(pair => pair.Length == 2 && int.TryParse(pair[1], out _))
            .ToDictionary(pair => pair[0], pair => int.Parse(pair[1], CultureInfo.InvariantCulture));
        return new ConnectionLimits(Number("max.connections"), Number("max.connections.per.ip"), overrides, Number("max.connection.creation.rate"));
    }
}
