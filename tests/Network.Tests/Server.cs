using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace Milena.Network.Tests;

/// <summary>A listener on a free port of the loopback, with a clock of its own.</summary>
internal sealed class Server : IAsyncDisposable
{
    private readonly KafkaListener _listener;

    private Server(KafkaListener listener, FakeTimeProvider time, ConnectionQuota quota, ByteBudget budget, ParkingDispatcher dispatcher) =>
        (_listener, Time, Quota, Budget, Dispatcher) = (listener, time, quota, budget, dispatcher);

    public FakeTimeProvider Time { get; }

    public ConnectionQuota Quota { get; }

    /// <summary>Bytes of requests in work, of all connections.</summary>
    public ByteBudget Budget { get; }

    public ParkingDispatcher Dispatcher { get; }

    public static async Task<Server> StartAsync(NetworkSettings? settings = null, ConnectionLimits? limits = null, ILoggerFactory? logs = null)
    {
        settings ??= new NetworkSettings();
        var time = new FakeTimeProvider(DateTimeOffset.UnixEpoch.AddYears(50));
        var quota = new ConnectionQuota(time);
        quota.Change(limits ?? ConnectionLimits.None);
        var budget = new ByteBudget(settings.MaxInFlightBytes);
        var dispatcher = new ParkingDispatcher();
        var listener = await KafkaListener.BindAsync("TEST", new IPEndPoint(IPAddress.Loopback, 0), dispatcher, settings, quota, budget, time, logs ?? NullLoggerFactory.Instance);
        listener.Open();
        return new Server(listener, time, quota, budget, dispatcher);
    }

    public RawClient Connect()
    {
        var client = new TcpClient { NoDelay = true };
        client.Connect(_listener.EndPoint);
        return new RawClient(client);
    }

    /// <summary>Waits until no more connections are left: the server learns of a closed one a moment after its client has closed it.</summary>
    public async Task RoomAsync(int connections)
    {
        using var patience = new CancellationTokenSource(RawClient.Patience);
        while (Quota.Total > connections)
        {
            await Task.Yield();
            Assert.False(patience.IsCancellationRequested, $"{Quota.Total} connections are still counted");
        }
    }

    public ValueTask DisposeAsync() => _listener.DisposeAsync();
}
