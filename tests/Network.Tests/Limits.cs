using Milena.Protocol;
using Milena.Testing;

namespace Milena.Network.Tests;

public sealed class Limits
{
    private const short MetadataVersion = 12;

    private static readonly MetadataRequest AnyRequest = new() { Topics = [] };
    private static readonly int FrameBytes = RawClient.Frame(ApiKey.Metadata, MetadataVersion, 1, AnyRequest).Length - sizeof(int);

    [Fact]
    public async Task Requests_beyond_the_number_in_flight_stay_in_the_socket()
    {
        await using var server = await Server.StartAsync(new NetworkSettings { MaxInFlightRequests = 2 });
        using var client = server.Connect();
        for (var id = 1; id <= 20; id++)
        {
            client.Send(ApiKey.Metadata, MetadataVersion, id, AnyRequest);
        }

        for (var id = 1; id <= 20; id++)
        {
            await server.Dispatcher.ArrivalsAsync(1, RawClient.Patience);
            // One more than the limit may have been started: it is the one that found the queue full; and one is with the writer.
            Assert.InRange(server.Dispatcher.Count, id, id + 3);
            server.Dispatcher.Answer(id, new MetadataResponse());
            Assert.Equal(id, await client.ReadCorrelationIdAsync());
        }
    }

    [Fact]
    public async Task Bytes_in_flight_of_one_connection_are_bounded_and_given_back()
    {
        await using var server = await Server.StartAsync(new NetworkSettings { MaxInFlightBytesPerConnection = FrameBytes * 2 });
        using var client = server.Connect();
        for (var id = 1; id <= 3; id++)
        {
            client.Send(ApiKey.Metadata, MetadataVersion, id, AnyRequest);
        }

        await server.Dispatcher.ArrivalsAsync(2, RawClient.Patience);
        Assert.Equal(2 * FrameBytes, server.Budget.Held);
        server.Dispatcher.Answer(1, new MetadataResponse());
        await server.Dispatcher.ArrivalsAsync(1, RawClient.Patience);
        server.Dispatcher.Answer(2, new MetadataResponse());
        server.Dispatcher.Answer(3, new MetadataResponse());
        for (var id = 1; id <= 3; id++)
        {
            Assert.Equal(id, await client.ReadCorrelationIdAsync());
        }
    }

    [Fact]
    public async Task Bytes_in_flight_of_the_process_make_one_client_wait_for_another()
    {
        await using var server = await Server.StartAsync(new NetworkSettings { MaxInFlightBytes = FrameBytes });
        using var first = server.Connect();
        using var second = server.Connect();
        first.Send(ApiKey.Metadata, MetadataVersion, 1, AnyRequest);
        await server.Dispatcher.ArrivalsAsync(1, RawClient.Patience);
        second.Send(ApiKey.Metadata, MetadataVersion, 2, AnyRequest);
        server.Dispatcher.Answer(1, new MetadataResponse());
        Assert.Equal(1, await first.ReadCorrelationIdAsync());
        await server.Dispatcher.ArrivalsAsync(1, RawClient.Patience);
        server.Dispatcher.Answer(2, new MetadataResponse());
        Assert.Equal(2, await second.ReadCorrelationIdAsync());
    }

    [Fact]
    public async Task A_large_size_that_is_only_announced_costs_little_memory()
    {
        await using var server = await Server.StartAsync();
        using var client = server.Connect();
        client.Send([.. RawClient.Size(90 << 20), 0, 3, 0, 12]);
        client.Dispose();
        using var other = server.Connect();
        var before = GC.GetTotalMemory(forceFullCollection: true);
        for (var i = 0; i < 10; i++)
        {
            using var greedy = server.Connect();
            greedy.Send([.. RawClient.Size(90 << 20), 0, 3, 0, 12]);
        }

        other.Send(ApiKey.ApiVersions, 0, 5, new ApiVersionsRequest());
        Assert.Equal(5, await other.ReadCorrelationIdAsync());
        Assert.InRange(GC.GetTotalMemory(forceFullCollection: true) - before, long.MinValue, 64 << 20);
    }

