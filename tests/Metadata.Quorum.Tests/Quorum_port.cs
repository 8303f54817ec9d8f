using System.Net;
using System.Net.Sockets;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Metadata.Quorum.Tests;

public sealed class Quorum_port : IAsyncLifetime
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private readonly TcpQuorumTransport _server = TcpQuorumTransport.Bind(new IPEndPoint(IPAddress.Loopback, 0), TimeProvider.System);
    private readonly TcpQuorumTransport _client = TcpQuorumTransport.Bind(new IPEndPoint(IPAddress.Loopback, 0), TimeProvider.System);

    private QuorumPeer Server => new(1, "127.0.0.1", (ushort)_server.Port);

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        await _client.DisposeAsync();
        await _server.DisposeAsync();
    }

    [Fact]
    public async Task A_request_is_answered_over_Kafkas_frames()
    {
        _server.Serve((request, _) => Task.FromResult<IResponseMessage?>(MachineFixture.Voted(((VoteRequest)request).Topics[0].Partitions[0].ReplicaEpoch, granted: true)));
        for (var epoch = 1; epoch < 20; epoch++)
        {
            var answer = await _client.SendAsync(Server, MachineFixture.Vote(2, epoch), Patience);
            Assert.Equal(epoch, Assert.IsType<VoteResponse>(answer).Topics[0].Partitions[0].LeaderEpoch);
        }
    }

    [Fact]
    public async Task A_fetch_that_waits_holds_up_no_vote()
    {
        var parked = new TaskCompletionSource<IResponseMessage?>();
        _server.Serve((request, _) => request is FetchRequest ? parked.Task : Task.FromResult<IResponseMessage?>(MachineFixture.Voted(1, granted: true)));
        var fetch = _client.SendAsync(Server, MachineFixture.Fetch(2, 1, 0, 0), Patience);
        Assert.IsType<VoteResponse>(await _client.SendAsync(Server, MachineFixture.Vote(2, 1), Patience));
        Assert.False(fetch.IsCompleted);
        parked.SetResult(MachineFixture.Fetched(1, 1, 5));
        Assert.Equal(5, Assert.IsType<FetchResponse>(await fetch).Responses[0].Partitions[0].HighWatermark);
    }

    [Fact]
    public async Task A_peer_that_does_not_answer_or_is_not_there_is_no_error()
    {
        _server.Serve((_, _) => new TaskCompletionSource<IResponseMessage?>().Task);
        var server = Server;
        Assert.Null(await _client.SendAsync(server, MachineFixture.Vote(2, 1), TimeSpan.FromMilliseconds(50)));
        await _server.DisposeAsync();
        Assert.Null(await _client.SendAsync(server, MachineFixture.Vote(2, 1), Patience));
    }

    [Theory]
    [InlineData(new byte[] { 0x7f, 0xff, 0xff, 0xff })]
    [InlineData(new byte[] { 0xff, 0xff, 0xff, 0xff })]
    [InlineData(new byte[] { 0, 0, 0, 4, 0x7f, 0, 0, 0 })]
    [InlineData(new byte[] { 0, 0, 0, 10, 0, 52, 0, 2, 0, 0, 0, 1, 0xff, 0xff })]
    [InlineData(new byte[] { 0x47, 0x45, 0x54, 0x20, 0x2f, 0x20, 0x48, 0x54 })]
    public async Task What_is_no_request_closes_the_connection_and_nothing_else(byte[] bytes)
    {
        _server.Serve((_, _) => Task.FromResult<IResponseMessage?>(MachineFixture.Voted(1, granted: true)));
        using var hostile = new TcpClient("127.0.0.1", _server.Port);
        await hostile.GetStream().WriteAsync(bytes);
        Assert.True(await ClosedAsync(hostile), "the connection is still open");
        Assert.NotNull(await _client.SendAsync(Server, MachineFixture.Vote(2, 1), Patience));
    }

    [Fact]
    public async Task It_says_what_it_serves()
    {
        _server.Serve((request, _) => Task.FromResult<IResponseMessage?>(new MachineFixture().Ask<ApiVersionsResponse>(request)));
        var answer = Assert.IsType<ApiVersionsResponse>(await _client.SendAsync(Server, new ApiVersionsRequest { ClientSoftwareName = "test", ClientSoftwareVersion = "1" }, Patience));
        Assert.Equal(ErrorCode.None, answer.ErrorCode);
        Assert.Equal([1, 18, 52, 53, 54, 55, 59, 80, 81, 82], answer.ApiKeys.Select(api => (int)api.ApiKey));
        Assert.All(answer.ApiKeys, api => Assert.Equal(ApiCatalog.Find(api.ApiKey)!.MaxVersion, api.MaxVersion));
        Assert.Equal(("kraft.version", (short)1), (answer.SupportedFeatures.Single().Name, answer.SupportedFeatures.Single().MaxVersion));
    }

    [Fact]
    public async Task Who_asks_what_it_serves_in_a_version_of_the_future_is_told_in_the_first_one()
    {
        _server.Serve((_, _) => Task.FromResult<IResponseMessage?>(null));
        using var client = new TcpClient("127.0.0.1", _server.Port);
        await client.GetStream().WriteAsync(new byte[] { 0, 0, 0, 11, 0, 18, 0, 99, 0, 0, 0, 7, 0xff, 0xff, 0 });
        using var patience = new CancellationTokenSource(Patience);
        var size = new byte[4];
        await client.GetStream().ReadExactlyAsync(size, patience.Token);
        var frame = new byte[size[3] + (size[2] << 8)];
        await client.GetStream().ReadExactlyAsync(frame, patience.Token);
        Assert.Equal(new byte[] { 0, 0, 0, 7, 0, (byte)ErrorCode.UnsupportedVersion, 0, 0, 0, 10 }, frame[..10]);
    }

    [Theory]
    [InlineData(new byte[] { 0, 0, 0, 10, 0, 0, 0, 9, 0, 0, 0, 1, 0xff, 0xff })]
    [InlineData(new byte[] { 0, 0, 0, 10, 0, 1, 0, 12, 0, 0, 0, 1, 0xff, 0xff })]
    public async Task What_it_does_not_serve_closes_the_connection(byte[] bytes)
    {
        _server.Serve((_, _) => Task.FromResult<IResponseMessage?>(MachineFixture.Voted(1, granted: true)));
        using var client = new TcpClient("127.0.0.1", _server.Port);
        await client.GetStream().WriteAsync(bytes);
        Assert.True(await ClosedAsync(client), "the connection is still open");
    }

    [Fact]
    public async Task A_stream_factory_wraps_both_ends()
    {
        await using var server = TcpQuorumTransport.Bind(new IPEndPoint(IPAddress.Loopback, 0), TimeProvider.System, Flipped);
        await using var client = TcpQuorumTransport.Bind(new IPEndPoint(IPAddress.Loopback, 0), TimeProvider.System, Flipped);
        server.Serve((_, _) => Task.FromResult<IResponseMessage?>(MachineFixture.Voted(3, granted: true)));
        var peer = new QuorumPeer(1, "127.0.0.1", (ushort)server.Port);
        Assert.IsType<VoteResponse>(await client.SendAsync(peer, MachineFixture.Vote(2, 1), Patience));
        Assert.Null(await _client.SendAsync(peer, MachineFixture.Vote(2, 1), Patience));
    }

    private static async Task<bool> ClosedAsync(TcpClient client)
    {
        using var patience = new CancellationTokenSource(Patience);
        try
        {
            return await client.GetStream().ReadAsync(new byte[1], patience.Token) == 0;
        }
        catch (IOException)
        {
            return true;
        }
    }

    private static ValueTask<Stream> Flipped(Stream stream, bool isServer, string host, CancellationToken cancel) => ValueTask.FromResult<Stream>(new FlippingStream(stream));

    /// <summary>Every bit the other way round: unreadable for whoever does not do the same.</summary>
    private sealed class FlippingStream(Stream inner) : Stream
    {
        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            var read = await inner.ReadAsync(buffer, cancellationToken);
            foreach (ref var one in buffer.Span[..read])
            {
                one ^= 0xff;
            }

            return read;
        }

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) =>
            inner.WriteAsync(buffer.ToArray().Select(one => (byte)(one ^ 0xff)).ToArray(), cancellationToken);

        public override void Flush() => inner.Flush();

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                inner.Dispose();
            }

            base.Dispose(disposing);
        }
    }
}
