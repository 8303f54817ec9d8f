using System.Buffers.Binary;
using Milena.Protocol;

namespace Milena.Network.Tests;

public sealed class Framing_and_order
{
    private const short MetadataVersion = 12;

    private static readonly MetadataRequest AnyRequest = new() { Topics = [] };

    [Fact]
    public async Task Answers_leave_in_the_order_of_the_requests_and_not_of_the_work()
    {
        await using var server = await Server.StartAsync();
        using var client = server.Connect();
        for (var id = 1; id <= 3; id++)
        {
            client.Send(ApiKey.Metadata, MetadataVersion, id, AnyRequest);
        }

        // All three are in work at once: a fetch that waits holds up nobody's produce.
        await server.Dispatcher.ArrivalsAsync(3, RawClient.Patience);
        server.Dispatcher.Answer(3, new MetadataResponse());
        server.Dispatcher.Answer(2, new MetadataResponse());
        server.Dispatcher.Answer(1, new MetadataResponse());
        for (var id = 1; id <= 3; id++)
        {
            Assert.Equal(id, await client.ReadCorrelationIdAsync());
        }
    }

    [Fact]
    public async Task A_request_that_wants_no_answer_gets_none()
    {
        await using var server = await Server.StartAsync();
        using var client = server.Connect();
        client.Send(ApiKey.Produce, 9, 1, new ProduceRequest { Acks = 0 });
        client.Send(ApiKey.Metadata, MetadataVersion, 2, AnyRequest);
        await server.Dispatcher.ArrivalsAsync(2, RawClient.Patience);
        server.Dispatcher.Answer(1, null);
        server.Dispatcher.Answer(2, new MetadataResponse());
        Assert.Equal(2, await client.ReadCorrelationIdAsync());
    }

    [Fact]
    public async Task A_connection_may_end_with_an_answer_that_is_still_read()
    {
        await using var server = await Server.StartAsync();
        using var client = server.Connect();
        for (var id = 1; id <= 3; id++)
        {
            client.Send(ApiKey.Metadata, MetadataVersion, id, AnyRequest);
        }

        await server.Dispatcher.ArrivalsAsync(3, RawClient.Patience);
        server.Dispatcher[2].Context.ClosesBecause = "of the test";
        server.Dispatcher.Answer(3, new MetadataResponse());
        server.Dispatcher.Answer(2, new MetadataResponse());
        server.Dispatcher.Answer(1, new MetadataResponse());
        Assert.Equal(1, await client.ReadCorrelationIdAsync());
        Assert.Equal(2, await client.ReadCorrelationIdAsync());
        await client.ClosedAsync("the second answer was the last");
    }

    [Fact]
    public async Task A_frame_may_come_a_byte_at_a_time_and_two_in_one_piece()
    {
        await using var server = await Server.StartAsync();
        using var client = server.Connect();
        var frame = RawClient.Frame(ApiKey.ApiVersions, 3, 7, new ApiVersionsRequest { ClientSoftwareName = "raw", ClientSoftwareVersion = "1" });
        foreach (var one in frame)
        {
            client.Send(one);
        }

        Assert.Equal(7, await client.ReadCorrelationIdAsync());
        client.Send([.. frame, .. frame]);
        Assert.Equal(7, await client.ReadCorrelationIdAsync());
        Assert.Equal(7, await client.ReadCorrelationIdAsync());
    }

    public static TheoryData<string, byte[]> Malformed => new()
    {
        { "a negative size", RawClient.Size(-1) },
        { "a size of zero", RawClient.Size(0) },
        { "a size below a header's", RawClient.Size(7) },
        { "a size above the limit", RawClient.Size(NetworkTestLimits.MaxRequestBytes + 1) },
        { "an HTTP request", "GET / HTTP/1.1\r\nHost: x\r\n\r\n"u8.ToArray() },
        { "a TLS hello", [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, 1, 2, 3, 4, 5, 6, 7, 8, 9] },
        { "an unknown key", Header(999, 0) },
        { "a negative key", Header(-1, 0) },
        { "a version that is not served", Header((short)ApiKey.Metadata, 99) },
        { "a negative version", Header((short)ApiKey.Metadata, -1) },
        { "a body that is cut short", Cut(RawClient.Frame(ApiKey.Metadata, MetadataVersion, 1, new MetadataRequest { Topics = [new() { Name = "cut" }] })) },
    };

