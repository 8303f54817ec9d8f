using System.Buffers.Binary;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Milena.Metadata.Image;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Replication;

/// <summary>Connections over TCP, in Kafka's protocol.</summary>
public sealed class TcpLeaderConnector(int brokerId) : ILeaderConnector
{
    private const int MaxAnswer = int.MaxValue - 64;

    public async Task<ILeaderConnection> ConnectAsync(int leader, BrokerEndPoint endPoint, TimeSpan timeout, CancellationToken cancellation)
    {
        var connection = new TcpLeaderConnection($"broker-{brokerId}-fetcher");
        try
        {
            await connection.OpenAsync(endPoint, timeout, cancellation).ConfigureAwait(false);
            return connection;
        }
        catch
        {
            await connection.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    private sealed class TcpLeaderConnection : ILeaderConnection
    {
        /// <summary>Before they have told each other what they know, both know this version.</summary>
        private const short ApiVersionsVersion = 3;

        private readonly string _clientId;
        private readonly Socket _socket = new(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        private readonly Dictionary<short, short> _versions = [];
        private readonly Timer _limit;

        // A frame with its length in front, as it lies on the wire.
        private byte[] _answer = new byte[64 * 1024];
        private int _correlationId;
        private volatile bool _isLate;

        public TcpLeaderConnection(string clientId)
        {
            _clientId = clientId;
            _limit = new Timer(static connection => ((TcpLeaderConnection)connection!).GiveUp(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        }

        public async Task OpenAsync(BrokerEndPoint endPoint, TimeSpan timeout, CancellationToken cancellation)
        {
            await WithinAsync(timeout, cancellation, () => _socket.ConnectAsync(endPoint.Host, endPoint.Port)).ConfigureAwait(false);
            _versions[(short)ApiKey.ApiVersions] = ApiVersionsVersion;
            var request = new ApiVersionsRequest { ClientSoftwareName = "milena", ClientSoftwareVersion = typeof(TcpLeaderConnector).Assembly.GetName().Version!.ToString(3) };
            var served = await AskAsync<ApiVersionsResponse>(ApiKey.ApiVersions, request, timeout, cancellation).ConfigureAwait(false);
            if (served.ErrorCode != ErrorCode.None)
            {
                throw new InvalidDataException($"The leader answers {served.ErrorCode} to ApiVersions.");
            }

            foreach (var api in served.ApiKeys)
            {
                if (ApiCatalog.Find(api.ApiKey) is { } known && Math.Min(known.MaxVersion, api.MaxVersion) is var version
                    && version >= Math.Max(known.MinVersion, api.MinVersion))
                {
                    _versions[api.ApiKey] = version;
                }
            }
        }

        public short VersionOf(ApiKey key) =>
            _versions.TryGetValue((short)key, out var version) ? version : throw new InvalidDataException($"The leader and this broker have no version of {key} in common.");

        public async Task<TResponse> AskAsync<TResponse>(ApiKey key, IRequestMessage request, TimeSpan timeout, CancellationToken cancellation)
            where TResponse : IResponseMessage
        {
            var version = VersionOf(key);
            var correlationId = ++_correlationId;
            var length = 0;
            await WithinAsync(timeout, cancellation, async () =>
            {
                await SendAsync(key, version, correlationId, request).ConfigureAwait(false);
                length = await ReceiveAsync().ConfigureAwait(false);
            }).ConfigureAwait(false);
            return Decode<TResponse>(key, version, correlationId, _answer.AsMemory(sizeof(int), length));
        }

        public ValueTask DisposeAsync()
        {
            _limit.Dispose();
            _socket.Dispose();
            return ValueTask.CompletedTask;
        }

        /// <summary>
        /// Ends a step that takes too long, or that its caller gives up, by closing the socket, which is of no use afterwards: a timer that is set
        /// and stopped costs far less than a token for each read and write.
        /// </summary>
        private async ValueTask WithinAsync(TimeSpan timeout, CancellationToken cancellation, Func<Task> step)
        {
            cancellation.ThrowIfCancellationRequested();
            using var given = cancellation.UnsafeRegister(static connection => ((TcpLeaderConnection)connection!)._socket.Dispose(), this);
            _limit.Change(timeout, Timeout.InfiniteTimeSpan);
            try
            {
                await step().ConfigureAwait(false);
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                throw cancellation.IsCancellationRequested ? new OperationCanceledException(cancellation)
                    : _isLate ? new TimeoutException("The leader did not answer in time.")
                    : new IOException(e.Message, e);
            }
            finally
            {
                _limit.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            }
        }

        private void GiveUp()
        {
            _isLate = true;
            _socket.Dispose();
        }

        private async Task SendAsync(ApiKey key, short version, int correlationId, IRequestMessage request)
        {
            using var frame = Encode(key, version, correlationId, request);
            for (var sent = 0; sent < frame.Written.Length;)
            {
                sent += await _socket.SendAsync(frame.Written[sent..], SocketFlags.None).ConfigureAwait(false);
            }
        }

        private MessageBuffer Encode(ApiKey key, short version, int correlationId, IRequestMessage request)
        {
            var buffer = new MessageBuffer();
            var writer = new ProtocolWriter(buffer);
            writer.WriteInt32(0);
            var header = new RequestHeader { RequestApiKey = (short)key, RequestApiVersion = version, CorrelationId = correlationId, ClientId = _clientId };
            header.Write(ref writer, ApiCatalog.RequestHeaderVersion((short)key, version));
            request.Write(ref writer, version);
            BinaryPrimitives.WriteInt32BigEndian(MemoryMarshal.AsMemory(buffer.Written).Span, buffer.Written.Length - sizeof(int));
            return buffer;
        }

        private static TResponse Decode<TResponse>(ApiKey key, short version, int correlationId, ReadOnlyMemory<byte> frame)
            where TResponse : IResponseMessage
        {
            var reader = new ProtocolReader(frame);
            return ResponseHeader.TryRead(ref reader, ApiCatalog.ResponseHeaderVersion((short)key, version), out var header)
                && header.CorrelationId == correlationId
                && ApiCatalog.TryReadResponse((short)key, version, frame[reader.Position..], out var response)
                && response is TResponse answer
                    ? answer
                    : throw new InvalidDataException($"The leader's answer to {key} version {version} cannot be read.");
        }

        /// <returns>The length of the answer, which lies behind its own length.</returns>
        private async Task<int> ReceiveAsync()
        {
            var read = 0;
            var wanted = sizeof(int);
            while (read < wanted)
            {
                // It grows with what arrives, not with what is announced: who answers at that address may be anybody.
                if (read == _answer.Length)
                {
                    Array.Resize(ref _answer, (int)Math.Min(wanted, 2L * _answer.Length));
                }

                var received = await _socket.ReceiveAsync(_answer.AsMemory(read), SocketFlags.None).ConfigureAwait(false);
                read += received != 0 ? received : throw new IOException("The leader closed the connection.");
                if (wanted == sizeof(int) && read >= sizeof(int))
                {
                    var length = BinaryPrimitives.ReadInt32BigEndian(_answer);
                    wanted = length is >= 0 and <= MaxAnswer ? sizeof(int) + length : throw new InvalidDataException($"The leader announces an answer of {length} bytes.");
                }
            }

            return read == wanted ? wanted - sizeof(int) : throw new InvalidDataException("The leader sent more than it was asked for.");
        }
    }
}