    [Fact]
    public async Task Connections_are_bounded_in_all_and_per_address_and_a_closed_one_makes_room()
    {
        await using var server = await Server.StartAsync(limits: ConnectionLimits.None with { MaxConnections = 2 });
        var first = server.Connect();
        using var second = server.Connect();
        await IsServedAsync(first);
        await IsServedAsync(second);
        using (var third = server.Connect())
        {
            await third.ClosedAsync("a third connection");
        }

        first.Dispose();
        await server.RoomAsync(1);
        using var fourth = server.Connect();
        await IsServedAsync(fourth);

        server.Quota.Change(ConnectionLimits.None with { MaxConnectionsPerAddress = 1 });
        using var fifth = server.Connect();
        await fifth.ClosedAsync("a third connection of the address");

        server.Quota.Change(ConnectionLimits.None with { MaxConnectionsPerAddress = 1, Overrides = new Dictionary<string, int> { ["127.0.0.1"] = 5 } });
        using var sixth = server.Connect();
        await IsServedAsync(sixth);
    }

    [Fact]
    public async Task New_connections_are_bounded_per_second()
    {
        await using var server = await Server.StartAsync(limits: ConnectionLimits.None with { MaxNewPerSecond = 1 });
        using var first = server.Connect();
        await IsServedAsync(first);
        using (var second = server.Connect())
        {
            await second.ClosedAsync("a second connection in a second");
        }

        server.Time.Advance(TimeSpan.FromSeconds(1));
        using var third = server.Connect();
        await IsServedAsync(third);
    }

    [Fact]
    public async Task A_silent_connection_is_closed_and_one_whose_answer_is_on_its_way_is_not()
    {
        await using var server = await Server.StartAsync(new NetworkSettings { MaxIdle = TimeSpan.FromMinutes(10) });
        using var silent = server.Connect();
        using var waiting = server.Connect();
        await IsServedAsync(silent);
        waiting.Send(ApiKey.Metadata, MetadataVersion, 1, AnyRequest);
        await server.Dispatcher.ArrivalsAsync(1, RawClient.Patience);
        server.Time.Advance(TimeSpan.FromMinutes(11));
        await silent.ClosedAsync("ten silent minutes");
        server.Dispatcher.Answer(1, new MetadataResponse());
        Assert.Equal(1, await waiting.ReadCorrelationIdAsync());
    }

    [Fact]
    public async Task Stopping_closes_connections_and_waits_for_requests()
    {
        var server = await Server.StartAsync();
        using var client = server.Connect();
        client.Send(ApiKey.Metadata, MetadataVersion, 1, AnyRequest);
        await server.Dispatcher.ArrivalsAsync(1, RawClient.Patience);
        var stopped = server.DisposeAsync().AsTask();
        await client.ClosedAsync("the server stops");
        Assert.False(stopped.IsCompleted);
        server.Dispatcher.Answer(1, new MetadataResponse());
        await stopped.WaitAsync(RawClient.Patience);
        Assert.Equal(0, server.Budget.Held);
    }

    [Fact]
    public async Task Stopping_does_not_wait_for_ever_for_a_request_that_nothing_answers()
    {
        var logs = new KeptLogs();
        var server = await Server.StartAsync(logs: logs);
        using var client = server.Connect();
        client.Send(ApiKey.Metadata, MetadataVersion, 1, AnyRequest);
        await server.Dispatcher.ArrivalsAsync(1, RawClient.Patience);
        var stopped = server.DisposeAsync().AsTask();
        await client.ClosedAsync("the server stops");
        using var patience = new CancellationTokenSource(RawClient.Patience);
        while (!stopped.IsCompleted)
        {
            Assert.False(patience.IsCancellationRequested, "the server has not stopped");
            // Time only counts once it is waited for.
            server.Time.Advance(TimeSpan.FromSeconds(1));
            await Task.Yield();
        }

        await stopped;
        Assert.Contains(logs.Messages, message => message.Contains("1 requests", StringComparison.Ordinal) && message.EndsWith("is Metadata", StringComparison.Ordinal));
        server.Dispatcher.Answer(1, new MetadataResponse());
        await server.RoomAsync(0);
    }

    private static async Task IsServedAsync(RawClient client)
    {
        client.Send(ApiKey.ApiVersions, 0, 9, new ApiVersionsRequest());
        Assert.Equal(9, await client.ReadCorrelationIdAsync());
    }
}