    [Theory]
    [MemberData(nameof(Malformed))]
    public async Task What_is_malformed_closes_its_connection_and_no_other(string what, byte[] bytes)
    {
        await using var server = await Server.StartAsync(new NetworkSettings { MaxRequestBytes = NetworkTestLimits.MaxRequestBytes });
        using var other = server.Connect();
        using var client = server.Connect();
        client.Send(bytes);
        await client.ClosedAsync(what);
        other.Send(ApiKey.ApiVersions, 0, 5, new ApiVersionsRequest());
        Assert.Equal(5, await other.ReadCorrelationIdAsync());
        Assert.Equal(0, server.Budget.Held);
    }

    /// <summary>As librdkafka 2.16 asks for all topics: it reserves four bytes for the list, and one is enough to say that there is none.</summary>
    [Fact]
    public async Task Bytes_behind_a_request_are_passed_over()
    {
        await using var server = await Server.StartAsync();
        using var client = server.Connect();
        client.Send(Longer(RawClient.Frame(ApiKey.Metadata, 13, 3, new MetadataRequest { Topics = null })));
        await server.Dispatcher.ArrivalsAsync(1, RawClient.Patience);
        Assert.Null(((MetadataRequest)server.Dispatcher[3].Request).Topics);
        server.Dispatcher.Answer(3, new MetadataResponse());
        Assert.Equal(3, await client.ReadCorrelationIdAsync());
        client.Send(ApiKey.ApiVersions, 0, 4, new ApiVersionsRequest());
        Assert.Equal(4, await client.ReadCorrelationIdAsync());
    }

    [Fact]
    public async Task An_unknown_version_of_ApiVersions_is_answered_in_version_0()
    {
        await using var server = await Server.StartAsync();
        using var client = server.Connect();
        client.Send([.. RawClient.Size(10), 0, 18, 0, 99, 0, 0, 0, 3, 0, 0]);
        var frame = await client.ReadFrameAsync();
        Assert.True(ApiCatalog.TryReadResponse(18, 0, frame.AsMemory(sizeof(int)), out var response));
        Assert.Equal(Model.ErrorCode.UnsupportedVersion, ((ApiVersionsResponse)response).ErrorCode);
    }

    [Fact]
    public async Task A_handler_that_throws_costs_its_connection_and_no_other()
    {
        await using var server = await Server.StartAsync();
        using var client = server.Connect();
        using var other = server.Connect();
        client.Send(ApiKey.Metadata, MetadataVersion, 1, AnyRequest);
        await server.Dispatcher.ArrivalsAsync(1, RawClient.Patience);
        server.Dispatcher.Fail(1, new InvalidOperationException("a bug"));
        await client.ClosedAsync("a bug");
        other.Send(ApiKey.ApiVersions, 0, 5, new ApiVersionsRequest());
        Assert.Equal(5, await other.ReadCorrelationIdAsync());
    }

    [Fact]
    public async Task A_client_that_leaves_ends_what_waits_for_it()
    {
        await using var server = await Server.StartAsync();
        var closed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using (var client = server.Connect())
        {
            client.Send(ApiKey.Metadata, MetadataVersion, 1, AnyRequest);
            await server.Dispatcher.ArrivalsAsync(1, RawClient.Patience);
            server.Dispatcher[1].Context.Connection.Closed.Register(closed.SetResult);
        }

        await closed.Task.WaitAsync(RawClient.Patience);
        server.Dispatcher.Answer(1, new MetadataResponse());
    }

    private static byte[] Header(short key, short version)
    {
        var bytes = new byte[10];
        BinaryPrimitives.WriteInt16BigEndian(bytes, key);
        BinaryPrimitives.WriteInt16BigEndian(bytes.AsSpan(2), version);
        return [.. RawClient.Size(bytes.Length), .. bytes];
    }

    private static byte[] Cut(byte[] frame) => [.. RawClient.Size(frame.Length - sizeof(int) - 3), .. frame[sizeof(int)..^3]];

    private static byte[] Longer(byte[] frame) => [.. RawClient.Size(frame.Length - sizeof(int) + 3), .. frame[sizeof(int)..], 0, 0, 0];
}
